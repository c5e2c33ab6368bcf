"""What a step's processes use of this machine's memory, and what the kernel did about it."""

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import psutil


def memory(pid: int, *, over: int) -> int:
    """Bytes of memory of a process and everything it started, exact where they are more than ``over``.

    A forked step shares most of its pages with its server. The resident size, which counts them, is
    quick to read and an upper bound; what several processes share is divided among them
    (proportional set size) only where that bound is over the limit.
    """
    import psutil  # a short step ends before anybody asks

    try:
        root = psutil.Process(pid)
        tree = [root, *root.children(recursive=True)]
    except psutil.Error:
        return 0
    resident = sum(_resident(process) for process in tree)
    return resident if resident <= over else sum(_proportional(process) for process in tree)


def out_of_memory_kills() -> int:
    """How often the kernel has killed a process for memory, on this machine or in our control group."""
    count = 0
    for path in ("/proc/vmstat", "/sys/fs/cgroup/memory.events"):
        try:
            lines = Path(path).read_text().splitlines()
        except OSError:
            continue
        count += sum(int(line.split()[1]) for line in lines if line.startswith("oom_kill "))
    return count


def _resident(process: "psutil.Process") -> int:
    import psutil

    try:
        return int(process.memory_info().rss)
    except psutil.Error:
        return 0


def _proportional(process: "psutil.Process") -> int:
    import psutil

    try:
        return int(process.memory_full_info().pss)
    except (psutil.Error, AttributeError):
        return _resident(process)
