"""Whether a calibration curve is better on rows that it was not fitted on, all within the validation rows.

The earlier half of the blocks of time fits the curves, the later half judges them by their gain in log loss,
as a gate judges a model: by how whole blocks differ. Of several curves each is asked for more, so that a
calibrated model is changed at most once in forty times (Bonferroni).
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
    labels: Array, predictions: Array, blocks: NDArray[np.int64], asked: Asked, weights: Array | None = None
) -> Choice:
    """The curve that is surely better than none, the best of those.

    Args:
        labels: (n,) 0 and 1, of rows that no weight of the model was learnt from.
        predictions: (n,) what the model says of them.
        blocks: (n,) block of time of each row.
        asked: which curves take part.
        weights: (n,) for how many rows each stands; curves are fitted with them, gains take rows as they are.
    """
    days = np.unique(blocks)
    if len(days) < 2 * MIN_BLOCKS:
        few = f"validation has {len(days)} blocks of time, {2 * MIN_BLOCKS} are needed"
        return Choice(None, f"{few}: half fit the curve, half judge it")
    early = blocks < days[len(days) // 2]
    if len(np.unique(labels[early])) < 2:
        return Choice(None, "the earlier half of validation holds one class only")
    methods = METHODS[asked]
    curves: dict[str, Calibrator] = {
        each: fit(each, labels[early], predictions[early], None if weights is None else weights[early])
        for each in methods
    }
    later, gains = ~early, dict[str, Figure]()
    for name, curve in curves.items():
        said = predictions[later]
        paired = paired_blocks("log_loss", labels[later], said, curve(said), blocks[later])
        assert paired.spread is not None  # there are MIN_BLOCKS at least
        gains[name] = Figure(paired.gain, *paired.spread.interval(1 - (1 - SURE) / len(methods)))
    better = [name for name in methods if (gains[name].low or 0.0) > 0]
    counts = int(early.sum()), int(later.sum())
    if not better:
        return Choice(None, "no curve is surely better on rows of its own", gains, curves, *counts)
    best = max(better, key=lambda name: gains[name].value or 0.0)
    return Choice(curves[best], f"{best} is surely better on rows of its own", gains, curves, *counts)
