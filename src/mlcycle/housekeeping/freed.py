"""What housekeeping took away, or would take away, by kind."""

from collections import Counter
from dataclasses import dataclass, field


@dataclass
class Freed:
    """Sums by kind. ``problems`` tells what could not be reached; it is tried again by the next run."""

    rows: Counter[str] = field(default_factory=Counter)
    files: Counter[str] = field(default_factory=Counter)
    bytes: Counter[str] = field(default_factory=Counter)
    problems: list[str] = field(default_factory=list)

    def file(self, kind: str, size: int) -> None:
        """Count one file."""
        self.files[kind] += 1
        self.bytes[kind] += size

    @property
    def kinds(self) -> list[str]:
        """Kinds of which something went."""
        return sorted({*(+self.rows), *(+self.files)})

    def document(self) -> dict[str, dict[str, int]]:
        """By kind: rows, files, bytes."""
        return {
            kind: {"rows": self.rows[kind], "files": self.files[kind], "bytes": self.bytes[kind]}
            for kind in self.kinds
        }

    def lines(self) -> list[str]:
        """A line for each kind, and one for all."""
        found = [
            f"{kind:12} {self.rows[kind]:>10,} rows {self.files[kind]:>10,} files "
            f"{self.bytes[kind] / 1e6:>12,.1f} MB"
            for kind in self.kinds
        ]
        total = (self.rows.total(), self.files.total(), self.bytes.total() / 1e6)
        return [*found, f"{'in all':12} {total[0]:>10,} rows {total[1]:>10,} files {total[2]:>12,.1f} MB"]
