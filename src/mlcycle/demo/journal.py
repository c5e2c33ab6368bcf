"""The demo's journal: which acts are done, written whole after each, so that a kill loses none."""

import json
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path

from mlcycle.local.config import write_private


@dataclass(frozen=True)
class Entry:
    """One act of the demo as the closing table shows it."""

    act: str
    what: str
    rows: int
    seconds: float
    verdict: str


@dataclass
class Journal:
    """Acts that ended, in order. ``load`` continues where an earlier run of the demo stopped."""

    path: Path
    entries: dict[str, Entry] = field(default_factory=dict)

    @classmethod
    def load(cls, path: Path) -> "Journal":
        """The journal at a path; empty where there is none, or one that cannot be read."""
        try:
            rows = json.loads(path.read_text())
            return cls(path, {row["act"]: Entry(**row) for row in rows})
        except (OSError, ValueError, KeyError, TypeError):
            return cls(path)

    def __contains__(self, act: str) -> bool:
        return act in self.entries

    def note(self, entry: Entry) -> None:
        """Add an act and write the journal."""
        self.entries[entry.act] = entry
        write_private(self.path, json.dumps([asdict(row) for row in self.entries.values()], indent=1))


class Clock:
    """Seconds since the demo began, for its progress lines."""

    def __init__(self) -> None:
        self._begin = time.monotonic()

    def __call__(self) -> float:
        """Seconds so far."""
        return time.monotonic() - self._begin
