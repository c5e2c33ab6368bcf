"""``mlcycle up``, ``down`` and ``status``: the local platform for people."""

import errno
import fcntl
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from mlcycle.errors import ConfigError, Unavailable
from mlcycle.local.config import HOST, PORTS, USERS, Platform, configure, state_folder
from mlcycle.local.guard import acquire, end_leftovers, recorded
from mlcycle.local.processes import descendants, memory, send, started_at, wait_gone
from mlcycle.settings import CHECKPOINTS

Say = Callable[[str], None]
STOP_SECONDS = 60.0


def up(
    state: Path | None = None,
    *,
    home: Path | None = None,
    ports: Mapping[str, int | None] | None = None,
    foreground: bool = False,
    say: Say = print,
) -> None:
    """Start the platform and return when everything is ready, or, in the foreground, when it is stopped.

    Args:
        state: state folder; $MLCYCLE_STATE or ``.mlcycle`` by default.
        home: folder with dags/, plugins/ and projects/.
        ports: other ports than the remembered ones, by the names of ``config.PORTS``.
        foreground: stay until it is stopped, by Ctrl-C for one.
        say: gets the lines of progress and the table of links.

    Raises:
        Conflict: it runs already.
        ConfigError: a port is taken, a folder is missing.
        Unavailable: a service did not start; everything was stopped again.
    """
    if not sys.platform.startswith("linux"):
        raise ConfigError("the local platform runs on Linux: on other systems use a virtual machine or WSL 2")
    folder = state_folder(state)
    (folder / "run").mkdir(mode=0o700, parents=True, exist_ok=True)
    with acquire(folder):  # refuse before anything is changed; the guard takes it again
        platform = configure(folder, home=home, ports=ports)
        end_leftovers(folder)
        _clear(folder / "scratch")
        check_ports(platform)
    began = time.monotonic()
    guard = _start(platform, foreground)
    try:
        _follow(guard, say)
        say(f"ready after {time.monotonic() - began:.1f} s")
        say(links(platform))
        if foreground:
            say("stop with Ctrl-C")
            guard.wait()
    except KeyboardInterrupt:
        say("stopping")
        send(guard.pid, signal.SIGTERM)
        guard.wait()


def _clear(scratch: Path) -> None:
    """Remove what killed tasks and steps left, but for checkpoints: a training that is retried goes on."""
    for left in scratch.glob("*"):
        if not left.name.startswith(CHECKPOINTS):
            shutil.rmtree(left, ignore_errors=True)


