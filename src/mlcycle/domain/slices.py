"""Metrics on slices of the rows: the same metric for each value of a column."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

import numpy as np
from numpy.typing import NDArray

from mlcycle.domain.interval import MIN_BLOCKS
from mlcycle.domain.metrics import METRICS, Array, NotMeasured, Reading, gain
from mlcycle.domain.paired import gained_by_row

#: With what confidence no slice at all is called worse that is not.
SURE: Final = 0.95
DRAWS: Final = 4000
SEED: Final = 20130101


@dataclass(frozen=True)
class Slice:
    """A metric on the rows where ``column`` is ``value``."""

    column: str
    value: str
    rows: int
    metric: Reading

    @property
    def name(self) -> str:
        """The slice as people write it."""
        return f"{self.column}={self.value}"


@dataclass(frozen=True)
class SliceChange:
    """A slice under an old and a new model; a positive ``loss`` is how much worse the new one is.

    ``bound`` is what all slices' true losses are no less than at once, with ``SURE``; None where the slice
    lies in too few blocks of time. ``shrunk`` is the loss drawn towards that of its column's other slices.
    """

    name: str
    rows: int
    old: Reading
    new: Reading
    loss: Reading
    bound: float | None = None
    shrunk: float | None = None

    @property
    def judged(self) -> bool:
        """Whether anything can be said of it."""
        return self.bound is not None and not isinstance(self.loss, NotMeasured)

    def worse(self, allowed: float) -> bool:
        """Whether it surely got worse, and by more than is allowed as far as one sees."""
        if self.bound is None or isinstance(self.loss, NotMeasured):
            return False
        return self.bound > 0 and self.loss > allowed


def measure_slices(
    metric: str,
    labels: Array,
    predictions: Array,
    columns: Mapping[str, Sequence[str]],
    min_rows: int = 1,
) -> list[Slice]:
    """The metric on each slice of at least ``min_rows`` rows; not measured where it is not defined there.

    Args:
        metric: a name of ``metrics.METRICS``.
        labels: (n,).
        predictions: (n,).
        columns: for each slice column the text of its n values.
        min_rows: smaller slices say little and are left out.
    """
    found = []
    for column, values in columns.items():
        texts, codes = np.unique(np.asarray(values, dtype=object).astype(str), return_inverse=True)
        for code, text in enumerate(texts):
            rows = np.flatnonzero(codes == code)
            if len(rows) < min_rows:
                continue
            value = METRICS[metric](labels[rows], predictions[rows], None)
            found.append(Slice(column, str(text), len(rows), value))
    return found


def compare_slices(
    metric: str,
    labels: Array,
    old: Array,
    new: Array,
    columns: Mapping[str, Sequence[str]],
    min_rows: int,
    blocks: NDArray[np.int64],
) -> list[SliceChange]:
    """Each slice of at least ``min_rows`` rows under both models, the worst change first.

    Those on which the metric is not defined come last. ``blocks`` (n,) is the block of time of each row.
    """
    before = measure_slices(metric, labels, old, columns, min_rows)
    after = measure_slices(metric, labels, new, columns, min_rows)
    _, codes = np.unique(blocks, return_inverse=True)
    texts = {name: np.asarray(values, dtype=object).astype(str) for name, values in columns.items()}
    changes, sums, noise = [], [], []
    for was, now in zip(before, after, strict=True):
        rows = texts[was.column] == was.value
        change = SliceChange(was.name, was.rows, was.metric, now.metric, gain(metric, now.metric, was.metric))
        added = gained_by_row(metric, labels[rows], old[rows], new[rows])
        if not isinstance(added, NotMeasured) and len(np.unique(codes[rows])) >= MIN_BLOCKS:
            share = -added / was.rows
            sums.append(np.bincount(codes[rows], weights=share, minlength=codes.max() + 1))
            noise.append(float(np.sum(share**2)))
            change = replace(change, bound=0.0)
        changes.append(change)
    judged = [at for at, change in enumerate(changes) if change.judged]
    if judged:
        errors, freedom = moderated(np.array(sums), np.array(noise))
        critical = at_once(np.array(sums), freedom)
        losses = np.array([changes[at].loss for at in judged], dtype=np.float64)
        shrunk = np.array(losses)
        named = [before[at].column for at in judged]
        for column in set(named):
            own = np.array([name == column for name in named])
            shrunk[own] = together(losses[own], errors[own])
        for at, loss, error, drawn in zip(judged, losses, errors, shrunk, strict=True):
            bound = float(loss - critical * error)
            changes[at] = replace(changes[at], bound=bound, shrunk=float(drawn))
    return sorted(changes, key=lambda c: float("inf") if isinstance(c.loss, NotMeasured) else -c.loss)


def moderated(sums: Array, noise: Array) -> tuple[Array, float]:
    """Errors of slices (s,) and their degrees of freedom: each slice's own spread drawn to what all have.

    How much more the blocks' sums (s, k) vary than rows would by themselves (``noise``, (s,) variances of
    independent rows) is estimated on few blocks for each slice; slices have it about in common (G. Smyth,
    "Linear models and empirical Bayes methods for assessing differential expression", 2004).
    """
    from scipy.special import digamma, polygamma

    blocks = sums.shape[1]
    own = blocks - 1
    centred = sums - sums.mean(axis=1, keepdims=True)
    spread = (centred**2).sum(axis=1) * blocks / own
    known = (noise > 0) & (spread > 0)
    if known.sum() < 3:
        return np.sqrt(np.maximum(spread, noise)), float(own)
    logs = np.log(spread[known] / noise[known]) - digamma(own / 2) + np.log(own / 2)
    excess = float(logs.var(ddof=1) - polygamma(1, own / 2))
    prior = _inverse_trigamma(excess) * 2 if excess > 0 else 1e6
    common = float(np.exp(logs.mean() + digamma(prior / 2) - np.log(prior / 2)))
    drawn = (prior * common * noise + own * spread) / (prior + own)
    # Slices share their days: all of them together know the common part no better than the days tell.
    return np.sqrt(drawn), float(min(prior + own, 2 * own))


def _inverse_trigamma(value: float) -> float:
    from scipy.optimize import brentq
    from scipy.special import polygamma

    least, most = 1e-3, 1e6  # beyond, spreads have nothing in common, or all
    if value >= polygamma(1, least):
        return least
    if value <= polygamma(1, most):
        return most
    return float(brentq(lambda x: float(polygamma(1, x)) - value, least, most))


def at_once(sums: Array, freedom: float) -> float:
    """How many errors all slices' bounds must lie away, so that with ``SURE`` none is beyond its truth.

    The largest of the slices' studentised deviations, drawn with Gaussian weights of whole blocks so that
    what slices share stays shared (P. Westfall and S. Young, "Resampling-based multiple testing", 1993; V.
    Chernozhukov, D. Chetverikov and K. Kato, Annals of Statistics 41, 2013), and taken to Student's t.
    """
    from scipy.stats import norm, t

    centred = sums - sums.mean(axis=1, keepdims=True)
    size = np.sqrt((centred**2).sum(axis=1))
    known = size > 0
    if not known.any():
        return float(t.ppf(SURE, freedom))
    weights = np.random.default_rng(SEED).normal(size=(DRAWS, sums.shape[1]))
    largest = (weights @ (centred[known] / size[known, None]).T).max(axis=1)
    return float(t.isf(norm.sf(np.quantile(largest, SURE)), freedom))


def together(losses: Array, errors: Array) -> Array:
    """Losses (s,) drawn towards their weighted mean by how much of their spread is error.

    Sources: B. Efron and C. Morris, "Data analysis using Stein's estimator", JASA 70 (1975); R. DerSimonian
    and N. Laird, "Meta-analysis in clinical trials" (1986), for the spread of the truths.
    """
    if len(losses) < 3 or not (errors > 0).all():
        return losses
    weight = errors**-2
    mean = (weight * losses).sum() / weight.sum()
    excess = (weight * (losses - mean) ** 2).sum() - (len(losses) - 1)
    true = max(0.0, float(excess / (weight.sum() - (weight**2).sum() / weight.sum())))
    weight = 1 / (errors**2 + true)
    mean = (weight * losses).sum() / weight.sum()
    found: Array = mean + (losses - mean) * true / (true + errors**2)
    return found
