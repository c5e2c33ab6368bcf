"""Linear models, kept as a page of JSON that a person can read: logistic, ridge or quantile regression.

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
from mlcycle.models import linear_quantiles
from mlcycle.models.base import Card, Job, Params, curve_loss
from mlcycle.models.classes import softmax
from mlcycle.models.encoder import Encoder
from mlcycle.models.matrix import in_chunks
from mlcycle.models.one_hot import one_hot
from mlcycle.models.quantile_models import QuantileModel, said

COEFFICIENTS: Final = "coefficients.json"
#: The score of a class that no training row has: next to nought, and a number that JSON knows.
UNSEEN: Final = -60.0


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
    """Of a number, of one of its quantiles, of the log odds of two classes, or of one class's score."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    intercept: float
    categories: dict[str, list[float]]  # column -> of never seen or missing, then of each category in order
    numbers: list[float]  # of each standardised number, then of each flag that says a number is missing
    texts: dict[str, list[float]] = {}  # column -> of each bucket of its words and pairs


class Linear(QuantileModel):
    """Intercept, a number for each category, one for each standardised number, one for each bucket of words.

    Each of many classes has its own, and each quantile (``linear_quantiles``).
    """

    Parameters = LinearParams
    libraries = ("numpy", "pandas")
    many_classes = True

    def __init__(self, card: Card, coefficients: list[_Coefficients]) -> None:
        super().__init__(card)
        self._coefficients = coefficients  # one, or one for each of many classes or quantiles

    @classmethod
    def fit(cls, job: Job, params: LinearParams, name: str) -> Self:
        """Fit in one call; there is one round."""
        from sklearn.linear_model import LogisticRegression, Ridge
        from threadpoolctl import threadpool_limits

        train = job.train.whole()
        encoder = Encoder.fit(
            train.frame, job.categorical, job.numeric, job.text, limit=params.limit, rare=params.rare
        )
        rows = one_hot(encoder, train.frame)
        estimator: Any = None
        if job.kind.classifies:
            estimator = LogisticRegression(C=1 / params.l2, max_iter=params.max_iter)
        elif not job.quantiles:
            estimator = Ridge(params.l2, max_iter=params.max_iter, tol=1e-8, solver="sparse_cg")
        with threadpool_limits(limits=job.threads):
            if estimator is None:
                how: dict[str, Any] = {"l2": params.l2, "max_iter": params.max_iter}
                found, intercepts = linear_quantiles.fit(
                    rows, train.labels, train.weights, job.quantiles, **how
                )
            else:
                estimator.fit(rows, train.labels, sample_weight=train.weights)
                found, intercepts = np.atleast_2d(estimator.coef_), np.atleast_1d(estimator.intercept_)
        if job.kind.many:
            found, intercepts = _of_all(found, intercepts, estimator.classes_, len(job.classes))
        coefficients = [_of_columns(encoder, *pair) for pair in zip(found, intercepts, strict=True)]
        model = cls(Card.of(job, name, params, encoder, (*cls.libraries, "scikit-learn")), coefficients)
        job.report(
            1,
            1,
            {
                f"{part}_loss": curve_loss(job.task, seen.labels, said(model, seen.frame, job.quantiles))
                for part, seen in (("train", train), ("validation", job.validation.whole()))
            },
        )
        return model

    def predict(self, frame: Any) -> Array:
        """Probability of the positive class, those of all classes, or the value."""
        if self.card.quantiles:
            return self.median(frame)
        return in_chunks(frame, self._predict)

    def _predict(self, frame: Any) -> Array:
        scores = self._scores(frame)
        if self.card.kind.many:
            return softmax(np.stack(scores, axis=1))
        (found,) = scores
        if self.card.kind.classifies:
            found = 0.5 * (1 + np.tanh(found / 2))  # the logistic function, which overflows nowhere
        return np.asarray(found, dtype=np.float64)

    def raw(self, frame: Any) -> Array:
        """(n, q), coefficients of each level."""
        return in_chunks(frame, lambda rows: np.stack(self._scores(rows), axis=1))

    def _scores(self, frame: Any) -> list[Array]:
        """(n,) of each of the coefficients."""
        encoder = self.card.encoder
        codes, numbers = encoder.codes(frame), encoder.standardised(frame).astype(np.float64)
        bags = encoder.bags(frame) if encoder.texts else None
        return [_score(each, codes, numbers, bags) for each in self._coefficients]

    @property
    def requires(self) -> tuple[str, ...]:
        """Bags of words are scipy's."""
        return (*self.libraries, "scipy") if self.card.encoder.texts else self.libraries

    def write(self, folder: Path) -> None:
        """Write the coefficients with the names of what they belong to."""
        tables = [_named(self.card.encoder, each) for each in self._coefficients]
        table: Any = tables[0]
        if self.card.kind.many:
            table = {"classes": dict(zip(self.card.classes, tables, strict=True))}
        if self.card.quantiles:
            table = {"quantiles": dict(zip(map(str, self.card.quantiles), tables, strict=True))}
        (folder / COEFFICIENTS).write_text(json.dumps(table, indent=0), encoding="utf-8")

    @classmethod
    def read(cls, folder: Path, card: Card) -> Self:
        """Read the coefficients, which must be of the card's columns and categories."""
        path = folder / COEFFICIENTS
        try:
            table = json.loads(path.read_text(encoding="utf-8"))
            if card.kind.many and list(table["classes"]) != card.classes:
                raise ValueError("its classes are not the card's")
            if card.quantiles and list(table["quantiles"]) != list(map(str, card.quantiles)):
                raise ValueError("its quantiles are not the card's")
            several = "classes" if card.kind.many else "quantiles" if card.quantiles else ""
            tables = list(table[several].values()) if several else [table]
            found = [_parsed(each, card.encoder) for each in tables]
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            raise IntegrityError(f"{path} is not a linear model: {first['msg']}") from None
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise IntegrityError(f"{path} is not a linear model: {error}") from None
        return cls(card, found)