def down(state: Path | None = None, *, say: Say = print) -> None:
    """Stop the platform and return when nothing of it runs. Fine when it does not run.

    Raises Unavailable if it does not stop in time.
    """
    folder = state_folder(state)
    pid = running(folder)
    if pid is None:
        if (folder / "run").is_dir():
            end_leftovers(folder)
        say(f"no platform runs in {folder}")
        return
    say("stopping")
    send(pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    while running(folder) is not None:
        if time.monotonic() > deadline:
            raise Unavailable(
                f"pid {pid} did not stop within {STOP_SECONDS:.0f} s: see {folder}/logs/supervisor.log"
            )
        time.sleep(0.05)
    wait_gone([pid], 5)
    say("stopped")


def status(state: Path | None = None, *, as_json: bool = False, say: Say = print) -> int:
    """Show each service; returns 0 when all are ready, 1 otherwise."""
    folder = state_folder(state)
    pid = running(folder)
    if pid is None:
        say(json.dumps({"running": False, "services": []}) if as_json else f"no platform runs in {folder}")
        return 1
    services = []
    for row in recorded(folder):
        alive = bool(row["pid"]) and started_at(row["pid"]) == row["identity"]
        tree = [row["pid"], *descendants(row["pid"])] if alive else []
        if not row["task"]:
            services.append(
                {
                    "name": row["name"],
                    "state": "ready" if row["ready"] and alive else "starting" if alive else "down",
                    "pid": row["pid"] if alive else None,
                    "up_since": _clock(row["started"]) if alive else "",
                    "restarts": row["restarts"],
                    "memory_mib": round(memory(tree) / 2**20),
                    "url": row["url"],
                    "last_exit": row["exit"],
                }
            )
    good = bool(services) and all(service["state"] == "ready" for service in services)
    total = sum(int(str(service["memory_mib"])) for service in services) + round(
        memory([pid, *(child for child in descendants(pid) if _is_supervisor(folder, child))]) / 2**20
    )
    if as_json:
        say(
            json.dumps(
                {"running": True, "ready": good, "pid": pid, "memory_mib": total, "services": services}
            )
        )
        return 0 if good else 1
    columns = ("name", "state", "pid", "up_since", "restarts", "memory_mib", "url")
    say(
        _table(
            [("SERVICE", "STATE", "PID", "UP SINCE (UTC)", "RESTARTS", "MiB", "URL")]
            + [tuple("" if s[c] is None else str(s[c]) for c in columns) for s in services]
        )
    )
    say(f"memory in all {total} MiB; logs in {folder}/logs")
    return 0 if good else 1


def links(platform: Platform) -> str:
    """A table of where to look and how to log in."""
    airflow = platform.url("airflow")
    rows = [("WHAT", "LINK", "LOGIN")]
    rows += [("Airflow", airflow, f"{user} / {platform.secrets[f'airflow_{user}']}") for user in USERS]
    rows += [
        ("MLflow", f"{platform.url('mlflow')}/#/experiments?workflowType=machine_learning", "none"),
        ("Evidently", platform.url("evidently"), "none to read"),
    ]
    return _table(rows)


def running(state: Path) -> int | None:
    """The pid of the platform's guard, or None where no platform runs in this state folder."""
    try:
        with (state / "run" / "lock").open("r") as lock:
            try:
                fcntl.flock(lock, fcntl.LOCK_SH | fcntl.LOCK_NB)
            except BlockingIOError:
                return int(lock.read().strip() or 0) or None
    except FileNotFoundError:
        pass
    return None


def check_ports(platform: Platform) -> None:
    """Raises ConfigError that names the port, what it is for and how to choose another."""
    for name, port in platform.ports.items():
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((HOST, port))
            except OSError as error:
                reason = (
                    "is in use" if error.errno == errno.EADDRINUSE else f"cannot be used ({error.strerror})"
                )
                raise ConfigError(
                    f"port {port}, for {PORTS[name].title}, {reason}: free it, or choose another with "
                    f"mlcycle up --{name}-port N (or MLCYCLE_PORT_{name.upper()}=N)"
                ) from None


def _start(platform: Platform, foreground: bool) -> subprocess.Popen[str]:
    """Start the guard, which outlives us unless it is to run in the foreground; its progress on stdout."""
    reader, writer = os.pipe()
    log_file = platform.logs / "supervisor.log"
    log_file.touch(mode=0o600)
    arguments = ["--state", str(platform.state), "--progress", str(writer)]
    with log_file.open("ab") as log:
        guard: subprocess.Popen[str] = subprocess.Popen(
            [sys.executable, "-m", "mlcycle.local.guard", *arguments, *["--die-with-parent"] * foreground],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            cwd="/",
            start_new_session=True,
            pass_fds=[writer],
            text=True,
        )
    os.close(writer)
    guard.stdout = os.fdopen(reader)
    return guard


def _follow(guard: subprocess.Popen[str], say: Say) -> None:
    """Hand on the guard's progress until it is ready. Raises Unavailable when it is not to be."""
    assert guard.stdout is not None
    for line in guard.stdout:
        message = json.loads(line)
        if message["kind"] == "ready":
            return
        if message["kind"] == "failed":
            guard.wait()
            raise Unavailable(message["text"])
        say(message["text"])
    guard.wait()
    raise Unavailable("the platform was stopped while it was starting")


def _is_supervisor(state: Path, pid: int) -> bool:
    try:
        return bool(json.loads((state / "run" / "services.json").read_text())["supervisor"] == pid)
    except (OSError, ValueError):
        return False


def _clock(moment: float) -> str:
    return time.strftime("%Y-%m-%d %H:%M:%S", time.gmtime(moment))


def _table(rows: Sequence[tuple[str, ...]]) -> str:
    widths = [max(len(row[column]) for row in rows) for column in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )
