"""Deliveries that are late or never come: when one is due, how long it is waited for, what is missing.

A delivery is due at the end of its partition, or of the one so many later as its table lags. Until
``lateness`` has passed it is waited for; from then on it is missing, and still taken when it comes.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta

from mlcycle.domain.partitions import Partition, Unit

SHORTEST, LONGEST = timedelta(minutes=1), timedelta(hours=1)  # between two looks at the source
LISTED = 10  # partitions that a message names


def due(partition: Partition, lag: int) -> datetime:
    """The moment from which the delivery of a partition may be there."""
    return partition.shift(lag).end


def next_look(began: datetime, deadline: datetime, now: datetime) -> datetime:
    """When to look for a late delivery again: after a quarter of the time waited since ``began``.

    Between a minute and an hour from now, and at the deadline at the latest. So a delivery is
    found with at most a quarter of its delay on top, and a day of waiting costs some forty looks.
    """
    pause = min(max((now - began) / 4, SHORTEST), LONGEST)
    return max(min(now + pause, deadline), now + timedelta(seconds=1))


def span(text: str, unit: Unit) -> tuple[Partition, Partition]:
    """Read ``KEY`` or ``KEY to KEY``. Raises InputError for a wrong key, ValueError for an empty span."""
    first, separator, last = text.partition(" to ")
    begin = Partition.parse(first.strip(), unit)
    end = Partition.parse(last.strip(), unit) if separator else begin
    if begin > end:
        raise ValueError(f"{text!r} ends before it begins")
    return begin, end


def within(partition: Partition, spans: Iterable[str]) -> bool:
    """Whether one of these spans holds the partition."""
    found = (span(text, partition.unit) for text in spans)
    return any(first <= partition <= last for first, last in found)


def first_looked_for(
    candidates: Iterable[Partition], looked_at: Mapping[str, datetime], limit: int
) -> list[Partition]:
    """Which of the missing partitions to look for now, in order of time.

    The oldest of those nobody has looked for yet, and of the others those that were looked for
    longest ago, ``limit`` of each. So a backlog is worked off in order, and neither keeps the other back.
    """
    found = sorted(candidates)
    fresh = [partition for partition in found if partition.key not in looked_at]
    again = [partition for partition in found if partition.key in looked_at]
    again.sort(key=lambda partition: looked_at[partition.key])
    return sorted([*fresh[:limit], *again[:limit]])


def unfilled(
    keys: Iterable[str], delivered: Collection[str], noted: Collection[str], declared: Collection[str]
) -> list[str]:
    """Gaps among a table's keys: before its newest delivery, or given up waiting for; none declared.

    Args:
        keys: of the partitions looked at.
        delivered: those of which something was delivered, good or bad.
        noted: those that were waited for in vain.
        declared: those of which a person or the project says that nothing will come.
    """
    newest = max(delivered, default="")
    return sorted(
        key for key in keys if key not in delivered and key not in declared and (key < newest or key in noted)
    )


def listed(keys: Sequence[str]) -> str:
    """Keys in a sentence: the first few, and how many there are."""
    more = f" and {len(keys) - LISTED} more" if len(keys) > LISTED else ""
    return ", ".join(keys[:LISTED]) + more
