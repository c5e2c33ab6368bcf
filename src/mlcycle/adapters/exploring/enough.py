"""Whether more rows would help: a small boosting on growing parts of the rows, judged on later ones."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from mlcycle.domain.exploring.columns import Column, Floats, grouped

SHARES: Final = (1 / 16, 1 / 8, 1 / 4, 1 / 2, 1.0)
MOST: Final = 32_000  # rows to learn from
JUDGED: Final = 16_000
WORDS: Final = 60
LEAST: Final = 50  # rows of the smallest part
SEED: Final = 20130101


@dataclass(frozen=True)
class Learnt:
    """What a part of the rows explains of the later ones: 0 is a constant answer, 1 is everything."""

    rows: int
    explained: float
    error: float  # of its difference to what all rows explain, by the later rows


def curve(columns: Sequence[Column], label: Column, train: Any, later: Any) -> "list[Learnt] | str":
    """From the smallest part to all; or why it cannot be said.

    Args:
        columns: n rows each.
        label: classes or a number.
        train: numbers of the rows to learn from, in order of time.
        later: those of the rows to judge on.
    """
    from threadpoolctl import threadpool_limits

    train, later = _spread(train, MOST), _spread(later, JUDGED)
    classes = None if label.is_number else np.unique(label.values[train])
    if len(train) * SHARES[0] < LEAST or len(later) < LEAST:
        return f"{len(train):,} rows to learn from and {len(later):,} to judge on are too few"
    if classes is not None and len(classes) < 2:
        return "the rows to learn from have one class alone"
    inputs = np.column_stack([_codes(column) for column in columns])
    known = np.isin(label.values[later], classes) if classes is not None else np.ones(len(later), bool)
    later = later[known]
    order = np.random.default_rng(SEED).permutation(train)
    nothing = _losses(label, classes, _constant(label, classes, train, len(later)), later)
    found: list[Floats] = []
    with threadpool_limits(1):
        for share in SHARES:
            part = np.sort(order[: round(share * len(order))])
            if classes is not None and len(np.unique(label.values[part])) < len(classes):
                found.append(nothing)  # a class that has not come yet: nothing is learnt from so few
                continue
            found.append(_losses(label, classes, _fit(inputs, label, columns, part, later), later))
    base = max(float(nothing.mean()), 1e-12)
    return [
        Learnt(
            round(share * len(order)),
            1 - float(losses.mean()) / base,
            float((losses - found[-1]).std() / np.sqrt(len(losses))) / base,
        )
        for share, losses in zip(SHARES, found, strict=True)
    ]


def _fit(inputs: Floats, label: Column, columns: Sequence[Column], part: Any, later: Any) -> Floats:
    """Probabilities (m, classes) or values (m,) of the later rows."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor

    told = np.isfinite(inputs[part]).any(axis=0)
    words = np.array([not column.is_number for column in columns])[told]
    kind = HistGradientBoostingRegressor if label.is_number else HistGradientBoostingClassifier
    model = kind(
        max_iter=40,
        max_leaf_nodes=15,
        min_samples_leaf=max(5, len(part) // 500),
        early_stopping=False,
        random_state=0,
        categorical_features=words,
    ).fit(inputs[part][:, told], label.values[part])
    rows = inputs[later][:, told]
    said: Floats = model.predict(rows) if label.is_number else model.predict_proba(rows)
    return said


def _constant(label: Column, classes: Any, train: Any, count: int) -> Floats:
    values = label.values[train]
    if classes is None:
        return np.full(count, float(values.mean()))
    shares = np.array([(values == each).mean() for each in classes])
    return np.tile(shares, (count, 1))


def _losses(label: Column, classes: Any, said: Floats, later: Any) -> Floats:
    """Squared error or log loss of each later row (m,)."""
    values = label.values[later]
    if classes is None:
        squared: Floats = (values - said) ** 2
        return squared
    at = np.searchsorted(classes, values)
    lost: Floats = -np.log(np.clip(said[np.arange(len(said)), at], 1e-9, 1.0))
    return lost


def _codes(column: Column) -> Floats:
    if column.is_number:
        return np.where(np.isfinite(column.values), column.values, np.nan)
    codes = grouped(column, WORDS).values.astype(np.float64)
    return np.where(codes < 0, np.nan, codes)


def _spread(rows: Any, most: int) -> Any:
    return rows[:: max(1, -(-len(rows) // most))]
