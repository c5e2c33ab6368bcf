"""The process tree as the supervisor sees it."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator

import pytest

from mlcycle.local.processes import (
    children,
    cpu_seconds,
    descendants,
    marked,
    memory,
    send,
    session_members,
    started_at,
    threads,
    wait_gone,
)

MARK = f"of-{os.getpid()}"


@pytest.fixture
def tree() -> Iterator[tuple[int, int]]:
    """A process in a session of its own, and its child."""
    code = "import subprocess; subprocess.run(['sleep', '60'])"
    env = {**os.environ, "MLCYCLE_TEST_MARK": MARK}
    process = subprocess.Popen([sys.executable, "-c", code], start_new_session=True, env=env)
    deadline = time.monotonic() + 20
    while not (below := children(process.pid)) and time.monotonic() < deadline:
        time.sleep(0.02)
    yield process.pid, below[0]
    for pid in (process.pid, *below):
        send(pid, signal.SIGKILL)
    process.wait()


def test_a_tree_is_found_by_its_parent_its_session_and_its_environment(tree: tuple[int, int]) -> None:
    parent, child = tree
    assert children(os.getpid()).count(parent) == 1
    assert child not in children(os.getpid())
    assert set(tree) <= set(descendants(os.getpid()))
    assert sorted(session_members([parent])) == sorted(tree)
    assert sorted(marked("MLCYCLE_TEST_MARK", MARK)) == sorted(tree)
    assert marked("MLCYCLE_TEST_MARK", "another") == []


def test_what_it_uses_is_measured(tree: tuple[int, int]) -> None:
    assert memory(tree) > 500_000
    assert 0.0 < cpu_seconds(tree) < 20.0
    assert threads(tree[0]) == 1


def test_a_process_is_gone_once_dead_reaped_or_not(tree: tuple[int, int]) -> None:
    parent, _ = tree
    assert started_at(parent) == started_at(parent) is not None
    assert wait_gone([parent], 0.05) == [parent]
    send(parent, signal.SIGKILL)
    assert wait_gone([parent], 10) == []
    assert started_at(parent) is None  # a zombie: its parent, this process, has not asked yet
    assert parent not in session_members([parent])
    assert marked("MLCYCLE_TEST_MARK", MARK) != [parent]
    assert parent in children(os.getpid())  # to be reaped


def test_of_a_process_that_never_was_there_is_nothing() -> None:
    gone = 2**22 + 1  # above the kernel's highest
    assert started_at(gone) is None
    assert children(gone) == descendants(gone) == []
    assert memory([gone]) == 0
    assert cpu_seconds([gone]) == 0.0
    assert wait_gone([gone], 0) == []
    send(gone, signal.SIGKILL)
