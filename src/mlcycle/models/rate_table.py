"""The heuristic: the mean label of rows that look alike, drawn towards the mean of all where they are few.

Of quantiles it is those of the labels of rows that look alike, drawn to those of all in the same way.

It is what people do without learning, written down: a table that fits in a page of JSON.
"""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
from pydantic import Field

from mlcycle.domain.metrics import Array
from mlcycle.domain.quantiles import of_labels
from mlcycle.errors import ConfigError, IntegrityError
from mlcycle.models.base import Card, Job, Params, curve_loss
from mlcycle.models.classes import one_hot
from mlcycle.models.encoder import Encoder
from mlcycle.models.quantile_models import QuantileModel, said

RATES = "rates.json"


class RateTableParams(Params):
    """``by``: input columns that make rows alike. ``smoothing``: rows that the mean of all weighs."""

    by: list[str] = Field(min_length=1, max_length=8)
    smoothing: float = Field(20.0, ge=0)


class RateTable(QuantileModel):
    """Mean label by the values of some columns. A combination never seen gets the mean of all.

    Of many classes it is each one's share, of quantiles each one's value.
    """

    Parameters = RateTableParams
    libraries = ("numpy", "pandas")
    many_classes = True
    names_columns = True

    def __init__(self, card: Card, default: Any, keys: list[list[int]], rates: list[Any]) -> None:
        super().__init__(card)
        self._default = default
        self._keys = keys
        self._rates = np.array([*rates, default], dtype=np.float64)
        flat = self._flat(np.array(keys, dtype=np.int64).reshape(len(keys), len(card.encoder.categories)))
        self._order = np.argsort(flat)
        self._sorted = flat[self._order]

    @classmethod
    def fit(cls, job: Job, params: RateTableParams, name: str) -> Self:
        """Count once; there is one round."""
        for column in params.by:
            if column in job.text:
                raise ConfigError(
                    f"rate_table: by names {column!r}, a text: name inputs whose values come again"
                )
            if column not in [*job.categorical, *job.numeric]:
                raise ConfigError(f"rate_table: by names {column!r}, which is not among the project's inputs")
        train = job.train.whole()
        encoder = Encoder.fit(train.frame, params.by, [], limit=100_000, rare=1)
        keys, groups = np.unique(encoder.codes(train.frame), axis=0, return_inverse=True)
        groups = groups.reshape(-1)
        stands = np.ones(train.count) if train.weights is None else train.weights
        means = one_hot(train.labels, len(job.classes)) if job.kind.many else train.labels[:, None]
        default = np.average(means, axis=0, weights=stands)
        sums = np.stack([np.bincount(groups, weights=each * stands) for each in means.T], axis=1)
        counts = np.bincount(groups, stands)[:, None]
        rates = (sums + params.smoothing * default) / (counts + params.smoothing)
        if job.quantiles:
            default = of_labels(train.labels, job.quantiles, train.weights)
            own = _by_group(train.labels, groups, stands, job.quantiles)
            rates = (counts * own + params.smoothing * default) / (counts + params.smoothing)
        elif not job.kind.many:
            default, rates = default[0], rates[:, 0]
        card = Card.of(job, name, params, encoder, cls.libraries)
        model = cls(card, default.tolist(), keys.tolist(), rates.tolist())
        job.report(
            1,
            1,
            {
                f"{part}_loss": curve_loss(job.task, rows.labels, said(model, rows.frame, job.quantiles))
                for part, rows in (("train", train), ("validation", job.validation.whole()))
            },
        )
        return model

    def predict(self, frame: Any) -> Array:
        """Look each row's combination up."""
        return self.median(frame) if self.card.quantiles else self._looked_up(frame)

    def raw(self, frame: Any) -> Array:
        """(n, q)."""
        return self._looked_up(frame)

    def _looked_up(self, frame: Any) -> Array:
        flat = self._flat(self.card.encoder.codes(frame))
        at = np.minimum(np.searchsorted(self._sorted, flat), max(len(self._sorted) - 1, 0))
        found = np.where(self._sorted[at] == flat, self._order[at], -1)
        predictions: Array = self._rates[found]
        return predictions

    def write(self, folder: Path) -> None:
        """Write the table with its categories' names, for people."""
        names = list(self.card.encoder.categories.values())
        rows = [
            [[known[code - 1] if code else None for known, code in zip(names, key, strict=True)], rate]
            for key, rate in zip(self._keys, self._rates[:-1].tolist(), strict=True)
        ]
        table = {"by": list(self.card.encoder.categories), "default": self._default, "rates": rows}
        (folder / RATES).write_text(json.dumps(table, indent=0), encoding="utf-8")

    @classmethod
    def read(cls, folder: Path, card: Card) -> Self:
        """Read the table."""
        try:
            table = json.loads((folder / RATES).read_text(encoding="utf-8"))
            codes = [
                {text: code for code, text in enumerate(known, start=1)}
                for known in card.encoder.categories.values()
            ]
            keys = [
                [0 if text is None else known[text] for known, text in zip(codes, key, strict=True)]
                for key, _ in table["rates"]
            ]
            default, rates = table["default"], [rate for _, rate in table["rates"]]
            shape = (
                len(rates) + 1,
                *(() if (width := len(card.classes) or len(card.quantiles)) == 0 else (width,)),
            )
            if np.array([*rates, default], dtype=np.float64).shape != shape:
                raise ValueError("its rates are not of the card's classes or quantiles")
            return cls(card, default, keys, rates)
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise IntegrityError(f"{folder / RATES} is not a rate table: {error}") from None

    def _flat(self, codes: Any) -> Any:
        """One number for each combination of codes (n, by)."""
        shape = [len(known) + 1 for known in self.card.encoder.categories.values()]
        return np.ravel_multi_index(tuple(codes.T), shape) if len(codes) else np.zeros(0, np.int64)


def _by_group(labels: Array, groups: Any, weights: Array, levels: Sequence[float]) -> Array:
    """(groups, q) quantiles of the labels (n,) of each group: sorted once, each found by its share of weight.

    The same as ``domain.quantiles.of_labels`` says of each group alone.
    """
    order = np.lexsort((labels, groups))
    ranked, there = labels[order], groups[order]
    starts = np.flatnonzero(np.append(True, there[1:] != there[:-1]))
    ends = np.append(starts[1:], len(there))
    found = np.empty((len(starts), len(levels)))
    for at, (start, end) in enumerate(zip(starts, ends, strict=True)):
        reached = np.cumsum(weights[order[start:end]])
        wanted = np.array(levels) * reached[-1] * (1 - 1e-12)
        found[at] = ranked[start:end][np.searchsorted(reached, wanted)]
    return found
