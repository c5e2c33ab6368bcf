"""Which partitions of a feature view are stale: computed from other raw batches than there are now.

What a partition was computed from is one short text: the view's definition and a sum over the raw
batches within its reach, so that a year of hours is checked in milliseconds.
"""

import hashlib
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import accumulate

from mlcycle.domain.partitions import Partition

_MODULUS = 1 << 128


@dataclass(frozen=True)
class Deliveries:
    """The published batches of one raw table, delivered ``lag`` partitions after their own.

    A row reaches the values that become known in its partition and for ``lookback`` after it.
    """

    lag: int
    lookback: timedelta
    batches: Mapping[Partition, int]


class Reach:
    """The raw batches that a partition of one view depends on. ``definition`` is a digest of the view.

    A table with a lag is not there earlier than that.
    """

    def __init__(self, definition: str, tables: Mapping[str, Deliveries]) -> None:
        self._definition = definition
        self._tables = []
        for name, table in tables.items():
            found = sorted(table.batches.items())
            marks = [_mark(name, partition, batch) for partition, batch in found]
            starts = [partition.start for partition, _ in found]
            ends = [partition.end for partition, _ in found]
            self._tables.append((starts, ends, [0, *accumulate(marks)], table))

    def inputs(self, partition: Partition) -> tuple[str, int]:
        """What the partition is to be computed from, and how many batches that is."""
        total = count = 0
        for starts, ends, sums, table in self._tables:
            low = bisect_right(ends, partition.start - table.lookback)
            newest = partition.shift(-table.lag) if table.lag else partition
            high = max(low, bisect_right(starts, newest.start))
            total += sums[high] - sums[low]
            count += high - low
        return f"{self._definition}:{count}:{total % _MODULUS:032x}", count

    @property
    def first(self) -> datetime | None:
        """Start of the earliest batch there is."""
        return min((starts[0] for starts, *_ in self._tables if starts), default=None)


def stale(
    reach: Reach, asked: Iterable[Partition], recorded: Mapping[Partition, str]
) -> dict[Partition, str]:
    """Partitions to compute, in order, with what they are to be computed from.

    Those asked for, those before them that have data and were never computed, and those ever computed:
    each where its inputs are not the recorded ones.
    """
    wanted = set(asked)
    last = max(wanted, default=None)
    if last is not None and reach.first is not None:
        wanted.update(Partition.containing(reach.first, last.unit).to(last))
    found: dict[Partition, str] = {}
    for partition in sorted(wanted | set(recorded)):
        inputs, _ = reach.inputs(partition)
        if recorded.get(partition) != inputs:
            found[partition] = inputs
    return found


def reached(partition: Partition, lag: int, lookback: timedelta) -> tuple[Partition, Partition] | None:
    """First and last partition whose inputs hold a batch of this one: what :meth:`Reach.inputs` sums up."""
    first = partition.shift(lag)
    last = Partition.containing(partition.end + lookback - timedelta(microseconds=1), partition.unit)
    return (first, last) if first <= last else None


def joined(
    ranges: Iterable[tuple[Partition, Partition]], apart: int = 1
) -> list[tuple[Partition, Partition]]:
    """Ranges in order, as few as there can be: those at most ``apart`` partitions from each other are one."""
    found: list[tuple[Partition, Partition]] = []
    for first, last in sorted(ranges):
        if found and first <= found[-1][1].shift(apart):
            found[-1] = (found[-1][0], max(found[-1][1], last))
        else:
            found.append((first, last))
    return found


def windows(partitions: Iterable[Partition]) -> list[tuple[Partition, Partition]]:
    """Runs of consecutive partitions, each as its first and last."""
    runs: list[tuple[Partition, Partition]] = []
    for partition in sorted(partitions):
        if runs and runs[-1][1].shift(1) == partition:
            runs[-1] = (runs[-1][0], partition)
        else:
            runs.append((partition, partition))
    return runs


def _mark(table: str, partition: Partition, batch: int) -> int:
    text = f"{table}|{partition.key}|{batch}"
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:16], "big")
