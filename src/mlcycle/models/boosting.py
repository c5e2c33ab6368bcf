"""Gradient-boosted trees: scikit-learn's histogram boosting, kept with skops instead of pickle."""

from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from pydantic import Field

from mlcycle.domain.metrics import Array
from mlcycle.domain.quantiles import word
from mlcycle.errors import IntegrityError
from mlcycle.models import skops_file
from mlcycle.models.base import Card, Job, Model, Params, Report
from mlcycle.models.boosting_rounds import Together, Told
from mlcycle.models.classes import of_estimator
from mlcycle.models.encoder import Encoder
from mlcycle.models.kept import Kept
from mlcycle.models.matrix import in_chunks, matrix
from mlcycle.models.quantile_models import QuantileModel
from mlcycle.models.text_column import FACTORS

WEIGHTS: Final = "model.skops"
#: After so many a fit keeps its state: scikit-learn bins the rows anew to go on.
ROUNDS: Final = 100

#: All that a file may hold beside numbers and text; a file with any other type is refused unread.
TRUSTED: Final = (
    "functools.partial",  # of check_array, inside the estimator's own preprocessing
    "sklearn.ensemble._hist_gradient_boosting.predictor.TreePredictor",
    "sklearn.utils.validation.check_array",
)


class BoostingParams(Params):
    """Parameters of scikit-learn's estimator under their own names.

    ``early_stopping`` stops once the loss on the later validation rows has not improved for
    ``patience`` rounds; scikit-learn's own default would hold out random rows instead.
    """

    learning_rate: float = Field(0.1, gt=0, le=1)
    max_iter: int = Field(100, ge=1, le=10_000)
    max_leaf_nodes: int = Field(31, ge=2, le=10_000)
    max_depth: int | None = Field(None, ge=1, le=100)
    min_samples_leaf: int = Field(20, ge=1)
    l2_regularization: float = Field(0.0, ge=0)
    max_features: float = Field(1.0, gt=0, le=1)
    max_bins: int = Field(255, ge=2, le=255)
    early_stopping: bool = False
    patience: int = Field(10, ge=1)


class Boosting(QuantileModel):
    """``HistGradientBoostingClassifier`` or ``...Regressor``; missing numbers are a branch of their own.

    Of quantiles it is a regressor for each level.
    """

    Parameters = BoostingParams
    libraries = ("numpy", "pandas", "scikit-learn", "skops")
    many_classes = True

    def __init__(self, card: Card, estimators: list[Any]) -> None:
        super().__init__(card)
        self._estimators = estimators  # one, or one for each level of the card's quantiles

    @property
    def _estimator(self) -> Any:
        return self._estimators[0]

    @classmethod
    def fit(cls, job: Job, params: BoostingParams, name: str) -> Self:
        """Fit ``ROUNDS`` at a time, going on from the trees there are; each round is reported as it ends.

        What comes out is what one fit of all rounds makes, also where a dead attempt left some of them.
        Of quantiles each level is a fit of its own; their rounds are reported once all have ended.
        """
        train, validation = job.train.whole(), job.validation.whole()
        encoder = Encoder.fit(
            train.frame, job.categorical, job.numeric, job.text, limit=params.max_bins - 1, factors=FACTORS
        )
        # scikit-learn refuses validation rows of a class that no training row has, as a fold may lack one.
        known = np.isin(validation.labels, train.labels) | (not job.kind.many)
        learnt = (matrix(encoder, train.frame), _target(job, train.labels), train.weights)
        later = {
            "X_val": matrix(encoder, validation.frame)[known],
            "y_val": _target(job, validation.labels[known]),
            "sample_weight_val": None if validation.weights is None else validation.weights[known],
        }
        if not job.quantiles:
            grown = _grown(job, params, learnt, later, job.report)
            return cls(Card.of(job, name, params, encoder, cls.libraries, int(grown.n_iter_)), [grown])
        together = Together(job.report)
        estimators = [
            _grown(job, params, learnt, later, together.of(at, len(job.quantiles)), level)
            for at, level in enumerate(job.quantiles)
        ]
        together.tell()
        rounds = {
            word(level): int(each.n_iter_) for level, each in zip(job.quantiles, estimators, strict=True)
        }
        card = Card.of(job, name, params, encoder, cls.libraries, max(rounds.values()), rounds)
        return cls(card, estimators)

    @classmethod
    def start_problem(cls, job: Job, params: BoostingParams, start: Model) -> str:
        """It cannot: scikit-learn's warm start is for the same rows."""
        return "scikit-learn numbers categories anew in each fit; family lightgbm can go on"

    def predict(self, frame: Any) -> Array:
        """Probability of the positive class, those of all classes, or the value."""
        if not len(frame):  # scikit-learn refuses to predict nothing
            return self.nothing
        if self.card.quantiles:
            return self.median(frame)
        return in_chunks(frame, self._predict)

    def _predict(self, frame: Any) -> Array:
        rows = matrix(self.card.encoder, frame)
        if not self.card.kind.classifies:
            return np.asarray(self._estimator.predict(rows), dtype=np.float64)
        said, seen = self._estimator.predict_proba(rows), self._estimator.classes_
        return of_estimator(self.card.kind.many, said, seen, len(self.card.classes))

    def raw(self, frame: Any) -> Array:
        """(n, q), a model a level."""
        if not len(frame):
            return np.empty((0, len(self.card.quantiles)))
        return in_chunks(frame, self._raw)

    def _raw(self, frame: Any) -> Array:
        rows = matrix(self.card.encoder, frame)
        return np.stack([np.asarray(each.predict(rows), np.float64) for each in self._estimators], axis=1)

    def write(self, folder: Path) -> None:
        """Write the trees; of quantiles a file for each level."""
        for file, estimator in zip(_files(self.card), self._estimators, strict=True):
            skops_file.write(estimator, folder / file)

    @classmethod
    def read(cls, folder: Path, card: Card) -> Self:
        """Read the trees; a file that holds any type out of ``TRUSTED`` is refused."""
        return cls(card, [skops_file.read(folder / file, TRUSTED, "boosting") for file in _files(card)])


