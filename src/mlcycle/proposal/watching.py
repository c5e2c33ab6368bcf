"""Monitors fit to the seasons of the data: how long a window is, and with what it is compared."""

from typing import Any, Final

import numpy as np

from mlcycle.domain.durations import MONTH, format_duration
from mlcycle.domain.references import BACK
from mlcycle.domain.rhythm import Floats, seasons
from mlcycle.domain.unit import Length
from mlcycle.proposal.look import Look
from mlcycle.proposal.said import Said

SIDE_BY_SIDE: Final = 20  # windows of the training data that have a reference: fewer say nothing
ROWS: Final = 50  # that a window should have
FEWEST: Final = 4  # partitions of a window: `volume` compares one with three others
TRAINED: Final = 0.65  # of the time is learnt from: the rest is validation and holdout
USUAL: Final = {Length.HOUR: 24, Length.DAY: 7, Length.WEEK: 4, Length.MONTH: 3}  # partitions of a window
CYCLES: Final = {Length.HOUR: (24, 168), Length.DAY: (7, 364), Length.WEEK: (52,), Length.MONTH: (12,)}
#: Partitions of a year where it is among the cycles.
YEAR: Final = {Length.DAY: 364, Length.WEEK: 52, Length.MONTH: 12}
NAMES: Final = {24: "day", 168: "week", 7: "week", 364: "year", 52: "year", 12: "year"}


def monitors(seen: Look) -> tuple[dict[str, Any], Said]:
    """The part ``monitors`` of a draft, and what is told of it."""
    kind = seen.unit.kind
    count = seen.unit.number(seen.partitions[1].start) - seen.unit.number(seen.partitions[0].start) + 1
    trained = int(count * TRAINED)
    if seen.at is None:  # dealt by chance: days are heaps, none nearer to one than another
        why = "deliveries have no order: each is compared with all that was learnt from"
        return {"window": _span(seen, 1), "reference": "training"}, Said("monitors", why)
    found = [each for each in CYCLES[kind] if each in _cycles(seen)]
    year = YEAR.get(kind) if YEAR.get(kind) in found else None
    cycle = max((each for each in found if each != year), default=1)
    most = trained // (SIDE_BY_SIDE + BACK)
    length = _longest(cycle, min(FEWEST, USUAL[kind]), most, len(seen.frame) / count, USUAL[kind])
    document: dict[str, Any] = {"window": _span(seen, length)}
    told = ", ".join(NAMES[each] for each in found)
    why = (
        f"rows or label follow the {told}: windows of {_span(seen, length)}"
        if found
        else "no season was found"
    )
    if year is not None and trained >= 2 * year:
        document["reference"] = "calendar" if trained >= 3 * year else "season"
        others = "every other year" if trained >= 3 * year else "the year before"
        why += f", compared with the same time of {others}"
    elif year is not None:
        why += ", which cannot be compared with their own time of a year: less than two years are learnt from"
    if trained < (SIDE_BY_SIDE + BACK) * length:
        why += f"; drift is quiet until training holds {SIDE_BY_SIDE + BACK} windows of {_span(seen, length)}"
    return document, Said("monitors", why)


def _longest(cycle: int, least: int, most: int, rows: float, usual: int = 1) -> int:
    """Partitions of a window: whole cycles, the usual length or so few that training has windows enough."""
    wanted = -(-usual // cycle) * cycle
    fit = [each for each in range(cycle, wanted + 1, cycle) if least <= each <= most and each * rows >= ROWS]
    return max(fit, default=wanted)


def _span(seen: Look, partitions: int) -> str:
    if seen.unit.kind is Length.MONTH:
        return format_duration(partitions * MONTH)
    return format_duration(partitions * seen.unit.length)


def _cycles(seen: Look) -> set[int]:
    """Lengths, in partitions, by which the number of rows or the label's mean comes again."""
    assert seen.at is not None
    times = seen.at.values.dropna()
    if seen.unit.kind is Length.MONTH:
        numbers = (times.dt.year * 12 + times.dt.month).to_numpy(np.int64)
    else:
        whole = times.to_numpy("datetime64[s]").astype(np.int64)
        numbers = whole // int(seen.unit.length.total_seconds())
    numbers = numbers - numbers.min()
    counts = np.bincount(numbers).astype(np.float64)
    rows = np.where(counts > 0, counts, np.nan)
    series: list[Floats] = [rows]
    if (label := _label(seen, times.index)) is not None:
        known = np.isfinite(label)
        sums = np.bincount(numbers[known], weights=label[known], minlength=len(counts))
        there = np.bincount(numbers[known], minlength=len(counts))
        series.append(np.where(there > 0, sums / np.maximum(there, 1), np.nan))
    return {one.rows for each in series for one in seasons([each], CYCLES[seen.unit.kind])}


def _label(seen: Look, index: Any) -> Floats | None:
    """The label as numbers, where it is one or has two classes."""
    import pandas as pd

    texts = seen.frame.loc[index, seen.goal.column.name]
    if seen.goal.task == "multiclass":
        return None
    if seen.goal.task == "classification" and seen.goal.at_least is None:
        values = (texts == texts.dropna().iloc[0]).to_numpy(float)
        return np.where(texts.notna(), values, np.nan)
    found: Floats = pd.to_numeric(texts, errors="coerce").to_numpy(float)
    return found
