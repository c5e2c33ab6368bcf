"""Leakage: an input that knows what was not known at prediction time. Every check names the column.

No check proves that there is none. Together they see a copy of the target, a value dated after the
event, a feature that changes when later rows are taken away, and rows or groups in two splits.
"""

import itertools
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np
import numpy.typing as npt

from mlcycle.domain.dataset import Split
from mlcycle.domain.metrics import NotMeasured, roc_auc
from mlcycle.domain.split import Window
from mlcycle.errors import LeakageError

Floats = npt.NDArray[np.float64]

TELLING_AUC = 0.98  # a single input that ranks this well, or this badly, knows the label
TELLING_CORRELATION = 0.9995
MIN_ROWS = 50  # below, chance alone can look like a copy


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


def check_lead(view: str, lead: float | None) -> None:
    """No feature value may be dated after the event it is joined to. ``lead`` is in seconds."""
    if lead is not None and lead > 0:
        raise LeakageError(
            f"feature view {view!r}: a value is dated {lead:g} s after its row's event time (event_timestamp)"
        )


def check_column(name: str, values: npt.NDArray[Any], label: Floats, task: str) -> None:
    """One input must not give the label away, by its value or by being absent.

    Args:
        name: the input.
        values: numbers (NaN is absent) or objects (None is absent), shape (n,).
        label: 0 or 1 for classification, else the value, shape (n,).
        task: ``classification`` or ``regression``.
    """
    absent = np.array([value is None for value in values]) if values.dtype == object else np.isnan(values)
    if task == "classification":
        _check_auc(name, "is absent", absent.astype(np.float64), label)
    present, target = values[~absent], label[~absent]
    if len(target) < MIN_ROWS:
        return
    if values.dtype == object:
        present, target = _encoded_out_of_fold(present, target)
    if task == "classification":
        _check_auc(name, "ranks", present.astype(np.float64), target)
        return
    strength = abs(_correlation(present.astype(np.float64), target))
    if strength >= TELLING_CORRELATION:
        raise LeakageError(
            f"input {name!r} is a copy of the label: correlation {strength:.4f}; remove it from inputs"
        )


def check_replay(view: str, stored: Mapping[Any, Any], replayed: Mapping[Any, Any], at: datetime) -> None:
    """A view's values must be the same when every row that came later is taken away.

    Args:
        view: the feature view.
        stored: values by entity and event_timestamp, as computed with all rows; a mapping column -> value.
        replayed: the same, computed from the rows known by ``at`` only.
        at: the moment.
    """
    for key in stored.keys() | replayed.keys():
        was, now = stored.get(key), replayed.get(key)
        if was is None or now is None:
            column = next(iter(was or now or {}), "")
        else:
            column = next((name for name in was if not _same(was[name], now[name])), "")
            if not column:
                continue
        raise LeakageError(
            f"feature {column!r} of view {view!r} knows the future: at {at.isoformat()} its value for "
            f"{key} is {_value(was, column)}, but {_value(now, column)} from what was known by then; "
            "date event_timestamp when the last row it uses became known"
        )


def _check_auc(name: str, how: str, score: Floats, label: Floats) -> None:
    if min(label.sum(), len(label) - label.sum()) < MIN_ROWS / 5 or len(label) < MIN_ROWS:
        return
    found = roc_auc(label, score)
    if not isinstance(found, NotMeasured) and max(found, 1 - found) >= TELLING_AUC:
        verb = "is absent just where the label says so" if how == "is absent" else "is a copy of the label"
        raise LeakageError(f"input {name!r} {verb}: AUC {found:.3f} by itself; remove it from inputs")


def _encoded_out_of_fold(values: npt.NDArray[Any], label: Floats) -> tuple[Floats, Floats]:
    """Categories as the label's mean over the even rows, for the odd rows: an identifier tells nothing."""
    names, codes = np.unique(values.astype(str), return_inverse=True)
    fit, use = codes[::2], codes[1::2]
    counts = np.bincount(fit, minlength=len(names))
    sums = np.bincount(fit, weights=label[::2], minlength=len(names))
    means = np.where(counts > 0, sums / np.maximum(counts, 1), label[::2].mean())
    return means[use], label[1::2]


def _correlation(values: Floats, label: Floats) -> float:
    finite = np.isfinite(values)
    values, label = values[finite], label[finite]
    if len(label) < MIN_ROWS or np.ptp(values) == 0 or np.ptp(label) == 0:
        return 0.0
    return float(np.corrcoef(values, label)[0, 1])


def _same(a: Any, b: Any) -> bool:
    if isinstance(a, float) and isinstance(b, float):
        return bool(np.isclose(a, b, rtol=1e-9, atol=1e-12, equal_nan=True))
    return bool(a == b)


def _value(row: Mapping[str, Any] | None, column: str) -> str:
    return "absent" if row is None else repr(row[column])
