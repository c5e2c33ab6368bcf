"""Linear models, kept as a page of JSON that a person can read: logistic regression, or ridge regression.

D. Cox, "The Regression Analysis of Binary Sequences", J. R. Statist. Soc. B 20, 1958; A. Hoerl and
R. Kennard, "Ridge Regression: Biased Estimation for Nonorthogonal Problems", Technometrics 12, 1970.
"""

import json
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mlcycle.domain.metrics import Array
from mlcycle.errors import IntegrityError
from mlcycle.models.base import Card, Job, Model, Params, curve_loss
from mlcycle.models.encoder import Encoder

COEFFICIENTS: Final = "coefficients.json"


class LinearParams(Params):
    """``l2``: weight of the squared coefficients beside the sum of the rows' losses.

    ``limit``: the most categories of a column; ``rare``: those of fewer training rows count as never seen.
    ``seed`` changes nothing.
    """

    l2: float = Field(1.0, gt=0, allow_inf_nan=False)
    max_iter: int = Field(500, ge=1, le=100_000)
    limit: int = Field(1000, ge=1, le=100_000)
    rare: int = Field(20, ge=1)


class _Coefficients(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    intercept: float
    categories: dict[str, list[float]]  # column -> of never seen or missing, then of each category in order
    numbers: list[float]  # of each standardised number, then of each flag that says a number is missing


class Linear(Model):
    """Intercept, a number for each category, one for each standardised number."""

    Parameters = LinearParams
    libraries = ("numpy", "pandas")

    def __init__(self, card: Card, coefficients: _Coefficients) -> None:
        super().__init__(card)
        self._coefficients = coefficients
        self._tables = [np.array(table) for table in coefficients.categories.values()]
        self._numbers = np.array(coefficients.numbers, dtype=np.float64)

    @classmethod
    def fit(cls, job: Job, params: LinearParams, name: str) -> Self:
        """Fit in one call; there is one round."""
        from sklearn.linear_model import LogisticRegression, Ridge
        from threadpoolctl import threadpool_limits

        train = job.train.whole()
        encoder = Encoder.fit(train.frame, job.categorical, job.numeric, limit=params.limit, rare=params.rare)
        rows = _one_hot(encoder, train.frame)
        estimator: Any
        if job.kind.classifies:
            estimator = LogisticRegression(C=1 / params.l2, max_iter=params.max_iter)
        else:
            estimator = Ridge(params.l2, max_iter=params.max_iter, tol=1e-8, solver="sparse_cg")
        with threadpool_limits(limits=job.threads):
            estimator.fit(rows, train.labels, sample_weight=train.weights)
        found = np.ravel(estimator.coef_).tolist()
        categories = {}
        for column, known in encoder.categories.items():
            categories[column], found = found[: len(known) + 1], found[len(known) + 1 :]
        coefficients = _Coefficients(
            intercept=float(np.ravel(estimator.intercept_)[0]), categories=categories, numbers=found
        )
        model = cls(Card.of(job, name, params, encoder, (*cls.libraries, "scikit-learn")), coefficients)
        job.report(
            1,
            1,
            {
                f"{part}_loss": curve_loss(job.task, seen.labels, model.predict(seen.frame))
                for part, seen in (("train", train), ("validation", job.validation.whole()))
            },
        )
        return model

    def predict(self, frame: Any) -> Array:
        """Probability of the positive class, or the value."""
        encoder = self.card.encoder
        codes = encoder.codes(frame)
        found = encoder.standardised(frame).astype(np.float64) @ self._numbers + self._coefficients.intercept
        for i, table in enumerate(self._tables):
            found += table[codes[:, i]]
        if self.card.kind.classifies:
            found = 0.5 * (1 + np.tanh(found / 2))  # the logistic function, which overflows nowhere
        return np.asarray(found, dtype=np.float64)

    def write(self, folder: Path) -> None:
        """Write the coefficients with the names of what they belong to."""
        encoder, numbers = self.card.encoder, self._coefficients.numbers
        flagged = [name for name, flag in zip(encoder.numeric, encoder.flagged, strict=True) if flag]
        names = [*encoder.numeric, *(f"{name} is missing" for name in flagged)]
        table = {
            "intercept": self._coefficients.intercept,
            "categories": {
                column: [
                    [None, values[0]],
                    *map(list, zip(encoder.categories[column], values[1:], strict=True)),
                ]
                for column, values in self._coefficients.categories.items()
            },
            "numbers": [list(pair) for pair in zip(names, numbers, strict=True)],
        }
        (folder / COEFFICIENTS).write_text(json.dumps(table, indent=0), encoding="utf-8")

    @classmethod
    def read(cls, folder: Path, card: Card) -> Self:
        """Read the coefficients, which must be of the card's columns and categories."""
        path = folder / COEFFICIENTS
        try:
            table = json.loads(path.read_text(encoding="utf-8"))
            found = _Coefficients(
                intercept=table["intercept"],
                categories={
                    column: [value for _, value in pairs] for column, pairs in table["categories"].items()
                },
                numbers=[value for _, value in table["numbers"]],
            )
            known = {column: len(values) + 1 for column, values in card.encoder.categories.items()}
            if {column: len(values) for column, values in found.categories.items()} != known:
                raise ValueError("its categories are not the card's")
            if len(found.numbers) != card.encoder.width:
                raise ValueError(f"it has {len(found.numbers)} numbers, the card {card.encoder.width}")
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            raise IntegrityError(f"{path} is not a linear model: {first['msg']}") from None
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise IntegrityError(f"{path} is not a linear model: {error}") from None
        return cls(card, found)


def _one_hot(encoder: Encoder, frame: Any) -> Any:
    """Sparse (n, categories and never seen of each, standardised), in the order of the coefficients."""
    from scipy import sparse

    codes = encoder.codes(frame)
    parts = []
    for i, known in enumerate(encoder.categories.values()):
        at = (np.arange(len(codes)), codes[:, i])
        parts.append(sparse.csr_matrix((np.ones(len(codes)), at), shape=(len(codes), len(known) + 1)))
    numbers = sparse.csr_matrix(encoder.standardised(frame), dtype=np.float64)
    return sparse.hstack([*parts, numbers], format="csr")
