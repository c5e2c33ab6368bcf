"""Whether a calibration curve is better on rows that it was not fitted on.

Out-of-fold predictions of the training rows fit the curves where there are any, and all validation rows judge
them (as A. Niculescu-Mizil and R. Caruana, "Predicting good probabilities with supervised learning", ICML
2005, who calibrate boosting by cross-validation). Else the earlier half of validation's blocks of time fits
them, and the later half judges. They are judged by their gain in log loss, as a gate judges a model: by how
whole blocks differ. Of several curves each is asked for more, so that a calibrated model is changed at most
once in forty times (Bonferroni).
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mlcycle.domain.evaluation.calibrator import Calibrator, Method, fit
from mlcycle.domain.evaluation.figure import SURE, Figure
from mlcycle.domain.interval import MIN_BLOCKS
from mlcycle.domain.metrics import Array
from mlcycle.domain.paired import paired_blocks

Asked = Literal["platt", "isotonic", "auto"]
METHODS: Mapping[Asked, Sequence[Method]] = {
    "platt": ("platt",),
    "isotonic": ("isotonic",),
    "auto": ("platt", "isotonic"),
}


@dataclass(frozen=True)
class Foretold:
    """(n,) labels of rows, what models that had not learnt them said, and for how many rows each stands."""

    labels: Array
    predictions: Array
    weights: Array | None = None


@dataclass(frozen=True)
class Choice:
    """``calibrator`` is None where no curve is surely better; ``why`` says so.

    ``gains`` in log loss and ``curves`` are by method.
    """

    calibrator: Calibrator | None
    why: str
    gains: Mapping[str, Figure] = field(default_factory=dict)
    curves: Mapping[str, Calibrator] = field(default_factory=dict)
    fitted: int = 0  # rows
    judged: int = 0  # rows


def choose(
    labels: Array,
    predictions: Array,
    blocks: NDArray[np.int64],
    asked: Asked,
    weights: Array | None = None,
    out_of_fold: Foretold | None = None,
) -> Choice:
    """The curve that is surely better than none, the best of those.

    Args:
        labels: (n,) 0 and 1, of rows that no weight of the model was learnt from.
        predictions: (n,) what the model says of them.
        blocks: (n,) block of time of each row.
        asked: which curves take part.
        weights: (n,) for how many rows each stands; curves are fitted with them, gains take rows as they are.
        out_of_fold: other rows, which the curves are fitted on in place of the earlier half of these.
    """
    days = np.unique(blocks)
    needed = (1 if out_of_fold is not None else 2) * MIN_BLOCKS
    if len(days) < needed:
        few = f"validation has {len(days)} blocks of time, {needed} are needed"
        return Choice(None, f"{few}: {'they' if out_of_fold else 'half fit the curve, half'} judge it")
    if out_of_fold is None:
        later = blocks >= days[len(days) // 2]
        learnt = Foretold(labels[~later], predictions[~later], None if weights is None else weights[~later])
    else:
        later, learnt = np.ones(len(labels), dtype=bool), out_of_fold
    if len(np.unique(learnt.labels)) < 2:
        where = "the earlier half of validation" if out_of_fold is None else "what folds predict"
        return Choice(None, f"{where} holds one class only")
    return _judged(learnt, Foretold(labels[later], predictions[later]), blocks[later], METHODS[asked])


def _judged(
    learnt: Foretold, judge: Foretold, blocks: NDArray[np.int64], methods: Sequence[Method]
) -> Choice:
    """The best of the curves that are surely better on the rows that judge."""
    curves: dict[str, Calibrator] = {
        each: fit(each, learnt.labels, learnt.predictions, learnt.weights) for each in methods
    }
    gains = dict[str, Figure]()
    for name, curve in curves.items():
        said = judge.predictions
        paired = paired_blocks("log_loss", judge.labels, said, curve(said), blocks)
        assert paired.spread is not None  # there are MIN_BLOCKS at least
        gains[name] = Figure(paired.gain, *paired.spread.interval(1 - (1 - SURE) / len(methods)))
    better = [name for name in methods if (gains[name].low or 0.0) > 0]
    counts = len(learnt.labels), len(judge.labels)
    if not better:
        return Choice(None, "no curve is surely better on rows of its own", gains, curves, *counts)
    best = max(better, key=lambda name: gains[name].value or 0.0)
    return Choice(curves[best], f"{best} is surely better on rows of its own", gains, curves, *counts)
