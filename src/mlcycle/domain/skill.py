"""What a day of labelled predictions says of a model: is it right on the whole, and does it tell rows apart.

Raw loss follows how hard the days are. These readings of a day hardly do, and together they are the joint
test of recalibration (Cox 1958, Biometrika 45): observed over expected, the slope of what happened on what
was said, and their correlation, which is the skill that is left whatever the base rate (Broecker 2009,
Q. J. R. Meteorol. Soc. 135). Slope and skill are taken within the day, so that a day on which everything is
late moves the first one alone.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mlcycle.domain.metrics import row_log_loss
from mlcycle.domain.tasks import task_of

Array = NDArray[np.float64]
Numbers = NDArray[np.int64]

#: The bias of a classification is the logarithm of the observed odds over the expected ones, of a regression
#: the mean of label less prediction; skill is Fisher's z of the correlation; error the logarithm of the
#: error's standard deviation within the day.
READINGS: Final = {
    "classification": ("bias", "slope", "skill"),
    "regression": ("bias", "slope", "skill", "error"),
}
MIN_ROWS: Final = 20  # of a day, or of a slice's day, to be read at all
SURE: Final = 1e-3  # a probability beyond counts as this one: the logarithm would let one row outweigh all


@dataclass(frozen=True)
class Days:
    """Readings of D days, k each; NaN where a day does not tell.

    Args:
        numbers: (D,) of the days, rising.
        rows: (D,) labelled rows.
        seen, due: (D,) mean label and mean prediction.
        whole: (D, k + 1) readings; the last column is the loss, of a classification what it is above the one
            that the probabilities expect of themselves.
        slices: their names.
        contrasts: (D, S, k + 1) readings of each slice less those of all other rows.
    """

    numbers: Numbers
    rows: Numbers
    seen: Array
    due: Array
    whole: Array
    slices: tuple[str, ...]
    contrasts: Array

    def __len__(self) -> int:
        return len(self.numbers)

    def only(self, chosen: "NDArray[np.bool_] | Numbers") -> "Days":
        """These days of them."""
        parts = ("numbers", "rows", "seen", "due", "whole", "contrasts")
        return replace(self, **{part: getattr(self, part)[chosen] for part in parts})

    def with_slices(self, names: Sequence[str]) -> "Days":
        """The same with these slices in this order; NaN for one that it does not have."""
        at = {name: number for number, name in enumerate(self.slices)}
        found = np.full((len(self), len(names), self.whole.shape[1]), np.nan)
        for number, name in enumerate(names):
            if name in at:
                found[:, number] = self.contrasts[:, at[name]]
        return replace(self, slices=tuple(names), contrasts=found)

    @property
    def documents(self) -> dict[str, Any]:
        """Each day by its number, as JSON: null where it does not tell."""
        found = {}
        for at, number in enumerate(self.numbers):
            slices = {
                name: _listed(self.contrasts[at, place])
                for place, name in enumerate(self.slices)
                if np.isfinite(self.contrasts[at, place]).all()
            }
            counted = [int(self.rows[at]), float(self.seen[at]), float(self.due[at])]
            found[str(number)] = {"rows": counted, "whole": _listed(self.whole[at]), "slices": slices}
        return found


def of_documents(task: str, documents: Mapping[str, Any]) -> Days:
    """Days as :attr:`Days.documents` wrote them."""
    held = sorted((int(number), each) for number, each in documents.items())
    names = sorted({name for _, each in held for name in each["slices"]})
    width = len(READINGS[task]) + 1
    contrasts = np.full((len(held), len(names), width), np.nan)
    for at, (_, each) in enumerate(held):
        for place, name in enumerate(names):
            if name in each["slices"]:
                contrasts[at, place] = each["slices"][name]
    counted = np.array([each["rows"] for _, each in held], dtype=np.float64).reshape(-1, 3)
    whole = np.array([each["whole"] for _, each in held], dtype=np.float64).reshape(-1, width)
    numbers = np.array([number for number, _ in held], dtype=np.int64)
    rows = counted[:, 0].astype(np.int64)
    return Days(numbers, rows, counted[:, 1], counted[:, 2], whole, tuple(names), contrasts)


def together(first: Days, second: Days) -> Days:
    """Both in order; a day that both have is the second's."""
    names = sorted({*first.slices, *second.slices})
    first = first.only(~np.isin(first.numbers, second.numbers)).with_slices(names)
    second = second.with_slices(names)
    order = np.argsort(np.concatenate([first.numbers, second.numbers]), kind="stable")
    parts = ("numbers", "rows", "seen", "due", "whole", "contrasts")
    both = {part: np.concatenate([getattr(first, part), getattr(second, part)])[order] for part in parts}
    return replace(first, slices=tuple(names), **both)


