"""The process above the supervisor: ``python -m mlcycle.local.guard --state FOLDER``.

It holds the platform's lock and waits. Whatever ends the supervisor, SIGKILL included, its
descendants become the guard's children, and the guard ends them: PostgreSQL in order, the rest at
once. Ends the guard itself, the supervisor is told by the kernel and stops everything. Killed both
at one moment, each service dies with the supervisor, and the next start ends what those left.
"""

import argparse
import fcntl
import json
import os
import signal
import sys
import time
import traceback
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import IO, Any

from mlcycle.errors import Conflict, MlcycleError
from mlcycle.local import environment
from mlcycle.local.config import Platform, load
from mlcycle.local.processes import (
    adopt_orphans,
    children,
    die_with_parent,
    marked,
    send,
    session_members,
    started_at,
    wait_gone,
)
from mlcycle.local.services import Service, services
from mlcycle.local.supervisor import Supervisor

Tell = Callable[[str, str], None]


def main() -> int:
    """Run the platform until it is stopped; the exit code is 1 when it did not start."""
    parser = argparse.ArgumentParser(prog="python -m mlcycle.local.guard")
    parser.add_argument("--state", type=Path, required=True)
    parser.add_argument("--progress", type=int, help="file descriptor that is told how the start goes")
    parser.add_argument("--die-with-parent", action="store_true")
    options = parser.parse_args()
    if options.die_with_parent:
        die_with_parent(signal.SIGTERM, os.getppid())()
    return hold(options.state, options.progress, services)


def hold(state: Path, progress: int | None, chosen: Callable[[Platform], list[Service]]) -> int:
    """Guard a platform that runs these services, until it is stopped; returns the exit code."""
    channel = os.fdopen(progress, "w", buffering=1) if progress else None
    tell = _teller(channel)
    os.umask(0o077)
    try:
        platform = load(state)
        lock = acquire(platform.state)
        end_leftovers(platform.state)
    except MlcycleError as error:
        tell("failed", error.message)
        return 1
    adopt_orphans()
    guard = os.getpid()
    supervisor = os.fork()
    if supervisor == 0:
        die_with_parent(signal.SIGTERM, guard)()
        os._exit(_supervise(platform, chosen, channel, tell))
    if channel:
        channel.close()
    code = _watch(supervisor)
    _end_what_is_left(platform.state)
    (platform.state / "run" / "services.json").unlink(missing_ok=True)
    lock.close()
    return code


def acquire(state: Path) -> IO[str]:
    """Take the platform's lock; it is held while the file is open. Raises Conflict if it is taken."""
    lock = (state / "run" / "lock").open("a+")
    deadline = time.monotonic() + 0.5  # who only looks whether it is taken holds it for a moment
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if time.monotonic() > deadline:
                lock.seek(0)
                raise Conflict(
                    f"the platform in {state} runs already (pid {lock.read().strip()}): "
                    "see mlcycle status, or stop it with mlcycle down"
                ) from None
            time.sleep(0.02)
    lock.truncate(0)
    lock.write(str(os.getpid()))
    lock.flush()
    return lock


def end_leftovers(state: Path) -> None:
    """End what a platform left that was killed together with its guard."""
    rows = recorded(state)
    sessions = [row["pid"] for row in rows if row["pid"]]
    left = {*session_members(sessions), *marked("MLCYCLE_PLATFORM", str(state))} - {os.getpid()}
    # A session's number is taken again only after its last process; still, never touch an older process.
    oldest = min((row["identity"] for row in rows if row["identity"]), default=0)
    left = {pid for pid in left if (began := started_at(pid)) is not None and began >= oldest}
    database = {row["pid"] for row in rows if row["name"] == "postgres"}
    backends = {pid for parent in database for pid in children(parent)}
    for pid in left - database - backends:
        send(pid, signal.SIGKILL)
    for pid in left & database:
        send(pid, signal.SIGINT)
    for pid in wait_gone(left, 20):
        send(pid, signal.SIGKILL)


def recorded(state: Path) -> list[dict[str, Any]]:
    """The services as the supervisor last noted them; none where there is no note."""
    try:
        rows = json.loads((state / "run" / "services.json").read_text())["services"]
    except (OSError, ValueError):
        return []
    return list(rows)


def _supervise(
    platform: Platform, chosen: Callable[[Platform], list[Service]], channel: IO[str] | None, tell: Tell
) -> int:
    def ready() -> None:
        tell("ready", "")
        if channel:
            channel.close()

    try:
        environment.write_files(platform)
        platform.postgres.initialise()
        Supervisor(platform, chosen(platform), lambda text: tell("progress", text)).run(ready)
    except MlcycleError as error:
        tell("failed", error.message)
        return 1
    except Exception as error:  # noqa: BLE001 - told to whoever waits for the start
        traceback.print_exc()
        tell("failed", f"{type(error).__name__}: {error} (whole log: {platform.logs / 'supervisor.log'})")
        return 1
    return 0


def _teller(channel: IO[str] | None) -> Tell:
    def tell(kind: str, text: str) -> None:
        print(f"{kind} {text}", file=sys.stderr, flush=True)
        if channel and not channel.closed:
            with suppress(BrokenPipeError):
                channel.write(json.dumps({"kind": kind, "text": text}) + "\n")

    return tell


def _watch(supervisor: int) -> int:
    """Pass signals on to the supervisor and return its exit code."""
    for signum in (signal.SIGTERM, signal.SIGINT):
        signal.signal(signum, lambda *_: send(supervisor, signal.SIGTERM))
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    _, status = os.waitpid(supervisor, 0)
    code = os.waitstatus_to_exitcode(status)
    return code if code >= 0 else 128 - code


def _end_what_is_left(state: Path) -> None:
    """End every descendant; PostgreSQL last and in order, so that it need not recover."""
    database = next((row["pid"] for row in recorded(state) if row["name"] == "postgres"), 0)
    deadline, asked = time.monotonic() + 15, False
    while left := children(os.getpid()):
        late = time.monotonic() > deadline
        for pid in left:
            if pid != database or late:
                send(pid, signal.SIGKILL)
            elif not asked and len(left) == 1:
                send(pid, signal.SIGINT)
                asked = True
        with suppress(ChildProcessError):
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        time.sleep(0.02)


if __name__ == "__main__":
    sys.exit(main())