def _of_all(found: Any, intercepts: Any, seen: Any, count: int) -> tuple[Array, Array]:
    """Coefficients (count, p) and intercepts (count,) out of those of the classes ``seen`` in training."""
    if len(found) == 1:  # of two classes scikit-learn has the second's alone
        found, intercepts = np.vstack([np.zeros_like(found), found]), np.append(0.0, intercepts)
    rows, starts = np.zeros((count, found.shape[1])), np.full(count, UNSEEN)
    rows[seen.astype(np.int64)], starts[seen.astype(np.int64)] = found, intercepts
    return rows, starts


def _of_columns(encoder: Encoder, found: Array, intercept: float) -> _Coefficients:
    """Coefficients (p,) as those of the encoder's columns."""
    left, categories = found.tolist(), {}
    for column, known in encoder.categories.items():
        categories[column], left = left[: len(known) + 1], left[len(known) + 1 :]
    texts = {}
    for column, learnt in reversed(encoder.texts.items()):
        texts[column], left = left[-learnt.buckets :], left[: -learnt.buckets]
    return _Coefficients(
        intercept=float(intercept), categories=categories, numbers=left, texts=dict(reversed(texts.items()))
    )


def _score(coefficients: _Coefficients, codes: Any, numbers: Array, bags: Any) -> Array:
    """(n,) of rows' codes (n, categorical), standardised numbers (n, width), bags of words (n, buckets)."""
    found: Array = numbers @ np.array(coefficients.numbers, dtype=np.float64) + coefficients.intercept
    for i, table in enumerate(coefficients.categories.values()):
        found += np.array(table)[codes[:, i]]
    if bags is not None:
        found += bags @ np.concatenate([np.array(each) for each in coefficients.texts.values()])
    return found


def _named(encoder: Encoder, coefficients: _Coefficients) -> dict[str, Any]:
    """Coefficients beside the names of what they belong to."""
    flagged = [name for name, flag in zip(encoder.numeric, encoder.flagged, strict=True) if flag]
    names = [*encoder.numeric, *(f"{name} is missing" for name in flagged)]
    return {
        "intercept": coefficients.intercept,
        "categories": {
            column: [
                [None, values[0]],
                *map(list, zip(encoder.categories[column], values[1:], strict=True)),
            ]
            for column, values in coefficients.categories.items()
        },
        "numbers": [list(pair) for pair in zip(names, coefficients.numbers, strict=True)],
        **(
            {"texts": {column: _there(values) for column, values in coefficients.texts.items()}}
            if encoder.texts
            else {}
        ),
    }


def _there(values: list[float]) -> dict[int, float]:
    """Those of buckets that a word of the training has."""
    return {bucket: value for bucket, value in enumerate(values) if value}


def _all(said: dict[str, float], buckets: int) -> list[float]:
    """What ``_there`` left of values (buckets,)."""
    found = [0.0] * buckets
    for bucket, value in said.items():
        if not 0 <= int(bucket) < buckets:
            raise ValueError(f"a text has no bucket {bucket}")
        found[int(bucket)] = value
    return found


def _parsed(table: Any, encoder: Encoder) -> _Coefficients:
    """What ``_named`` made. Raises ValueError, KeyError, TypeError for anything else."""
    found = _Coefficients(
        intercept=table["intercept"],
        categories={column: [value for _, value in pairs] for column, pairs in table["categories"].items()},
        numbers=[value for _, value in table["numbers"]],
        texts={
            column: _all(table["texts"][column], learnt.buckets) for column, learnt in encoder.texts.items()
        },
    )
    known = {column: len(values) + 1 for column, values in encoder.categories.items()}
    if {column: len(values) for column, values in found.categories.items()} != known:
        raise ValueError("its categories are not the card's")
    if len(found.numbers) != encoder.width:
        raise ValueError(f"it has {len(found.numbers)} numbers, the card {encoder.width}")
    return found
