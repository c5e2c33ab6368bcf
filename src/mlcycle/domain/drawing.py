"""Rows drawn to learn from, the same ones for the same seed: at random, by stratum, by weight or by class.

A row's lot comes from its key, its time and the seed, so that it does not depend on the rows around it: a
longer history draws from its new rows and leaves the old ones as they were. Of ``rows`` those with the
smallest lots are kept, which is a reservoir (J. Vitter, ACM TOMS 11, 1985) that does not depend on their
order; with a weight those with the smallest lot divided by it, which is priority sampling (N. Duffield,
C. Lund, M. Thorup, Journal of the ACM 54, 2007).

Corrected, a drawn row weighs one over the chance that it had (D. Horvitz, D. Thompson, JASA 47, 1952): what a
fit minimises is then, on average over seeds, the loss of all rows, and probabilities are calibrated as if
nothing had been left out.
"""

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mlcycle.domain.metrics import Array
from mlcycle.domain.sampling import KEY, LABEL, TIME, Sampling
from mlcycle.errors import InputError

_ODD: Final = np.uint64(0x9E3779B97F4A7C15)

Words = NDArray[np.uint64]
Flags = NDArray[np.bool_]


@dataclass(frozen=True)
class Facts:
    """Of n rows: the rank, of which smaller ones are kept first, the stratum, the label, the weight."""

    ranks: Array
    strata: Words
    labels: Array
    weights: Array | None

    @classmethod
    def joined(cls, parts: "Sequence[Facts]") -> "Facts":
        """Of all parts' rows, but for their weights."""
        ranks, strata, labels = (
            np.concatenate([getattr(part, name) for part in parts]) for name in ("ranks", "strata", "labels")
        )
        return cls(ranks, strata, labels, None)

    def at(self, rows: Flags) -> "Facts":
        """Of some of the rows."""
        weights = None if self.weights is None else self.weights[rows]
        return Facts(self.ranks[rows], self.strata[rows], self.labels[rows], weights)


@dataclass(frozen=True)
class Drawn:
    """What was kept: by stratum the rank from which rows are left out, and the chance that a row had."""

    how: Sampling
    strata: Words
    limits: Array
    chances: Array
    rows: int = 0
    count: int = 0
    before: Mapping[float, int] = field(default_factory=dict)  # rows by label, where there are few labels
    after: Mapping[float, int] = field(default_factory=dict)
    digest: str = ""  # of the lots that were kept: the same rows have the same

    def told(self, classes: Sequence[str]) -> dict[str, Any]:
        """For people and JSON: how many rows of how many, by class where there are classes."""
        balance = {
            name: [self.after.get(number, 0), self.before.get(number, 0)]
            for number, name in enumerate(classes)
        }
        kept = [f"{name} {after:,} of {before:,}" for name, (after, before) in balance.items()]
        text = f"sample {self.digest[:12]}: {self.count:,} of {self.rows:,} rows"
        return {
            "text": f"{text} ({', '.join(kept)})" if kept else text,
            "digest": self.digest,
            "rows": [self.count, self.rows],
            "classes": balance,
            "corrected": self.how.correct,
        }

    def of(self, frame: Any) -> tuple[Flags, Array | None]:
        """Which rows of a frame are kept (n,), and what each of those weighs; None where that is one."""
        found = _facts(self.how, frame)
        kept = self.kept(found)
        return kept, 1 / self._chance(found.at(kept)) if self.how.correct else None

    def kept(self, found: Facts) -> Flags:
        """Which rows are kept (n,)."""
        by_lot = self.how.classes or (self.how.share and not self.how.strata)
        limit = self._chance(found) if by_lot else self.limits[self._places(found)]
        flags: Flags = found.ranks < limit
        return flags

    def _chance(self, found: Facts) -> Array:
        """The chance that each row had to be kept (n,)."""
        if self.how.classes:
            chance = np.ones(max([int(found.labels.max(initial=0)), *self.how.classes]) + 1)
            for each, share in self.how.classes.items():
                chance[each] = share
            return np.asarray(chance[found.labels.astype(np.int64)])
        if self.how.share and not self.how.strata:
            return np.full(len(found.ranks), self.how.share, np.float64)
        if found.weights is not None:
            return np.asarray(np.minimum(1.0, found.weights * self.limits[self._places(found)]))
        return np.asarray(self.chances[self._places(found)])

    def _places(self, found: Facts) -> Any:
        return np.searchsorted(self.strata, found.strata)


