"""Joules that processors drew while something ran, where the system counts them (RAPL of Intel and AMD).

Linux has a counter for each processor package, ``/sys/class/powercap/<zone>/energy_uj``, of all that runs on
it: other processes' work is in it. It begins again at nought after ``max_energy_range_uj``
(https://docs.kernel.org/power/powercap/powercap.html). Most systems let root alone read it, as it tells of
others' secrets (M. Lipp et al., "PLATYPUS", IEEE S&P 2021); containers and virtual machines mostly lack it.
"""

import re
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

POWERCAP: Final = Path("/sys/class/powercap")
#: A package's zone: its parts (cores, graphics) are zones below, as intel-rapl:0:0, and are in it already.
PACKAGE: Final = re.compile(r"^(?:intel|amd)-rapl:\d+$")
EVERY: Final = 60.0  # seconds between two looks: a counter of 65 kJ at 500 W begins again after 130 s


@dataclass(frozen=True)
class Energy:
    """``joules`` is None where they cannot be read; ``why`` says so."""

    joules: float | None
    why: str = ""


@dataclass(frozen=True)
class Zone:
    """A counter and where it begins again, in microjoules."""

    counter: Path
    range: int

    def read(self) -> int:
        """What it says now. Raises OSError or ValueError where it cannot be read."""
        return int(self.counter.read_text())


def zones(root: Path = POWERCAP) -> dict[str, Zone]:
    """The packages' counters by name. Raises OSError or ValueError, in words, where there are none."""
    if not root.is_dir():
        raise OSError(f"the system has no {root}")
    found = {}
    for folder in sorted(root.iterdir()):
        if not PACKAGE.match(folder.name) or not (folder / "energy_uj").exists():
            continue
        # "psys" is the whole board, packages included.
        if not (folder / "name").read_text().startswith("package"):
            continue
        found[folder.name] = Zone(folder / "energy_uj", int((folder / "max_energy_range_uj").read_text()))
    if not found:
        raise OSError(f"{root} counts no processor package")
    return found


class Meter:
    """What is drawn within its ``with``; looks now and then, so that no counter begins again unseen.

    Energy is never a reason to fail: what goes wrong is ``why`` there is no figure.
    """

    def __init__(self, root: Path | None = None, every: float = EVERY) -> None:
        self._root, self._every = root or POWERCAP, every
        self._zones: Mapping[str, Zone] = {}
        self._last: dict[str, int] = {}
        self._drawn, self._why = 0, ""
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> Self:
        """Begin."""
        self._safely(self._begin)
        if not self._why:
            self._thread = threading.Thread(target=self._watch, name="energy", daemon=True)
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """End: nothing after it counts."""
        self._over.set()
        if self._thread is not None:
            self._thread.join()
        self._safely(self.look)

    @property
    def energy(self) -> Energy:
        """What was drawn up to the last look."""
        return Energy(None, self._why) if self._why else Energy(self._drawn / 1e6)

    def look(self) -> None:
        """Add what every counter has gone on by. Raises as :meth:`Zone.read`."""
        for name, zone in self._zones.items():
            now = zone.read()
            gone = now - self._last[name]
            self._drawn += gone if gone >= 0 else gone + zone.range
            self._last[name] = now

    def _begin(self) -> None:
        self._zones = zones(self._root)
        self._last = {name: zone.read() for name, zone in self._zones.items()}

    def _watch(self) -> None:
        while not self._over.wait(self._every):
            self._safely(self.look)

    def _safely(self, work: Callable[[], None]) -> None:
        if self._why:
            return
        try:
            work()
        except PermissionError as error:
            self._why = f"only root may read {error.filename}"
        except (OSError, ValueError) as error:
            self._why = str(error)
