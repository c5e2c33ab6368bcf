"""Out-of-fold predictions: every row by a model that has not learnt it.

D. Wolpert, "Stacked Generalization", Neural Networks 5, 1992. Each fold is a fit like any other, encoders
included, on the fold's rows alone. Validation rows are what an early stop looks at, as ever: never the rows
that are predicted.
"""

import hashlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mlcycle.domain.examples import Rows
from mlcycle.domain.folds import Fold, Forward, Plan
from mlcycle.domain.metrics import Array
from mlcycle.models import kept
from mlcycle.models.base import Job, Params
from mlcycle.models.registry import family

#: Where neither project nor family says otherwise: five blocks, each predicted from the rows before it.
ALONG_TIME: Final = Plan(Forward(5))


@dataclass(frozen=True)
class OutOfFold:
    """``folds``, and ``predictions`` (n,) of all rows; NaN for rows that no fold predicts."""

    folds: list[Fold]
    predictions: Array

    @property
    def covered(self) -> NDArray[np.int64]:
        """Positions of the rows that are predicted, ascending."""
        return np.flatnonzero(~np.isnan(self.predictions))


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
    folds = (job.folds or ALONG_TIME).of(rows, classes=job.task == "classification")
    predictions = np.full(rows.count, np.nan)
    for i, fold in enumerate(folds):
        predictions[fold.test] = _predicted(job, rows, fold, params, name, f"{stem}-{i}")
    return OutOfFold(folds, predictions)


def _predicted(job: Job, rows: Rows, fold: Fold, params: Params, name: str, stem: str) -> Array:
    """What the fold's model says of its other rows, (test,)."""
    # Rows by their positions: a work's rows are those of one snapshot.
    dealt = hashlib.sha256(fold.train.tobytes() + b"|" + fold.test.tobytes()).hexdigest()
    facts = f"{name} {params.model_dump_json()} {job.rounds} {dict(job.member_rounds)} {rows.count} {dealt}"
    known = kept.Kept(job.checkpoints, stem, facts)
    if (found := _read(known.file, len(fold.test))) is not None:
        return found

    def asks(done: int, of: int, _: dict[str, float]) -> bool | None:
        return job.report(done, of, {})  # a fold's losses are no part of the model's curve

    inner = within(replace(job, train=at(rows, fold.train), report=asks), stem)
    said = family(name).fit(inner, params, name).predict(rows.frame.iloc[fold.test])
    known.keep_now(lambda path: _write(path, said))
    return said


def within(job: Job, name: str) -> Job:
    """The same work with a folder of its own for checkpoints, so that fits within a fit do not meet."""
    if job.checkpoints is None:
        return job
    folder = job.checkpoints / name
    folder.mkdir(parents=True, exist_ok=True)
    return replace(job, checkpoints=folder)


def _write(path: Path, said: Array) -> None:
    with path.open("wb") as file:
        np.save(file, said, allow_pickle=False)


def _read(file: Path | None, count: int) -> Array | None:
    """Predictions that were kept; None where there are none, or none that can be read."""
    if file is None:
        return None
    try:
        said = np.load(file, allow_pickle=False)
    except (OSError, ValueError, EOFError):
        return None
    return np.asarray(said, dtype=np.float64) if said.shape == (count,) else None
