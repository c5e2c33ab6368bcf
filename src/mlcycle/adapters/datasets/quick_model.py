"""What inputs tell together, about: a small boosting, out of fold. It judges inputs and is never kept."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from mlcycle.domain.tasks import task_of

Array = npt.NDArray[np.float64]

ROWS = 20_000
WORDS = 200  # the most frequent ones of a text column; the others are one more
PARAMS = {
    "max_iter": 60,
    "learning_rate": 0.1,
    "max_leaf_nodes": 15,
    "early_stopping": False,
    "random_state": 0,
}


def scores(
    columns: Mapping[str, npt.NDArray[Any]], label: Array, fold: npt.NDArray[np.int64], task: str
) -> Array:
    """A score for each row by models that saw none of its fold: (n,), NaN for rows beyond ``ROWS``.

    Args:
        columns: numbers (NaN is absent) or objects (None is absent), each (n,).
        label: shape (n,).
        fold: each row's fold, shape (n,).
        task: ``classification`` or ``regression``.
    """
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from threadpoolctl import threadpool_limits

    found = np.full(len(label), np.nan)
    at = np.arange(0, len(label), max(1, -(-len(label) // ROWS)))
    words = [values.dtype == object for values in columns.values()]
    inputs = np.column_stack(
        [
            _codes(values[at]) if word else values[at]
            for values, word in zip(columns.values(), words, strict=True)
        ]
    ).astype(np.float64)
    inputs[~np.isfinite(inputs)] = np.nan
    target, fold = label[at], fold[at]
    classes = task_of(task).probabilities
    kind = HistGradientBoostingClassifier if classes else HistGradientBoostingRegressor
    # So few rows are slower on many threads, and much slower on a machine that is busy.
    with threadpool_limits(1):
        for held in np.unique(fold):
            out = fold == held
            if classes and len(np.unique(target[~out])) < 2:
                continue
            told = np.isfinite(inputs[~out]).any(axis=0)  # the others have no value to learn from
            if not told.any():
                continue
            leaf = max(5, int((~out).sum()) // 500)
            model = kind(**PARAMS, min_samples_leaf=leaf, categorical_features=np.array(words)[told]).fit(
                inputs[~out][:, told], target[~out]
            )
            rows = inputs[out][:, told]
            found[at[out]] = model.predict_proba(rows)[:, 1] if classes else model.predict(rows)
    return found


def _codes(values: npt.NDArray[Any]) -> Array:
    """Words as numbers by how frequent they are, NaN for absent ones."""
    here = np.array([value is not None for value in values], dtype=bool)
    found = np.full(len(values), np.nan)
    names, codes, counts = np.unique(values[here].astype(str), return_inverse=True, return_counts=True)
    place = np.full(len(names), WORDS)
    place[np.argsort(-counts, kind="stable")[:WORDS]] = np.arange(min(WORDS, len(names)))
    found[here] = place[codes]
    return found
