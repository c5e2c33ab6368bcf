"""Labels that know which rows belong together: the list (a query's, a session's) of each row travels with it.

A metric of a ranking is a mean over lists, and every metric here takes labels, predictions and weights alone.
So the lists go where the labels go: whoever picks rows of the labels picks their lists with them.
"""

from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from mlcycle.errors import InputError

Array = NDArray[np.float64]


class ListedLabels(np.ndarray):
    """Labels (n,), float64, with ``lists`` (n,), int64: rows of the same number are one list.

    Rows that are picked by a slice, by positions or by a mask keep their lists. What is computed of labels
    is no label of a row any more and has none.
    """

    lists: NDArray[np.int64] | None

    def __new__(cls, labels: Any, lists: NDArray[np.int64]) -> Self:
        """Raises InputError where there are not as many of one as of the other."""
        found = np.asarray(labels, dtype=np.float64).view(cls)
        if found.shape != lists.shape:
            raise InputError(f"{len(lists)} lists for {len(found)} labels")
        found.lists = lists.astype(np.int64)
        return found

    def __array_finalize__(self, made_of: Any) -> None:
        """Nothing is known of rows that were not picked."""
        self.lists = None

    def __getitem__(self, rows: Any) -> Any:
        """Some rows, with their lists."""
        found = super().__getitem__(rows)
        if isinstance(found, ListedLabels) and found.ndim == 1 and self.lists is not None:
            found.lists = self.lists[rows]
        return found


def lists_of(labels: Array) -> NDArray[np.int64]:
    """(n,) the list of each row. Raises InputError where the labels say none."""
    lists = getattr(labels, "lists", None)
    if lists is None:
        raise InputError("a ranking is measured by lists, and these labels do not say which rows are one")
    found: NDArray[np.int64] = lists
    return found


def together(labels: Array) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Positions (n,) that bring the rows of each list together, their order kept, and each list's size.

    Raises InputError where the labels say no lists.
    """
    lists = lists_of(labels)
    return np.argsort(lists, kind="stable"), np.unique(lists, return_counts=True)[1]
