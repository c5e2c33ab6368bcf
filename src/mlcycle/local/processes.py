"""Linux's process tree: dying with one's parent, adopting orphans, finding and ending what is left."""

import contextlib
import ctypes
import os
import signal
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import psutil

PR_SET_PDEATHSIG = 1
PR_SET_CHILD_SUBREAPER = 36

_libc = ctypes.CDLL(None, use_errno=True)


def die_with_parent(signum: int = signal.SIGKILL, parent: int | None = None) -> Callable[[], None]:
    """To be called in the child, ``preexec_fn`` for one: the kernel sends it this signal when the
    thread that started it ends. The parent is who calls this, unless it is named.
    """
    parent = parent or os.getpid()

    def arm() -> None:
        _libc.prctl(PR_SET_PDEATHSIG, int(signum), 0, 0, 0)
        if os.getppid() != parent:  # it died in between
            os.kill(os.getpid(), signum)

    return arm


def adopt_orphans() -> None:
    """Become the parent of every descendant whose own parent ends."""
    _libc.prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def children(pid: int) -> list[int]:
    """Direct children of a process."""
    return _children(pid, recursive=False)


def descendants(pid: int) -> list[int]:
    """Children, grandchildren and so on."""
    return _children(pid, recursive=True)


def started_at(pid: int) -> int | None:
    """Clock ticks after boot at which a process started: with its pid, its identity. None if it is gone.

    Not psutil's ``create_time``: it adds the time of the boot, which moves when the clock is set.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()  # what follows the name
    except OSError:
        return None
    return int(stat[19]) if stat[0] != "Z" else None


def session_members(sessions: Iterable[int]) -> list[int]:
    """Processes of these sessions."""
    wanted = set(sessions)
    found = []
    for pid in psutil.pids():
        with contextlib.suppress(ProcessLookupError):
            if os.getsid(pid) in wanted and started_at(pid) is not None:
                found.append(pid)
    return found


def marked(name: str, value: str) -> list[int]:
    """Processes that were started with this environment variable."""
    found = []
    for pid in psutil.pids():
        with contextlib.suppress(psutil.Error, OSError):
            if psutil.Process(pid).environ().get(name) == value:
                found.append(pid)
    return found


def memory(pids: Iterable[int]) -> int:
    """Bytes of memory of these processes; what several share is counted once (proportional set size)."""
    total = 0
    for pid in pids:
        with contextlib.suppress(psutil.NoSuchProcess):
            process = psutil.Process(pid)
            try:
                total += process.memory_full_info().pss
            except psutil.AccessDenied:
                total += process.memory_info().rss
    return total


def cpu_seconds(pids: Iterable[int]) -> float:
    """CPU time that these processes and their reaped children have used."""
    total = 0.0
    for pid in pids:
        with contextlib.suppress(psutil.NoSuchProcess):
            used = psutil.Process(pid).cpu_times()
            total += used.user + used.system + used.children_user + used.children_system
    return total


def threads(pid: int) -> int:
    """Threads of a process."""
    return int(psutil.Process(pid).num_threads())


def send(pid: int, signum: int) -> None:
    """Send a signal; a process that is gone is fine."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, signum)


def send_group(pid: int, signum: int) -> None:
    """Send a signal to a process group; one that is gone is fine."""
    with contextlib.suppress(ProcessLookupError):
        os.killpg(pid, signum)


def wait_gone(pids: Iterable[int], seconds: float) -> list[int]:
    """Wait for processes to end; returns those that did not."""
    deadline = time.monotonic() + seconds
    left = list(pids)
    while left:
        left = [pid for pid in left if started_at(pid) is not None]
        if not left or time.monotonic() > deadline:
            break
        time.sleep(0.02)
    return left


def _children(pid: int, *, recursive: bool) -> list[int]:
    try:
        return [child.pid for child in psutil.Process(pid).children(recursive=recursive)]
    except psutil.NoSuchProcess:
        return []
