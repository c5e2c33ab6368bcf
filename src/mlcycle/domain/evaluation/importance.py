"""What the model's answers rest on: loss without a column's information, and answers along a column.

Permutation importance: L. Breiman, "Random forests", 2001; columns that say the same share theirs, so that
both may look like nothing. Partial dependence: J. Friedman, "Greedy function approximation", 2001; it asks
for rows that may not exist.
"""

from typing import Any

import numpy as np

from mlcycle.domain.evaluation.coverage import numbers
from mlcycle.domain.evaluation.figure import plain
from mlcycle.domain.evaluation.groups import largest, texts_of
from mlcycle.domain.evaluation.subject import SEED, Subject
from mlcycle.domain.metrics import Array

REPEATS = 3
GRID = 9
MOST_VALUES = 12
COLUMNS = 4
AVERAGED = 300  # rows a partial dependence is the mean of


def run(subject: Subject) -> dict[str, Any]:
    """By how much the mean loss grows where a column's values are dealt out anew; the most first."""
    frame, labels = subject.sampled, subject.labels[subject.sample]
    base = float(subject.task.row_loss(labels, subject.predict(frame)).mean())
    random, found = np.random.default_rng(SEED), {}
    for name in subject.inputs:
        grown = []
        for _ in range(REPEATS):
            dealt = frame[name].iloc[random.permutation(len(frame))].reset_index(drop=True)
            answers = subject.predict(frame.assign(**{name: dealt}))
            grown.append(float(subject.task.row_loss(labels, answers).mean()) - base)
        found[name] = {"mean": float(np.mean(grown)), "spread": float(np.std(grown))}
    ordered = dict(sorted(found.items(), key=lambda item: -item[1]["mean"]))
    return plain(  # type: ignore[no-any-return]
        {"rows": subject.shown_sample, "loss": subject.task.loss_words, "base": base, "columns": ordered}
    )


def dependence(subject: Subject) -> dict[str, Any]:
    """The mean answer along each of the columns that matter most by spread of that mean.

    A text has no such values: it is left out.
    """
    rows = np.linspace(0, len(subject.sampled) - 1, min(len(subject.sampled), AVERAGED)).astype(int)
    frame, found = subject.sampled.iloc[rows].reset_index(drop=True), dict[str, dict[str, Any]]()
    for name in [*subject.categorical, *subject.numeric]:
        numeric = name in subject.numeric
        grid = _grid(subject, name, numeric)
        if len(grid) < 2:
            continue
        answers = _means(subject, frame, name, grid, numeric)
        found[name] = {"numeric": numeric, "at": list(grid), "mean": answers}
    widest = sorted(found, key=lambda name: -float(np.ptp(found[name]["mean"])))[:COLUMNS]
    return plain(  # type: ignore[no-any-return]
        {"rows": f"mean over {len(frame):,} rows", "columns": {name: found[name] for name in widest}}
    )


def _grid(subject: Subject, name: str, numeric: bool) -> list[Any]:
    column = subject.sampled[name]
    if not numeric:
        return largest(texts_of(column.dropna()), MOST_VALUES) if column.notna().any() else []
    values = numbers(column)
    known = values[np.isfinite(values)]
    if not len(known):
        return []
    return [float(v) for v in np.unique(np.quantile(known, np.linspace(0.02, 0.98, GRID)))]


def _means(subject: Subject, frame: Any, name: str, grid: list[Any], numeric: bool) -> Array:
    """(grid,) the mean answer with each value in all rows; asked at once, a call costs more than its rows."""
    import pandas as pd

    values = np.repeat(np.array(grid, dtype=np.float64 if numeric else object), len(frame))
    rows = pd.concat([frame] * len(grid), ignore_index=True).assign(**{name: values})
    means: Array = subject.predict(rows).reshape(len(grid), len(frame)).mean(axis=1)
    return means
