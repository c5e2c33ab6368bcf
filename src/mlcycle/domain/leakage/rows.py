"""Rows and groups of rows: each in one split, once, in order."""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from mlcycle.domain.dataset import Split
from mlcycle.domain.split import Window
from mlcycle.errors import LeakageError


def check_bounds(windows: Mapping[Split, Window]) -> None:
    """Splits must follow each other in time without overlap."""
    order: Sequence[Split] = ("train", "validation", "holdout")
    for before, after in itertools.pairwise(order):
        if windows[before].end > windows[after].start:
            raise LeakageError(
                f"split {before!r} ends at {windows[before].end.isoformat()}, after {after!r} begins "
                f"({windows[after].start.isoformat()}): rows would be in both"
            )


def check_order(
    rows: Sequence[tuple[datetime, str]], before: tuple[datetime, str] | None, window: Window
) -> tuple[datetime, str] | None:
    """Rows must lie in their split's window and stand there once.

    Args:
        rows: event time and entity key, in the snapshot's order.
        before: the last row before these, of whatever split.
        window: of the split they belong to.

    Returns:
        The last row, for the next call.
    """
    for moment, key in rows:
        if not window.start <= moment < window.end:
            raise LeakageError(f"row {key} at {moment.isoformat()} lies outside its split")
        if before is not None and (moment, key) <= before:
            raise LeakageError(f"row {key} at {moment.isoformat()} stands twice in the dataset (entity_key)")
        before = (moment, key)
    return before


class GroupsApart:
    """Values of a group column (a patient, a household) that have been seen, each in one split only.

    Holds each distinct value once.
    """

    def __init__(self) -> None:
        self._split: dict[tuple[str, Any], Split] = {}

    def add(self, split: Split, column: str, values: Iterable[Any]) -> None:
        """Take in distinct values of a split's rows; None is no group."""
        for value in values:
            first = self._split.setdefault((column, value), split)
            if value is not None and first != split:
                raise LeakageError(
                    f"group {column} = {value!r} has rows in split {first!r} and in {split!r}: a model would "
                    f"be measured on what it has learnt; take {column!r} out of split.groups, or keep its "
                    "rows out of one split"
                )
