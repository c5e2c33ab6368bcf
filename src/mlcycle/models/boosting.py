"""Gradient-boosted trees: scikit-learn's histogram boosting, kept with skops instead of pickle."""

from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from pydantic import Field

from mlcycle.domain.metrics import Array
from mlcycle.errors import IntegrityError
from mlcycle.models.base import Card, Job, Model, Params
from mlcycle.models.encoder import Encoder

WEIGHTS: Final = "model.skops"

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


class Boosting(Model):
    """``HistGradientBoostingClassifier`` or ``...Regressor``; missing numbers are a branch of their own."""

    Parameters = BoostingParams
    libraries = ("numpy", "pandas", "scikit-learn", "skops")

    def __init__(self, card: Card, estimator: Any) -> None:
        super().__init__(card)
        self._estimator = estimator

    @classmethod
    def fit(cls, job: Job, params: BoostingParams, name: str) -> Self:
        """Fit all rounds in one call; the losses of each round are reported after it."""
        from sklearn.ensemble import HistGradientBoostingClassifier, HistGradientBoostingRegressor
        from threadpoolctl import threadpool_limits

        train, validation = job.train.whole(), job.validation.whole()
        encoder = Encoder.fit(train.frame, job.categorical, job.numeric, limit=params.max_bins - 1)
        options = params.model_dump(exclude={"seed", "early_stopping", "patience"})
        stops = params.early_stopping and job.rounds is None
        options["max_iter"] = job.rounds or params.max_iter
        classifies = job.task == "classification"
        kind = HistGradientBoostingClassifier if classifies else HistGradientBoostingRegressor
        estimator = kind(
            **options,
            categorical_features=list(range(len(job.categorical))),
            random_state=params.seed,
            # With early stopping on, scikit-learn measures both losses after each round. A patience
            # as long as the fit never stops it.
            early_stopping=True,
            n_iter_no_change=params.patience if stops else options["max_iter"],
        )
        with threadpool_limits(limits=job.threads):
            estimator.fit(
                _matrix(encoder, train.frame),
                _target(job, train.labels),
                train.weights,
                X_val=_matrix(encoder, validation.frame),
                y_val=_target(job, validation.labels),
                sample_weight_val=validation.weights,
            )
        unit = 1 if classifies else 2  # scikit-learn scores half the squared error
        curve = zip(estimator.train_score_[1:], estimator.validation_score_[1:], strict=True)
        for done, (learnt, later) in enumerate(curve, start=1):
            losses = {"train_loss": -unit * float(learnt), "validation_loss": -unit * float(later)}
            job.report(done, estimator.n_iter_, losses)
        card = Card.of(job, name, params, encoder, cls.libraries, int(estimator.n_iter_))
        return cls(card, estimator)

    def predict(self, frame: Any) -> Array:
        """Probability of the positive class, or the value."""
        if not len(frame):  # scikit-learn refuses to predict nothing
            return np.empty(0)
        matrix = _matrix(self.card.encoder, frame)
        if self.card.task == "classification":
            predictions: Array = self._estimator.predict_proba(matrix)[:, 1]
        else:
            predictions = self._estimator.predict(matrix)
        return np.asarray(predictions, dtype=np.float64)

    def write(self, folder: Path) -> None:
        """Write the trees."""
        import skops.io

        skops.io.dump(self._estimator, folder / WEIGHTS)

    @classmethod
    def read(cls, folder: Path, card: Card) -> Self:
        """Read the trees; a file that holds any type out of ``TRUSTED`` is refused."""
        import skops.io

        path = folder / WEIGHTS
        try:
            foreign = set(skops.io.get_untrusted_types(file=path)) - set(TRUSTED)
            if foreign:
                raise IntegrityError(
                    f"{path} holds {', '.join(sorted(foreign))}, which no boosting model has"
                )
            return cls(card, skops.io.load(path, trusted=list(TRUSTED)))
        except IntegrityError:
            raise
        except Exception as error:  # noqa: BLE001 - skops, zip and JSON each raise their own kinds for a broken file
            raise IntegrityError(f"{path} is not a boosting model: {error}") from None


def _matrix(encoder: Encoder, frame: Any) -> Array:
    """Codes first, then numbers: (n, categorical + numeric)."""
    return np.concatenate([encoder.codes(frame).astype(np.float64), encoder.numbers(frame)], axis=1)


def _target(job: Job, labels: Array) -> Any:
    return labels.astype(np.int64) if job.task == "classification" else labels
