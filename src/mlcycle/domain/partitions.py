"""Partitions of time: keys, bounds and ranges. Their bounds are UTC instants, whichever days they are.

A partition ``P`` holds the rows whose event time lies in ``[start, end)``. A value belongs to the
partition in which it *became known*: ``(start, end]``.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime

from mlcycle.domain.unit import Unit
from mlcycle.errors import InputError

__all__ = ["Partition", "Unit"]


@dataclass(frozen=True)
class Partition:
    """One partition, ordered by time."""

    start: datetime
    unit: Unit

    def __lt__(self, other: "Partition") -> bool:
        return self.start < other.start

    def __le__(self, other: "Partition") -> bool:
        return self.start <= other.start

    def __gt__(self, other: "Partition") -> bool:
        return self.start > other.start

    def __ge__(self, other: "Partition") -> bool:
        return self.start >= other.start

    @classmethod
    def parse(cls, key: str, unit: Unit) -> "Partition":
        """Read a key. Raises InputError where it is not one of this unit."""
        try:
            return cls(unit.read(key), unit)
        except (ValueError, OverflowError):
            example = unit.key(unit.start(unit.number(datetime(2013, 6, 1, 12, tzinfo=UTC))))
            raise InputError(f"partition {key!r} is not a {unit} key: write it like {example!r}") from None

    @classmethod
    def containing(cls, moment: datetime, unit: Unit) -> "Partition":
        """The partition whose rows may carry this event time."""
        return cls(unit.start(unit.number(moment)), unit)

    @property
    def end(self) -> datetime:
        """First moment after the partition."""
        return self.shift(1).start

    @property
    def key(self) -> str:
        """The partition's name everywhere: Airflow, ledger, paths."""
        return self.unit.key(self.start)

    @property
    def local(self) -> datetime:
        """Its start by the clock of its zone."""
        return self.unit.local(self.start)

    def shift(self, steps: int) -> "Partition":
        """The partition so many later (earlier if negative)."""
        unit = self.unit
        if unit.fixed:
            return Partition(self.start + steps * unit.length, unit)
        return Partition(unit.start(unit.number(self.start) + steps), unit)

    def to(self, last: "Partition") -> Iterator["Partition"]:
        """Every partition from this one to ``last``, both included. Empty where last is earlier."""
        current = self
        while current <= last:
            yield current
            current = current.shift(1)
