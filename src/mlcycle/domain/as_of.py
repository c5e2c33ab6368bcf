"""The point-in-time join: for each moment, the newest value known by then.

Moments and values are matched by entity, then by time, with two binary searches; the result is the
same as ``pandas.merge_asof(direction="backward", tolerance=ttl)`` and needs neither side sorted.
"""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.int64]


def newest_known(
    entities: Sequence[tuple[Any, Any]], moments: Ints, known: Ints, ttl: int, created: Ints | None = None
) -> Ints:
    """Index of the newest value of the moment's entity with ``moment - ttl <= known <= moment``, or -1.

    Args:
        entities: a pair of Arrow arrays for each entity column: of the moments, of the values.
            Null matches nothing.
        moments: times asked for, shape (n,), in any unit.
        known: when each value became known, shape (m,), in the same unit.
        ttl: how old a value may be, in the same unit.
        created: breaks ties of ``known``, the largest wins, shape (m,); without it the last one.

    Returns:
        Positions in the values, shape (n,).
    """
    if not len(known) or not len(moments):
        return np.full(len(moments), -1, dtype=np.int64)
    asked, owned = _codes(entities)
    times = np.unique(known)
    rank = np.searchsorted(times, known)
    order = np.lexsort((np.arange(len(known)) if created is None else created, rank, owned))
    order = order[owned[order] >= 0]
    # Entity and rank of time as one sortable number: both are below the number of values.
    keys = owned[order] * len(times) + rank[order]
    wanted = asked * len(times) + np.searchsorted(times, moments, side="right") - 1
    at = np.searchsorted(keys, wanted, side="right") - 1
    found = np.where(at >= 0, order[np.maximum(at, 0)] if len(order) else -1, -1)
    safe = np.maximum(found, 0)
    fits = (found >= 0) & (asked >= 0) & (owned[safe] == asked)
    fits &= (known[safe] <= moments) & (moments - known[safe] <= ttl)
    return np.where(fits, found, -1).astype(np.int64)


def _codes(entities: Sequence[tuple[Any, Any]]) -> tuple[Ints, Ints]:
    """One number for each entity, the same on both sides; -1 for null and for unknown ones."""
    import pyarrow.compute as pc

    asked: Ints | None = None
    owned: Ints | None = None
    for left, right in entities:
        names = pc.unique(right.drop_null())
        a = pc.fill_null(pc.index_in(left, value_set=names, skip_nulls=True), -1)
        o = pc.fill_null(pc.index_in(right, value_set=names, skip_nulls=True), -1)
        a, o = (
            a.to_numpy(zero_copy_only=False).astype(np.int64),
            o.to_numpy(zero_copy_only=False).astype(np.int64),
        )
        if asked is None or owned is None:
            asked, owned = a, o
            continue
        asked = np.where((asked < 0) | (a < 0), -1, asked * len(names) + a)
        owned = np.where((owned < 0) | (o < 0), -1, owned * len(names) + o)
        pairs, owned = np.unique(owned, return_inverse=True)  # dense again, so that it never overflows
        at = np.minimum(np.searchsorted(pairs, asked), len(pairs) - 1)
        asked = np.where((asked >= 0) & (pairs[at] == asked), at, -1)
        owned = np.where(pairs[owned] < 0, -1, owned)
    assert asked is not None
    assert owned is not None
    return asked, owned
