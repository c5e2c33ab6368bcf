"""Whether a delivery is as fresh, and as free of repetitions, as the deliveries of its table before.

What is judged was counted when the delivery was validated: in which of ``SLOTS`` equal parts of the partition
it has events, and how many of its rows say what another one says. No row is read again.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mlcycle.domain.effects import twice_the_most
from mlcycle.domain.monitors import Level, Measurement
from mlcycle.domain.partitions import Partition
from mlcycle.domain.unit import DAY

if TYPE_CHECKING:
    import pyarrow as pa

SLOTS = 24  # of a partition: hours of a day
KNOWN = 28  # deliveries before, to say what is usual
RARE = 0.01  # of the deliveries may lack a slot that is usually filled
NEWS = 0.005  # the least share of repetitions, above what is usual, that is worth a word
KINDS = ("exact copies", "a key's second row", "content of another key")


def slots(event_us: NDArray[np.int64], partition: Partition) -> int:
    """Which slots hold events (microseconds since 1970, inside the partition): bit 0 is the first one."""
    start = int(partition.start.timestamp()) * 1_000_000
    length = int((partition.end - partition.start).total_seconds()) * 1_000_000
    filled = np.unique((event_us - start) * SLOTS // length)
    return sum(1 << int(slot) for slot in filled)


def repeated(
    content: "pa.Table", owner: NDArray[np.int64], good: NDArray[np.bool_], owners: int
) -> NDArray[np.int64]:
    """Of each owner's good rows, how many have the content of an earlier one.

    ``content`` are the columns that do not identify the row; rows without any value are left out.
    """
    import pyarrow as pa

    if not content.num_columns:
        return np.zeros(owners, dtype=np.int64)
    there = np.zeros(content.num_rows, dtype=bool)
    for column in content.columns:
        there |= column.is_valid().to_numpy(zero_copy_only=False)
    kept = there & good
    rows = np.bincount(owner[kept], minlength=owners)
    own = content.append_column("(owner)", pa.array(owner)).filter(pa.array(kept))
    distinct = own.group_by(own.column_names).aggregate([])["(owner)"].to_numpy()
    found: NDArray[np.int64] = rows - np.bincount(distinct, minlength=owners)
    return found


def usual_slots(before: Sequence[int]) -> NDArray[np.bool_]:
    """Slots that deliveries have with hardly an exception, as have those on either side of them.

    What is next to a part without events is left out: a timetable moves by an hour with summer time.
    """
    filled = _bits(before).mean(axis=0) >= 1 - RARE
    found: NDArray[np.bool_] = filled & np.roll(filled, 1) & np.roll(filled, -1)
    return found


def _bits(masks: Sequence[int]) -> NDArray[np.bool_]:
    found: NDArray[np.bool_] = (np.array(masks, dtype=np.int64)[:, None] >> np.arange(SLOTS)) & 1 == 1
    return found


def freshness(
    table: str, partition: Partition, now: int, before: Sequence[int], newest: datetime | None
) -> Measurement | None:
    """Parts of a partition without events, though they usually have some; None where too few are known.

    Told of where there are more of them than in any delivery before but the first, with which a table begins
    some time: stations do miss an hour.

    Args:
        table: its name, the finding's subject.
        partition: what was delivered.
        now: its slots.
        before: slots of the deliveries before, oldest first.
        newest: its latest event.
    """
    if len(before) < KNOWN:
        return None
    usual = usual_slots(before)
    gone = usual & ~_bits([now, *before[1:]])  # (deliveries, slots), this one first
    lost, most = np.flatnonzero(gone[0]).tolist(), int(gone[1:].sum(axis=1).max())
    age = (partition.end - newest).total_seconds() / 3600 if newest else None
    told = f"newest event {age:.1f} hours before the partition's end" if age is not None else "no event"
    if len(lost) > most:
        length = (partition.end - partition.start) / SLOTS
        first, last = (partition.unit.local(partition.start + at * length) for at in (lost[0], lost[-1] + 1))
        clock = "%H:%M" if partition.unit.length <= DAY else "%Y-%m-%d %H:%M"
        told = (
            f"no event in {len(lost)} of the {int(usual.sum())} parts of a partition in which it always has "
            f"some, between {first:{clock}} and {last:{clock}}, at most {most} in {len(before)} deliveries "
            f"before; {told}"
        )
    level: Level = "warn" if len(lost) > most else "ok"
    details = {} if age is None else {"age_hours": age}
    return Measurement("freshness", level, told, table, float(len(lost)), float(most + 1), details)


def duplicates(table: str, now: Sequence[int], before: Sequence[Sequence[int]]) -> Measurement | None:
    """Shares of a delivery's rows that repeat others against the most of any before; None as above.

    Told of is twice the most that any delivery had and ``NEWS`` more at least; what is near 1 anyway, as of a
    table with one number beside its key, is not judged.

    Args:
        table: its name, the finding's subject.
        now: rows as delivered, and of each of ``KINDS`` how many.
        before: the same of the deliveries before.
    """
    if len(before) < KNOWN:
        return None
    shares = np.array([_shares(each) for each in before])
    most, own = shares.max(axis=0), np.array(_shares(now))
    limits = twice_the_most(most, NEWS)
    over = [at for at in range(len(KINDS)) if own[at] >= limits[at]]
    at = over[0] if over else int((own / limits).argmax())
    told = "; ".join(
        f"{KINDS[one]}: {own[one]:.1%} of rows, at most {most[one]:.1%} in {len(before)} deliveries before"
        for one in over or [at]
    )
    level: Level = "warn" if over else "ok"
    threshold = float(limits[at]) if np.isfinite(limits[at]) else None
    details: dict[str, Any] = {"kinds": [KINDS[one] for one in over]}
    return Measurement("duplicates", level, told, table, float(own[at]), threshold, details)


def _shares(counted: Sequence[int]) -> list[float]:
    rows, *kinds = counted
    return [count / max(rows, 1) for count in kinds]
