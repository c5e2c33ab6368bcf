"""Linux's process tree: dying with one's parent, adopting orphans, finding and ending what is left.

Read from /proc directly: the supervisor lives as long as the platform and stays small.
"""

import contextlib
import ctypes
import os
import signal
import time
from collections.abc import Callable, Iterable
from pathlib import Path

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
    return [child for child, parent in _parents().items() if parent == pid]


def descendants(pid: int) -> list[int]:
    """Children, grandchildren and so on."""
    parents, level = _parents(), {pid}
    found: list[int] = []
    while level:
        level = {child for child, parent in parents.items() if parent in level}
        found += level
    return found


def started_at(pid: int) -> int | None:
    """Clock ticks after boot at which a process started: with its pid, its identity. None if it is gone."""
    stat = _stat(pid)
    return int(stat[19]) if stat and stat[0] != "Z" else None


def session_members(sessions: Iterable[int]) -> list[int]:
    """Processes of these sessions."""
    wanted = set(sessions)
    return [pid for pid in _pids() if (stat := _stat(pid)) and stat[0] != "Z" and int(stat[3]) in wanted]


def marked(name: str, value: str) -> list[int]:
    """Processes that were started with this environment variable."""
    entry = f"{name}={value}".encode()
    found = []
    for pid in _pids():
        try:
            environ = Path(f"/proc/{pid}/environ").read_bytes()
        except OSError:
            continue
        if entry in environ.split(b"\0"):
            found.append(pid)
    return found


def memory(pids: Iterable[int]) -> int:
    """Bytes of memory of these processes; what several share is counted once (proportional set size)."""
    return sum(_pss(pid) for pid in pids)


def cpu_seconds(pids: Iterable[int]) -> float:
    """CPU time that these processes and their reaped children have used."""
    ticks = sum(sum(map(int, stat[11:15])) for pid in pids if (stat := _stat(pid)))
    return ticks / os.sysconf("SC_CLK_TCK")


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


def _pids() -> list[int]:
    return [int(path.name) for path in Path("/proc").iterdir() if path.name.isdecimal()]


def _parents() -> dict[int, int]:
    return {pid: int(stat[1]) for pid in _pids() if (stat := _stat(pid))}


def _stat(pid: int) -> list[str] | None:
    """The fields of /proc/<pid>/stat after the name: state, parent, group, session, ..."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return None
    return text.rpartition(")")[2].split()


def _pss(pid: int) -> int:
    for name, key in (("smaps_rollup", "Pss:"), ("status", "VmRSS:")):
        try:
            for line in Path(f"/proc/{pid}/{name}").read_text().splitlines():
                if line.startswith(key):
                    return int(line.split()[1]) * 1024
        except OSError:
            continue
    return 0


def threads(pid: int) -> int:
    """Threads of a process."""
    return len(list(Path(f"/proc/{pid}/task").iterdir()))
