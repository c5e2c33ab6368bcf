"""Random forests: scikit-learn's, kept with skops instead of pickle.

L. Breiman, "Random Forests", Machine Learning 45, 2001.
"""

from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from pydantic import Field

from mlcycle.domain.metrics import Array
from mlcycle.domain.tasks import task_of
from mlcycle.errors import IntegrityError
from mlcycle.models import skops_file
from mlcycle.models.base import Card, Job, Model, Params, curve_loss
from mlcycle.models.classes import of_estimator
from mlcycle.models.encoder import Encoder
from mlcycle.models.kept import Kept
from mlcycle.models.matrix import in_chunks, matrix
from mlcycle.models.text_column import FACTORS

WEIGHTS: Final = "model.skops"
TREES: Final = 10  # grown between two looks at the losses
CURVE_ROWS: Final = 20_000  # training rows whose loss is shown

#: All that a file may hold beside what skops trusts by itself.
TRUSTED: Final = ("sklearn.tree._tree.Tree",)


class RandomForestParams(Params):
    """Parameters of scikit-learn's estimator under their own names; ``max_samples`` is a share of the rows.

    ``min_samples_leaf`` above scikit-learn's 1: leaves of one row say 0 or 1, and the file is a hundred times
    as large.
    """

    n_estimators: int = Field(100, ge=1, le=10_000)
    max_depth: int | None = Field(None, ge=1, le=100)
    min_samples_leaf: int = Field(50, ge=1)
    max_features: float = Field(0.4, gt=0, le=1)
    max_samples: float = Field(1.0, gt=0, le=1)


class RandomForest(Model):
    """``RandomForestClassifier`` or ``...Regressor``; a missing number goes to the side where it fits."""

    Parameters = RandomForestParams
    libraries = ("numpy", "pandas", "scikit-learn", "skops")
    many_classes = True

    def __init__(self, card: Card, estimator: Any) -> None:
        super().__init__(card)
        # With more threads scikit-learn adds the trees up in the order in which they are done.
        self._estimator = estimator.set_params(n_jobs=1)

    @classmethod
    def fit(cls, job: Job, params: RandomForestParams, name: str) -> Self:
        """Grow ``TREES`` at a time; the losses are those of all trees there are."""
        from sklearn.ensemble import RandomForestClassifier, RandomForestRegressor

        train, validation = job.train.whole(), job.validation.whole()
        encoder = Encoder.fit(train.frame, job.categorical, job.numeric, job.text, factors=FACTORS)
        classifies = job.kind.classifies
        kind = RandomForestClassifier if classifies else RandomForestRegressor
        last = job.rounds or params.n_estimators
        facts = f"{params.model_dump_json()} {train.count} {job.rounds}"
        kept = Kept(job.checkpoints, "forest", facts)
        options = params.model_dump(exclude={"seed", "n_estimators"})
        estimator = _resumed(kept) or kind(**options, random_state=params.seed, warm_start=True)
        rows, labels = matrix(encoder, train.frame, np.float32), train.labels  # as the trees hold them
        shown = np.linspace(0, train.count - 1, min(train.count, CURVE_ROWS)).astype(int)
        curves = {
            "train": _Curve(job, rows[shown], labels[shown]),
            "validation": _Curve(job, matrix(encoder, validation.frame, np.float32), validation.labels),
        }
        target = labels.astype(np.int64) if classifies else labels
        done = len(getattr(estimator, "estimators_", ()))
        while done < last:
            done = min(done + TREES, last)
            estimator.set_params(n_estimators=done, n_jobs=job.threads)
            estimator.fit(rows, target, train.weights)
            losses = {f"{part}_loss": curve.of(estimator) for part, curve in curves.items()}
            if job.report(done, last, losses):
                break
            kept.keep(lambda path: skops_file.write(estimator, path))
        return cls(Card.of(job, name, params, encoder, cls.libraries, done), estimator)

    def predict(self, frame: Any) -> Array:
        """Probability of the positive class, those of all, or the value: the mean over the trees."""
        if not len(frame):  # scikit-learn refuses to predict nothing
            return self.nothing
        return in_chunks(frame, self._predict)

    def _predict(self, frame: Any) -> Array:
        said = _said(self.card.task, self._estimator, matrix(self.card.encoder, frame, np.float32))
        if not self.card.kind.many:
            return said
        return of_estimator(True, said, self._estimator.classes_, len(self.card.classes))

    def write(self, folder: Path) -> None:
        """Write the trees."""
        skops_file.write(self._estimator, folder / WEIGHTS)

    @classmethod
    def read(cls, folder: Path, card: Card) -> Self:
        """Read the trees; a file that holds any type out of ``TRUSTED`` is refused."""
        found = skops_file.read(folder / WEIGHTS, TRUSTED, "random forest")
        if not hasattr(found, "estimators_"):
            raise IntegrityError(f"{folder / WEIGHTS} is not a random forest model: it has no trees")
        return cls(card, found)


class _Curve:
    """The loss on some rows as trees are added: each tree predicts them once."""

    def __init__(self, job: Job, rows: Array, labels: Array) -> None:
        self._task, self._labels = job.task, labels
        self._sum: Any
        self._rows = rows
        self._classes = len(job.classes)
        self._sum, self._trees = 0.0, 0

    def of(self, estimator: Any) -> float:
        for tree in estimator.estimators_[self._trees :]:
            self._sum = self._sum + _said(self._task, tree, self._rows)
        self._trees = len(estimator.estimators_)
        said = np.asarray(self._sum / self._trees)
        if self._classes:
            said = of_estimator(True, said, estimator.classes_, self._classes)
        return curve_loss(self._task, self._labels, said)


def _said(task: str, estimator: Any, rows: Any) -> Array:
    """As the task predicts; of many classes (n, seen in training)."""
    kind = task_of(task)
    found = estimator.predict_proba(rows) if kind.classifies else estimator.predict(rows)
    if kind.probabilities:
        found = found[:, 1]
    return np.asarray(found, dtype=np.float64)


def _resumed(kept: Kept) -> Any:
    if kept.file is None:
        return None
    try:
        return skops_file.read(kept.file, TRUSTED, "random forest")
    except IntegrityError:
        return None  # a fit from the seed ends the same, only later
