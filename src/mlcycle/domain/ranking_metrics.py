"""Metrics of an order within lists, each a mean over lists: NDCG, MAP, recall and MRR at a cut-off.

A row is relevant where its label is above nought; gains are the labels themselves, as in scikit-learn.
A list without a relevant row has no right order: it is left out, and counted. Rows of one score could come
in any order, so that each list's value is its mean over all orders of its ties (F. McSherry and M. Najork,
"Computing information retrieval performance measures efficiently in the presence of tied scores", ECIR
2008); one score for all rows is then what a random order has on average.

Sources: K. Jaervelin and J. Kekaelaeinen, "Cumulated gain-based evaluation of IR techniques", ACM TOIS 20
(2002); C. Manning, P. Raghavan and H. Schuetze, "Introduction to information retrieval" (2008), ch. 8.4;
E. Voorhees, "The TREC-8 question answering track report" (1999) for the reciprocal rank.
"""

from dataclasses import dataclass
from typing import Final, Self

import numpy as np
from numpy.typing import NDArray

from mlcycle.domain.listed import lists_of

Array = NDArray[np.float64]

NOTHING_RELEVANT: Final = "no list has a relevant row"
USUAL: Final = 10  # first rows that a list's loss looks at


@dataclass(frozen=True)
class Ranked:
    """Rows in the order of their lists, and in each list of their scores; (n,) each but ``totals``.

    ``place`` counts from 0 in a list. Of the rows that share a row's score: ``first`` is their first place,
    ``size`` how many they are, ``hits`` how many of them are relevant, ``gain`` their mean label, ``before``
    how many relevant rows of the list have a higher score.
    """

    codes: NDArray[np.int64]  # of each row as it was given: its list, numbered from 0
    lists: NDArray[np.int64]  # the same of the rows in order
    ideal: Array  # labels in the best order, list by list
    place: Array
    first: Array
    size: Array
    hits: Array
    gain: Array
    before: Array
    totals: Array  # (lists,) relevant rows

    @classmethod
    def of(cls, labels: Array, scores: Array) -> Self:
        """Rank rows: labels and scores (n,), n > 0. Raises InputError for labels without lists."""
        numbers, codes = np.unique(lists_of(labels), return_inverse=True)
        y, count = np.asarray(labels, dtype=np.float64), len(numbers)
        order = np.lexsort((-scores, codes))
        lists, ranked, gains = codes[order], scores[order], y[order]
        starts = np.searchsorted(lists, np.arange(count))
        at = np.arange(len(lists))
        new = np.append(True, (lists[1:] != lists[:-1]) | (ranked[1:] != ranked[:-1]))
        tie = np.cumsum(new) - 1
        opens = np.flatnonzero(new)
        size = np.diff(np.append(opens, len(at)))
        hit = (gains > 0).astype(np.float64)
        hits = np.add.reduceat(hit, opens)
        above = np.cumsum(hits) - hits  # of all lists so far
        totals = np.bincount(lists, hit, count)
        earlier = np.cumsum(totals) - totals
        return cls(
            codes=codes,
            lists=lists,
            ideal=y[np.lexsort((-y, codes))],
            place=(at - starts[lists]).astype(np.float64),
            first=(opens[tie] - starts[lists]).astype(np.float64),
            size=size[tie].astype(np.float64),
            hits=hits[tie],
            gain=(np.add.reduceat(gains, opens) / size)[tie],
            before=above[tie] - earlier[lists],
            totals=totals.astype(np.float64),
        )

    def values(self, measure: str, k: int) -> Array:
        """(lists,) of each list, NaN without a relevant row; lists in the order of their numbers."""
        rows = getattr(self, f"_{measure}")(k)
        found = np.bincount(self.lists, np.where(self.place < k, rows, 0.0), len(self.totals))
        with np.errstate(divide="ignore", invalid="ignore"):
            value: Array = np.where(self.totals > 0, found / self._most(measure, k), np.nan)
        return value

    def _most(self, measure: str, k: int) -> Array:
        """(lists,) what the best order adds up to."""
        if measure == "ndcg":
            best = np.where(self.place < k, self.ideal / np.log2(self.place + 2), 0.0)
            return np.bincount(self.lists, best, len(self.totals)).astype(np.float64)
        if measure == "map":
            return np.minimum(self.totals, k)
        return self.totals if measure == "recall" else np.ones(len(self.totals))

    def _ndcg(self, k: int) -> Array:
        return self.gain / np.log2(self.place + 2)

    def _recall(self, k: int) -> Array:
        return self.hits / self.size

    def _map(self, k: int) -> Array:
        """The chance of a relevant row at each place, times the precision there if it is one."""
        others = (self.hits - 1) / np.maximum(self.size - 1, 1)
        found = self.before + 1 + (self.place - self.first) * np.maximum(others, 0.0)
        return self.hits / self.size * found / (self.place + 1)

    def _mrr(self, k: int) -> Array:
        """The chance that the first relevant row is at each place: C(left, hits - 1) of C(size, hits)."""
        from scipy.special import gammaln

        left, hits = self.size - 1 - (self.place - self.first), self.hits
        can = (self.before == 0) & (hits > 0) & (left >= hits - 1)
        n, r, m = (np.where(can, each, 1.0) for each in (self.size, hits, left))
        log = gammaln(m + 1) - gammaln(m - r + 2) - gammaln(r)
        log -= gammaln(n + 1) - gammaln(n - r + 1) - gammaln(r + 1)
        return np.where(can, np.exp(log), 0.0) / (self.place + 1)

    def means(self, rows: Array) -> Array:
        """(lists,) the mean of each list's rows, of values (n,) as they were given."""
        count = len(self.totals)
        found: Array = np.bincount(self.codes, rows, count) / np.bincount(self.codes, minlength=count)
        return found

    def spread(self, values: Array) -> Array:
        """(n,) each list's value shared among its rows so that their mean is that of the lists with a value.

        Rows of a list that is left out get nought.
        """
        known = np.isfinite(values)
        size = np.bincount(self.codes, minlength=len(values))
        shared = np.where(known, values, 0.0) / size * (len(self.codes) / max(int(known.sum()), 1))
        found: Array = shared[self.codes]
        return found


def measure(name: str, k: int, labels: Array, scores: Array, weights: Array | None = None) -> float | None:
    """The mean over lists; None where no list has a relevant row.

    ``weights`` (n,) are for how many rows each stands: a list stands for the mean of its rows'.
    """
    ranked = Ranked.of(labels, scores)
    return mean_of(ranked, ranked.values(name, k), weights)


def mean_of(ranked: Ranked, values: Array, weights: Array | None = None) -> float | None:
    """The mean of lists' values (lists,) that are there."""
    known = np.isfinite(values)
    stands = np.ones(len(values)) if weights is None else ranked.means(weights)
    total = stands[known].sum()
    return float((values[known] * stands[known]).sum() / total) if total > 0 else None


def influence(name: str, k: int, labels: Array, scores: Array) -> Array | None:
    """(n,) how far each row's list moves the mean, shared among its rows; None where nothing is measured."""
    ranked = Ranked.of(labels, scores)
    values = ranked.values(name, k)
    return None if np.isnan(values).all() else ranked.spread(values - np.nanmean(values))


def row_loss(labels: Array, scores: Array, k: int = USUAL) -> Array:
    """(n,) one less the NDCG of each row's list, so shared that the mean over rows is that over lists."""
    ranked = Ranked.of(labels, scores)
    return ranked.spread(1 - ranked.values("ndcg", k))
