"""A curve from what a model says to how often it comes true, as a few numbers that a file can hold.

Sources: J. Platt, "Probabilistic outputs for support vector machines", 1999 (a sigmoid of the log odds, with
his targets); B. Zadrozny and C. Elkan, "Transforming classifier scores into accurate multiclass probability
estimates", 2002 (isotonic regression).
"""

from typing import Annotated, Literal, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, model_validator

from mlcycle.domain.metrics import CLIP, Array

ROUNDS = 50
RIDGE = 1e-9

Method = Literal["platt", "isotonic"]
Finite = Annotated[float, Field(allow_inf_nan=False)]
Probability = Annotated[float, Field(ge=0, le=1)]


class Calibrator(BaseModel):
    """``platt``: the sigmoid of slope * log odds + intercept. ``isotonic``: straight lines between points.

    With slope 1, intercept 0 the first is the identity. ``at`` rises, ``to`` (as many) never falls.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    version: Literal["mlcycle.calibrator/1"] = "mlcycle.calibrator/1"
    method: Method
    slope: Annotated[Finite, Field(gt=0)] = 1.0
    intercept: Finite = 0.0
    at: tuple[Finite, ...] = ()
    to: tuple[Probability, ...] = ()

    @model_validator(mode="after")
    def _is_a_curve(self) -> Self:
        if self.method == "platt":
            return self
        if not self.at or len(self.at) != len(self.to):
            raise ValueError(
                f"{len(self.at)} points at, {len(self.to)} values to: as many are needed, one at least"
            )
        if (np.diff(self.at) <= 0).any() or (np.diff(self.to) < 0).any():
            raise ValueError("an isotonic curve goes up: at must rise, to must not fall")
        return self

    def __call__(self, predictions: Array) -> Array:
        """(n,) probabilities for (n,) of the model, kept from 0 and 1."""
        if self.method == "isotonic":
            curve: Array = np.interp(predictions, self.at, self.to)
        else:
            scores = self.slope * log_odds(predictions) + self.intercept
            curve = 1 / (1 + np.exp(-np.clip(scores, -50, 50)))
        found: Array = np.clip(curve, CLIP, 1 - CLIP)
        return found


def log_odds(predictions: Array) -> Array:
    """(n,), probabilities kept from 0 and 1."""
    p = np.clip(predictions, CLIP, 1 - CLIP)
    found: Array = np.log(p) - np.log1p(-p)
    return found


def fit(method: Method, labels: Array, predictions: Array, weights: Array | None = None) -> Calibrator:
    """The curve of this method for (n,) labels 0 and 1 and what was said of their rows."""
    return {"platt": platt, "isotonic": isotonic}[method](labels, predictions, weights)


def platt(labels: Array, predictions: Array, weights: Array | None = None) -> Calibrator:
    """By Newton's method; the identity where there is one class only, or where more said means less seen."""
    x, up = log_odds(predictions), labels > 0.5
    if up.all() or not up.any() or np.ptp(x) == 0:
        return Calibrator(method="platt")
    stands = np.ones(len(x)) if weights is None else weights
    ups, downs = stands[up].sum(), stands[~up].sum()
    targets = np.where(up, (ups + 1) / (ups + 2), 1 / (downs + 2))
    columns = np.column_stack([x, np.ones_like(x)])
    line = np.array([1.0, 0.0])
    loss = _cross_entropy(columns @ line, targets, stands)
    for _ in range(ROUNDS):
        p = 1 / (1 + np.exp(-np.clip(columns @ line, -50, 50)))
        gradient = columns.T @ (stands * (p - targets))
        hessian = (columns * (stands * p * (1 - p))[:, None]).T @ columns + RIDGE * np.eye(2)
        step = np.linalg.solve(hessian, gradient)
        while (reached := _cross_entropy(columns @ (line - step), targets, stands)) > loss and np.abs(
            step
        ).max() > 1e-9:
            step = step / 2
        line, moved, loss = line - step, loss - reached, reached
        if moved <= 1e-12 * max(1.0, abs(loss)):
            break
    slope, intercept = (float(value) for value in line)
    if slope <= 0 or not np.isfinite([slope, intercept]).all():
        return Calibrator(method="platt")
    return Calibrator(method="platt", slope=slope, intercept=intercept)


def _cross_entropy(scores: Array, targets: Array, stands: Array) -> float:
    return float((stands * (np.logaddexp(0, scores) - targets * scores)).sum())


def isotonic(labels: Array, predictions: Array, weights: Array | None = None) -> Calibrator:
    """The monotone curve nearest to the labels, straight between its steps."""
    from scipy.optimize import isotonic_regression

    order = np.argsort(predictions, kind="stable")
    values, starts = np.unique(predictions[order], return_index=True)
    stands = (np.ones(len(labels)) if weights is None else weights)[order]
    heavy = np.add.reduceat(stands, starts)
    means = np.add.reduceat(stands * labels[order], starts) / np.maximum(heavy, 1e-300)
    fitted = np.clip(isotonic_regression(means, weights=np.maximum(heavy, 1e-12)).x, 0.0, 1.0)
    fitted = np.maximum.accumulate(fitted)  # rounding must not make a step down of a flat one
    bends = np.ones(len(values), dtype=bool)  # points inside a flat stretch say nothing
    bends[1:-1] = (fitted[1:-1] != fitted[:-2]) | (fitted[1:-1] != fitted[2:])
    return Calibrator(method="isotonic", at=tuple(values[bends].tolist()), to=tuple(fitted[bends].tolist()))
