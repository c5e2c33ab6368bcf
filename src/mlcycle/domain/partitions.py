"""Partitions of time, always UTC: keys, bounds and ranges.

A partition ``P`` holds the rows whose event time lies in ``[start, end)``. A value belongs to the
partition in which it *became known*: ``(start, end]``.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum

from mlcycle.errors import InputError


class Unit(StrEnum):
    """Length of a partition."""

    DAY = "day"
    HOUR = "hour"

    @property
    def length(self) -> timedelta:
        """How long one partition lasts."""
        return timedelta(days=1) if self is Unit.DAY else timedelta(hours=1)

    @property
    def key_format(self) -> str:
        """``strftime`` format of a partition's key; keys sort as their times do."""
        return "%Y-%m-%d" if self is Unit.DAY else "%Y-%m-%dT%H"


@dataclass(frozen=True, order=True)
class Partition:
    """One partition, ordered by time."""

    start: datetime
    unit: Unit

    @classmethod
    def parse(cls, key: str, unit: Unit) -> "Partition":
        """Read a key. Raises InputError where it is not one of this unit."""
        try:
            start = datetime.strptime(key, unit.key_format).replace(tzinfo=UTC)
        except ValueError:
            example = datetime(2013, 6, 1, tzinfo=UTC).strftime(unit.key_format)
            raise InputError(f"partition {key!r} is not a {unit} key: write it like {example!r}") from None
        return cls(start, unit)

    @classmethod
    def containing(cls, moment: datetime, unit: Unit) -> "Partition":
        """The partition whose rows may carry this event time."""
        moment = moment.astimezone(UTC)
        hour = 0 if unit is Unit.DAY else moment.hour
        return cls(moment.replace(hour=hour, minute=0, second=0, microsecond=0), unit)

    @property
    def end(self) -> datetime:
        """First moment after the partition."""
        return self.start + self.unit.length

    @property
    def key(self) -> str:
        """The partition's name everywhere: Airflow, ledger, paths."""
        return self.start.strftime(self.unit.key_format)

    def shift(self, steps: int) -> "Partition":
        """The partition so many lengths later (earlier if negative)."""
        return Partition(self.start + steps * self.unit.length, self.unit)

    def to(self, last: "Partition") -> Iterator["Partition"]:
        """Every partition from this one to ``last``, both included. Empty where last is earlier."""
        current = self
        while current <= last:
            yield current
            current = current.shift(1)
