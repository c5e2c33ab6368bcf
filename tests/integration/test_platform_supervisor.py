"""The supervisor and its guard on small services: restarts, orphans, logs, and what a kill leaves."""

import json
import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from mlcycle.local.config import configure
from mlcycle.local.guard import acquire, end_leftovers, recorded
from mlcycle.local.processes import descendants, started_at, wait_gone
from mlcycle.local.service_process import LOG_BYTES

SCRIPT = """
import signal, sys
from pathlib import Path
from mlcycle.local import guard, postgres
from mlcycle.local.services import Service
postgres.Postgres.initialise = lambda self: None

def chosen(platform):
    env = {"PATH": "/bin:/usr/bin", "MLCYCLE_PLATFORM": str(platform.state)}
    def sh(name, script, **more):
        return Service(name, name.title(), ["/bin/sh", "-c", script], env, **more)
    return [SERVICES]

sys.exit(guard.hold(Path(sys.argv[1]), None, chosen))
"""


class Small:
    """A platform of shell scripts, below a guard of its own."""

    def __init__(self, state: Path, services: str) -> None:
        self.state = state
        (state / "projects").mkdir(parents=True)
        configure(state, home=state)
        script = textwrap.dedent(SCRIPT).replace("SERVICES", services)
        self.log = state / "guard.log"
        with self.log.open("wb") as log:
            self.guard = subprocess.Popen([sys.executable, "-c", script, str(state)], stderr=log)

    def row(self, name: str) -> dict[str, Any]:
        return next((row for row in recorded(self.state) if row["name"] == name), {})

    def ready(self) -> bool:
        rows = recorded(self.state)
        return bool(rows) and all(row["ready"] for row in rows)

    @property
    def supervisor(self) -> int:
        document = json.loads((self.state / "run" / "services.json").read_text())
        return int(document["supervisor"])

    def tree(self) -> list[int]:
        return descendants(self.guard.pid)


def until(true: Callable[[], object], seconds: float = 60) -> None:
    deadline = time.monotonic() + seconds
    while not true():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


@pytest.fixture
def small(tmp_path: Path) -> Iterator[Callable[[str], Small]]:
    made: list[Small] = []

    def make(services: str) -> Small:
        made.append(Small(tmp_path / f"state{len(made)}", services))
        return made[-1]

    yield make
    for platform in made:
        platform.guard.terminate()
        platform.guard.wait(30)
        end_leftovers(platform.state)


# A service with a child of its own, and one that ignores SIGTERM.
PARENT = 'sh("parent", "sleep 1000 & sleep 1001")'
STUBBORN = 'sh("stubborn", "trap : TERM; while :; do sleep 0.2; done", stop_seconds=0.5)'


def test_a_dead_service_is_restarted_after_its_whole_group_is_gone(small: Callable[[str], Small]) -> None:
    platform = small(PARENT)
    until(platform.ready)
    before = platform.row("parent")
    until(lambda: len(descendants(before["pid"])) == 2)
    group = descendants(before["pid"])
    os.kill(before["pid"], signal.SIGKILL)
    until(lambda: platform.row("parent")["restarts"] == 1 and platform.ready())
    assert not wait_gone(group, 1)
    assert platform.row("parent")["pid"] != before["pid"]
    assert platform.row("parent")["exit"] == "signal 9"


def test_orphans_that_left_their_group_are_ended_too(small: Callable[[str], Small], tmp_path: Path) -> None:
    note = tmp_path / "pid"
    platform = small(
        f'sh("runaway", "setsid sh -c \\"echo \\\\$\\\\$ > {note}; exec sleep 1000\\" & sleep 1001")'
    )
    until(lambda: note.exists() and note.read_text().strip())
    orphan = int(note.read_text())
    os.kill(platform.row("runaway")["pid"], signal.SIGKILL)
    assert not wait_gone([orphan], 6)


def test_services_start_in_the_order_of_their_needs(small: Callable[[str], Small], tmp_path: Path) -> None:
    order = tmp_path / "order"
    first = f'sh("first", "sleep 0.3; echo first >> {order}", task=True)'
    second = f'sh("second", "echo second >> {order}; sleep 1000", after=("first",))'
    platform = small(f"{second}, {first}")
    until(platform.ready)
    until(lambda: order.read_text().split() == ["first", "second"])


def test_a_service_that_does_not_start_ends_the_start_with_its_last_words(
    small: Callable[[str], Small],
) -> None:
    platform = small(f'{PARENT}, sh("broken", "echo no room on disk; exit 3", ready=lambda _: False)')
    assert platform.guard.wait(15) == 1
    assert "failed Broken ended with exit code 3: no room on disk (whole log:" in platform.log.read_text()


def test_stopping_kills_what_ignores_the_signal(small: Callable[[str], Small]) -> None:
    platform = small(f"{STUBBORN}, {PARENT}")
    until(platform.ready)
    tree = platform.tree()
    platform.guard.send_signal(signal.SIGINT)
    assert platform.guard.wait(10) == 0
    assert not wait_gone(tree, 0)


@pytest.mark.parametrize("victim", ["supervisor", "guard"])
def test_whoever_of_the_two_is_killed_nothing_is_left(small: Callable[[str], Small], victim: str) -> None:
    platform = small(f"{STUBBORN}, {PARENT}")
    until(platform.ready)
    tree = platform.tree()
    assert len(tree) >= 5
    os.kill(platform.supervisor if victim == "supervisor" else platform.guard.pid, signal.SIGKILL)
    assert not wait_gone(tree, 10)


def test_what_both_left_is_ended_at_the_next_start(small: Callable[[str], Small]) -> None:
    platform = small(PARENT)
    until(platform.ready)
    until(lambda: len(platform.tree()) == 4)
    tree = platform.tree()
    for pid in (platform.guard.pid, platform.supervisor):
        os.kill(pid, signal.SIGSTOP)
    for pid in (platform.supervisor, platform.guard.pid):
        os.kill(pid, signal.SIGKILL)
    left = wait_gone(tree, 1)
    assert left, "nothing was left: the test shows nothing"
    with acquire(platform.state):
        end_leftovers(platform.state)
    assert not wait_gone(left, 1)


def test_leftovers_of_others_are_left_alone(small: Callable[[str], Small], tmp_path: Path) -> None:
    other = subprocess.Popen(["sleep", "1000"], env={"MLCYCLE_PLATFORM": str(tmp_path / "elsewhere")})
    platform = small(PARENT)
    until(platform.ready)
    end_leftovers(tmp_path)
    assert started_at(other.pid) is not None
    assert platform.guard.poll() is None
    other.kill()
    other.wait()


def test_logs_are_bounded(small: Callable[[str], Small]) -> None:
    platform = small(f'sh("chatty", "head -c {LOG_BYTES + 1000} /dev/zero; echo; sleep 1000")')
    log = platform.state / "logs" / "chatty.log"
    until(lambda: log.with_suffix(".log.1").exists() and log.stat().st_size < 1000, 20)
    assert log.with_suffix(".log.1").stat().st_size <= LOG_BYTES
    assert {log.stat().st_mode & 0o777, log.with_suffix(".log.1").stat().st_mode & 0o777} == {0o600}