def _files(card: Card) -> list[str]:
    return [f"quantile_{word(level)}.skops" for level in card.quantiles] or [WEIGHTS]


def _grown(
    job: Job,
    params: BoostingParams,
    learnt: tuple[Any, ...],
    later: dict[str, Any],
    report: Report,
    level: float = 0,
) -> Any:
    """An estimator with all its rounds; ``level`` of the quantile that it is to say, 0: none."""
    from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
    from threadpoolctl import threadpool_limits

    options = params.model_dump(exclude={"seed", "early_stopping", "patience"})
    stops = params.early_stopping and job.rounds is None
    last = (job.member_rounds.get(word(level)) if level else 0) or job.rounds or params.max_iter
    options["max_iter"] = last
    if level:
        options |= {"loss": "quantile", "quantile": level}
    classifies = job.kind.classifies
    kind = HistGradientBoostingClassifier if classifies else HistGradientBoostingRegressor
    estimator = kind(
        **options,
        categorical_features=list(range(len(job.categorical))),
        random_state=params.seed,
        # With early stopping on, scikit-learn measures both losses after each round. A patience
        # as long as the fit never stops it.
        early_stopping=True,
        n_iter_no_change=params.patience if stops else last,
        warm_start=True,
    )
    facts = f"{params.model_dump_json()} {len(learnt[1])} {job.rounds}" + (
        f" {level} {last}" if level else ""
    )
    kept = Kept(job.checkpoints, "boosting", facts)
    estimator = _resumed(kept) or estimator
    done = int(getattr(estimator, "n_iter_", 0))
    unit = 1 if classifies or level else 2  # scikit-learn scores half the squared error
    told = Told(report, last, unit, stops)
    told.all_of(estimator)
    while done < last and not told.stop:
        estimator.max_iter = aim = min(done + ROUNDS, last)
        with threadpool_limits(limits=job.threads), told.as_they_end(estimator):
            estimator.fit(*learnt, **later)
        done = int(estimator.n_iter_)
        told.all_of(estimator)
        if done < aim:  # by early stopping
            break
        if done < last and not told.stop:
            kept.keep(lambda path: skops_file.write(estimator, path))
    if level and done == last:  # a retry begins with the next level
        kept.keep(lambda path: skops_file.write(estimator, path))
    return estimator


def _resumed(kept: Kept) -> Any:
    """The estimator that a dead attempt left; None where it left none, or one that cannot be read."""
    if kept.file is None:
        return None
    try:
        return skops_file.read(kept.file, TRUSTED, "boosting")
    except IntegrityError:
        return None  # a fit from the seed ends the same, only later


def _target(job: Job, labels: Array) -> Any:
    return labels.astype(np.int64) if job.kind.classifies else labels
