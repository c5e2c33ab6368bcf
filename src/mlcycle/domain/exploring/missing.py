"""Where values are missing: in which columns together, in which partitions, whether the label knows of it."""

from collections.abc import Sequence

import numpy as np

from mlcycle.domain.exploring.columns import Column, Floats, Ints

ALIKE = 0.95  # correlation of two columns' gaps from which they are missing together


def by_partition(column: Column, partition: Ints, partitions: int) -> Floats:
    """Share of missing values in each partition (partitions,), NaN where there are no rows.

    Args:
        column: n rows.
        partition: each row's number, from 0 (n,).
        partitions: how many there are.
    """
    rows = np.bincount(partition, minlength=partitions)
    gone = np.bincount(partition, weights=~column.here, minlength=partitions)
    with np.errstate(invalid="ignore"):
        found: Floats = gone / np.where(rows, rows, np.nan)
    return found


def gaps(columns: Sequence[Column], partition: Ints, partitions: int) -> dict[str, list[float | None]]:
    """The same of every column that lacks any value, for people and JSON."""
    found: dict[str, list[float | None]] = {}
    for column in columns:
        if column.here.all():
            continue
        shares = by_partition(column, partition, partitions)
        found[column.name] = [None if np.isnan(each) else round(float(each), 4) for each in shares]
    return found


def together(columns: Sequence[Column]) -> list[list[str]]:
    """Groups of columns that are missing in the same rows, nearly; the largest first."""
    some = [column for column in columns if 0 < (~column.here).mean() < 1]
    groups: list[list[Column]] = []
    for column in some:
        for group in groups:
            if _phi(column, group[0]) >= ALIKE:
                group.append(column)
                break
        else:
            groups.append([column])
    found = [[column.name for column in group] for group in groups if len(group) > 1]
    return sorted(found, key=len, reverse=True)


def flag(column: Column) -> Column:
    """Whether a value is missing, as a column of two words."""
    return Column(column.name, (~column.here).astype(np.int64), ("there", "missing"))


def _phi(a: Column, b: Column) -> float:
    return float(np.corrcoef(a.here, b.here)[0, 1])