def read(
    task: str,
    labels: Array,
    predictions: Array,
    days: Numbers,
    columns: Mapping[str, Sequence[str]] | None = None,
    weights: Array | None = None,
) -> Days:
    """Readings of each day.

    Args:
        task: classification or regression.
        labels: (n,), none of them NaN.
        predictions: (n,).
        days: (n,) the number of each row's day.
        columns: for each slice column the text of its n values.
        weights: (n,) for how many rows each stands; None: for itself.
    """
    numbers, at = np.unique(days, return_inverse=True)
    count = len(numbers)
    rows = np.bincount(at, minlength=count)
    stands = np.ones(len(labels))
    if weights is not None:  # a day has as many rows as were seen, however many they stand for
        stands = weights * (rows / np.bincount(at, weights, count))[at]
    seen, due = (
        np.bincount(at, stands * each, count) / np.maximum(rows, 1) for each in (labels, predictions)
    )
    whole = _readings(task, labels, predictions, at, count, stands)
    names, contrasts = list[str](), list[Array]()
    for column, values in (columns or {}).items():
        texts, codes = np.unique(np.asarray(values, dtype=object).astype(str), return_inverse=True)
        for code, text in enumerate(texts if len(texts) > 1 else ()):
            own, other = (
                _readings(task, labels[side], predictions[side], at[side], count, stands[side])
                for side in (codes == code, codes != code)
            )
            names.append(f"{column}={text}")
            contrasts.append(own - other)
    found = np.stack(contrasts, axis=1) if contrasts else np.empty((count, 0, whole.shape[1]))
    return Days(numbers.astype(np.int64), rows.astype(np.int64), seen, due, whole, tuple(names), found)


def _readings(task: str, labels: Array, predictions: Array, at: Numbers, count: int, stands: Array) -> Array:
    """(count, k + 1) of each day, NaN for a day of too few rows."""
    classified = task_of(task).probabilities
    rows: Array = np.bincount(at, stands, count).astype(np.float64)
    there = np.maximum(rows, 1)

    def total(values: Array) -> Any:
        return np.bincount(at, stands * values, count)

    if classified:
        p = np.clip(predictions, SURE, 1 - SURE)
        said = np.log(p / (1 - p))
        loss = row_log_loss(labels, p) - row_log_loss(p, p)
        bias = _log_odds(total(labels), rows) - _log_odds(total(p), rows)
    else:
        said = predictions
        loss = (predictions - labels) ** 2
        bias = total(labels - predictions) / there
    said = said - (total(said) / there)[at]
    happened = labels - (total(labels) / there)[at]
    both, own, other = total(said * happened), total(said * said), total(happened * happened)
    flat = own <= 1e-12 * there  # nothing is told apart
    one = other <= 1e-12 * there  # nothing there was to be told apart
    with np.errstate(divide="ignore", invalid="ignore"):
        # Of a classification one step of Newton's from no signal: what the log odds change for one unit said.
        slope = both / (own * other / there if classified else own)
        correlation = np.clip(both / np.sqrt(own * other), SURE - 1, 1 - SURE)
        found = [bias, np.where(flat, 0.0, slope), np.where(flat, 0.0, np.arctanh(correlation))]
        if not classified:
            found.append(np.log(np.maximum(total((happened - said) ** 2) / there, 1e-24)) / 2)
    readings = np.column_stack([*found, total(loss) / there])
    readings[(np.bincount(at, minlength=count) < MIN_ROWS) | one] = np.nan
    return readings


def _log_odds(count: Array, rows: Array) -> Array:
    """Half a row is added on either side: none at all has odds, too."""
    found: Array = np.log((count + 0.5) / (rows - count + 0.5))
    return found


def _listed(values: Array) -> list[float | None]:
    return [float(value) if np.isfinite(value) else None for value in values]
