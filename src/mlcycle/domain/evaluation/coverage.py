"""Whether the rows that judge are rows as were learnt from: missing, unseen and out-of-range inputs."""

from typing import Any

import numpy as np

from mlcycle.domain.evaluation.subject import Subject
from mlcycle.errors import InputError


def numbers(column: Any) -> Any:
    """A column as floats, NaN where it holds none."""
    import pandas as pd

    values = pd.to_numeric(column, errors="coerce").to_numpy(dtype=np.float64, na_value=np.nan)
    return np.where(np.isfinite(values), values, np.nan)


def run(subject: Subject) -> dict[str, Any]:
    """Each input's share of missing values in training and in the holdout, and what training never had.

    Most texts are never seen twice: of those the missing ones alone are told.
    """
    seen: dict[str, set[str]] = {name: set() for name in subject.categorical}
    low, high = dict.fromkeys(subject.numeric, np.inf), dict.fromkeys(subject.numeric, -np.inf)
    absent, rows = dict.fromkeys(subject.inputs, 0), 0
    for part in subject.train():  # a part at a time: all of training need not fit in memory
        rows += part.count
        for name in subject.categorical:
            column = part.frame[name]
            absent[name] += int(column.isna().sum())
            seen[name].update(map(str, column.dropna().unique()))
        for name in subject.text:
            absent[name] += int(part.frame[name].isna().sum())
        for name in subject.numeric:
            values = numbers(part.frame[name])
            absent[name] += int(np.isnan(values).sum())
            if not np.isnan(values).all():
                low[name] = min(low[name], float(np.nanmin(values)))
                high[name] = max(high[name], float(np.nanmax(values)))
    if not rows:
        raise InputError("the training rows are not at hand")
    frame, found = subject.holdout.frame, {}
    for name in subject.categorical:
        column = frame[name]
        known = column.dropna().map(str).isin(seen[name]).sum()
        found[name] = _told(absent[name] / rows, column.isna(), int(column.notna().sum() - known))
    for name in subject.numeric:
        values = numbers(frame[name])
        outside = np.count_nonzero((values < low[name]) | (values > high[name]))
        found[name] = _told(absent[name] / rows, np.isnan(values), int(outside))
    for name in subject.text:
        found[name] = _told(absent[name] / rows, frame[name].isna(), None)
    return {"rows_of_training": rows, "inputs": found}


def _told(before: float, absent: Any, unseen: int | None) -> dict[str, float | None]:
    return {
        "missing_in_training": before,
        "missing": float(np.mean(absent)),
        "never_seen": None if unseen is None else unseen / max(len(absent), 1),
    }