def draw(how: Sampling, parts: Iterable[Any]) -> "Drawn":
    """What is kept of all rows.

    Args:
        how: what is wanted.
        parts: frames with ``how.columns``, all rows once.

    Raises InputError for a weight that is none, and where no row is kept.
    """
    found = Facts.joined([_facts(how, frame) for frame in parts])
    drawn = Drawn(how, *_limits(how, found))
    kept = drawn.kept(found)
    if not kept.any():
        raise InputError(f"training.sample keeps none of {len(kept)} rows: ask for more")
    return replace(
        drawn,
        rows=len(kept),
        count=int(kept.sum()),
        before=_counted(found.labels),
        after=_counted(found.labels[kept]),
        digest=hashlib.sha256(np.sort(found.ranks[kept]).tobytes()).hexdigest(),
    )


def _limits(how: Sampling, found: "Facts") -> tuple[Words, Array, Array]:
    """Strata, the rank from which rows of each are left out, and the chance that a row of it has."""
    strata, at, counts = np.unique(found.strata, return_inverse=True, return_counts=True)
    limits, chances = np.full(len(strata), np.inf), np.ones(len(strata))
    if how.classes or (how.share and not how.strata):
        return strata, limits, chances  # by their lots alone
    order = np.lexsort((found.ranks, at))
    first = np.cumsum(counts) - counts
    for place, (begin, count) in enumerate(zip(first, counts, strict=True)):
        wanted = how.rows or math.ceil(how.share * count)
        if wanted < count:
            limits[place] = found.ranks[order[begin + wanted]]
            chances[place] = wanted / count
    return strata, limits, chances


def _facts(how: Sampling, frame: Any) -> "Facts":
    """What of some rows decides. Raises InputError for a weight that is none."""
    ranks, weights = lots(frame, how.seed), None
    if how.weight:
        weights = _weights(frame, how.weight)
        with np.errstate(divide="ignore"):
            ranks = ranks / weights
    strata = np.zeros(len(ranks), np.uint64)
    for name in how.strata:
        strata = _mixed(strata ^ _hashed(frame[name]))
    return Facts(ranks, strata, frame[LABEL].to_numpy(np.float64), weights)


def lots(frame: Any, seed: int) -> Array:
    """A number in (0, 1) for each row (n,), by its key, its time and the seed alone."""
    moments = frame[TIME].astype("datetime64[us, UTC]").astype(np.int64).to_numpy().view(np.uint64)
    with np.errstate(over="ignore"):
        mixed = _mixed(_hashed(frame[KEY]) ^ _mixed(moments + np.uint64(seed) * _ODD))
    found: Array = ((mixed >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53
    return found


def _weights(frame: Any, name: str) -> Array:
    import pandas as pd

    given = np.asarray(pd.to_numeric(frame[name], errors="coerce").to_numpy(np.float64, na_value=np.nan))
    if bad := int(np.count_nonzero(~(np.isfinite(given) & (given >= 0)))):
        raise InputError(
            f"{bad} of {len(given)} rows have no weight in training.sample.weight {name!r}, or one below "
            "nought: fill it in the source, or sample by something else"
        )
    return given


def _hashed(column: Any) -> Words:
    from pandas.util import hash_pandas_object

    found: Words = hash_pandas_object(column, index=False).to_numpy(np.uint64)
    return found


def _mixed(words: Words) -> Words:
    """SplitMix64's finalizer (G. Steele, D. Lea, C. Flood, OOPSLA 2014)."""
    with np.errstate(over="ignore"):
        words = words + _ODD
        words = (words ^ (words >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        words = (words ^ (words >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return words ^ (words >> np.uint64(31))


def _counted(labels: Array, most: int = 100) -> dict[float, int]:
    """Rows by label; nothing of a number."""
    known, counts = np.unique(labels, return_counts=True)
    if len(known) > most:
        return {}
    return {float(each): int(count) for each, count in zip(known, counts, strict=True)}
