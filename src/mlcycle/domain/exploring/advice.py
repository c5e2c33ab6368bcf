"""Columns that a model can do without, each with its reason."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from mlcycle.domain.exploring.association import Association
from mlcycle.domain.exploring.columns import Column

MISSING: Final = 0.95
NAMES: Final = 0.5  # distinct words by row, from which a column names rows instead of telling of them
SAME: Final = 0.999
ALIKE: Final = 0.001  # strengths that differ by less are equal


@dataclass(frozen=True)
class Advice:
    """A column, what is wrong with it, and whether to drop it or only to look at it."""

    column: str
    why: str
    drop: bool


def advice(
    columns: Sequence[Column],
    to_label: Sequence[Association],
    among: Sequence[Association],
    leaks: Mapping[str, str],
    gaps_tell: frozenset[str] = frozenset(),
) -> list[Advice]:
    """At most one a column, what is surest first.

    Args:
        columns: as explored.
        to_label: each column's association with the label.
        among: of pairs of columns.
        leaks: columns that tell more than can be known, with what they tell.
        gaps_tell: columns whose missing values have to do with the label.
    """
    found: dict[str, Advice] = {}

    def say(column: str, why: str, *, drop: bool) -> None:
        found.setdefault(column, Advice(column, why, drop))

    for name, why in leaks.items():
        say(name, f"it gives the label away: {why}", drop=True)
    for column in columns:
        if column.distinct <= 1 and column.name not in gaps_tell:
            say(column.name, "it has one value" if column.distinct else "it has no value at all", drop=True)
        elif _names_rows(column):
            say(
                column.name,
                f"it names rows: {column.distinct:,} values in {column.here.sum():,} rows",
                drop=True,
            )
        elif (gone := 1 - float(column.here.mean())) >= MISSING and column.name not in gaps_tell:
            say(column.name, f"{gone:.1%} of its values are missing", drop=True)
    kept = {column.name: column for column in columns if column.name not in found}
    strength = {name: each.strength for each in to_label for name in (each.a, each.b)}
    for pair in among:
        if pair.strength < SAME or pair.a not in kept or pair.b not in kept:
            continue
        if pair.a in found or pair.b in found or not _same(kept[pair.a], kept[pair.b]):
            continue
        ahead = strength.get(pair.b, 0.0) > strength.get(pair.a, 0.0) + ALIKE
        less, more = (pair.a, pair.b) if ahead else (pair.b, pair.a)  # of equals the earlier column stays
        say(less, f"it says what {more} says", drop=True)
    for each in to_label:
        if not each.known:
            say(each.a, "alone it tells nothing of the label that chance would not", drop=False)
    return sorted(found.values(), key=lambda each: not each.drop)


def _names_rows(column: Column) -> bool:
    """Words of which nearly every row has another; integers that never come twice and only rise."""
    rows = int(column.here.sum())
    if rows < 100:
        return False
    if not column.is_number:
        return column.distinct > NAMES * rows
    values = column.values[column.here]
    whole = column.distinct == rows and bool((values == np.round(values)).all())
    return whole and (bool((np.diff(values) > 0).all()) or float(np.ptp(values)) <= 2 * rows)


def _same(a: Column, b: Column) -> bool:
    """Whether one is known from the other: by rank, or word by word both ways."""
    both = a.here & b.here
    if both.mean() < max(a.here.mean(), b.here.mean()) * SAME:
        return False
    if a.is_number and b.is_number:
        return True
    if a.is_number or b.is_number:
        return False
    pairs = len(np.unique(np.stack([a.values[both], b.values[both]]), axis=1).T)
    return pairs == len(np.unique(a.values[both])) == len(np.unique(b.values[both]))
