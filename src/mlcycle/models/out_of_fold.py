"""Out-of-fold predictions: every row by a model that has not learnt it.

D. Wolpert, "Stacked Generalization", Neural Networks 5, 1992. Each fold is a fit like any other, encoders
included, on the fold's rows alone. Validation rows are what an early stop looks at, as ever: never the rows
that are predicted.
"""

import hashlib
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mlcycle.domain.examples import Rows
from mlcycle.domain.folds import Fold, Forward, Plan
from mlcycle.domain.metrics import Array
from mlcycle.models import prepared
from mlcycle.models.base import Job, Params
from mlcycle.models.kept import Kept
from mlcycle.models.quantile_models import said as said_by

#: Where neither project nor family says otherwise: five blocks, each predicted from the rows before it.
ALONG_TIME: Final = Plan(Forward(5))


@dataclass(frozen=True)
class OutOfFold:
    """``folds``, and ``predictions`` of all rows; NaN for rows that no fold predicts.

    (n,), or (n, classes) of many classes, or (n, q, 2) of quantiles.
    """

    folds: list[Fold]
    predictions: Array

    @property
    def covered(self) -> NDArray[np.int64]:
        """Positions of the rows that are predicted, ascending."""
        return np.flatnonzero(~np.isnan(self.predictions.reshape(len(self.predictions), -1)[:, 0]))


def at(rows: Rows, positions: NDArray[np.int64]) -> Rows:
    """Some of the rows; their weights are one on average again."""
    weights = None if rows.weights is None else rows.weights[positions]
    if weights is not None:
        weights = weights / weights.mean()
    return Rows(rows.frame.iloc[positions], rows.labels[positions], weights)


def out_of_fold(job: Job, params: Params, name: str, stem: str = "fold") -> OutOfFold:
    """Fit a family on each fold of ``job.train`` and predict the fold's other rows.

    What a fold's model said is kept in ``job.checkpoints`` when it is known: a retry predicts the others.

    Args:
        job: as for one fit on all rows; its ``rounds`` and ``folds`` are those of each fold.
        params: the family's.
        name: the family's name in the registry.
        stem: of the files' names.

    Raises:
        InputError: the rows cannot be dealt out as ``job.folds`` says.
    """
    rows = job.train.whole()
    folds = (job.folds or ALONG_TIME).of(rows, classes=job.kind.classifies)
    shape: tuple[int, ...] = (rows.count, len(job.classes)) if job.kind.many else (rows.count,)
    shape = (rows.count, len(job.quantiles), 2) if job.quantiles else shape
    predictions, stopped = np.full(shape, np.nan), False

    def asks(done: int, of: int, _: dict[str, float]) -> bool:
        """A fold's losses are no part of the model's curve; a stop holds for all folds that come after."""
        nonlocal stopped
        stopped = stopped or bool(job.report(done, of, {}))
        return stopped

    for i, fold in enumerate(folds):
        known = Kept(job.checkpoints, f"{stem}-{i}", _facts(job, params, name, fold, rows.count))
        said = _read(known.file, (len(fold.test), *shape[1:]))
        if said is None:
            own = within(replace(job, train=at(rows, fold.train), report=asks, start=None), f"fit-{stem}-{i}")
            said = said_by(prepared.fit(own, params, name), rows.frame.iloc[fold.test], job.quantiles)
            if not stopped:  # else it is not what a retry would have said
                known.keep_now(partial(_write, said=said))
        predictions[fold.test] = said
    return OutOfFold(folds, predictions)


def _facts(job: Job, params: Params, name: str, fold: Fold, count: int) -> str:
    # Rows by their positions: a work's rows are those of one snapshot.
    dealt = hashlib.sha256(fold.train.tobytes() + b"|" + fold.test.tobytes()).hexdigest()
    levels = f" {job.quantiles}" if job.quantiles else ""
    levels += f" {job.fitted}" if job.fitted else ""
    return f"{name} {params.model_dump_json()} {job.rounds} {dict(job.member_rounds)} {count} {dealt}{levels}"


def within(job: Job, name: str) -> Job:
    """The same work with a folder of its own for checkpoints, so that fits within a fit do not meet."""
    if job.checkpoints is None:
        return job
    folder = job.checkpoints / name
    folder.mkdir(parents=True, exist_ok=True)
    return replace(job, checkpoints=folder)


def _write(path: Path, *, said: Array) -> None:
    with path.open("wb") as file:
        np.save(file, said, allow_pickle=False)


def _read(file: Path | None, shape: tuple[int, ...]) -> Array | None:
    """Predictions that were kept; None where there are none, or none that can be read."""
    if file is None:
        return None
    try:
        said = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return np.asarray(said, dtype=np.float64) if said.shape == shape else None
