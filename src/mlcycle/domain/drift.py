"""Has a column's distribution moved? An effect size people can read, and a p-value beside it.

Significance alone is no alarm: with enough rows any two months differ. Effect alone is no alarm
either: with few rows chance reaches it. A column counts as drifted where both hold, after
false-discovery control over all columns; see ``persistence`` for how long.
"""

from collections import Counter
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]

MIN_VALUES = 30  # below this neither effect nor p-value says anything
MIN_EXPECTED = 5.0  # of a chi-square cell; rarer categories are pooled


@dataclass(frozen=True)
class Drift:
    """One column's comparison: ``effect`` (0 is none), ``p_value``, and by which method."""

    effect: float
    p_value: float
    method: str


def present(values: Array) -> Array:
    """The finite values of a column."""
    return values[np.isfinite(values)]


def wasserstein_effect(reference: Array, current: Array) -> float:
    """Wasserstein-1 distance in standard deviations of the reference: a shift by d sd gives d.

    A constant reference is measured in standard deviations of both samples together.
    """
    from scipy.stats import wasserstein_distance

    scale = float(reference.std()) or float(np.concatenate([reference, current]).std())
    return float(wasserstein_distance(reference, current)) / scale if scale > 0 else 0.0


def numeric(reference: Array, current: Array) -> Drift:
    """Compare two samples of finite numbers: normalised Wasserstein distance, Kolmogorov-Smirnov test.

    Raises ValueError where either sample has fewer than ``MIN_VALUES`` values.
    """
    from scipy.stats import ks_2samp

    _enough(len(reference), len(current))
    test = ks_2samp(reference, current, method="asymp")
    return Drift(wasserstein_effect(reference, current), float(test.pvalue), "wasserstein/sd, ks")


def total_variation(reference: Sequence[Hashable], current: Sequence[Hashable]) -> float:
    """Share of rows that would have to change category: 0 is none, 1 is disjoint; rare ones pooled."""
    table = _contingency(reference, current)
    shares = table / table.sum(axis=1, keepdims=True)
    return float(np.abs(shares[0] - shares[1]).sum() / 2)


def categorical(reference: Sequence[Hashable], current: Sequence[Hashable]) -> Drift:
    """Compare two samples of categories: total variation distance, chi-square test of homogeneity.

    The test is of the two-row contingency table: both samples have sampling error. A goodness-of-fit
    test that takes the reference as exact raises false alarms nearly always. Raises ValueError where
    either sample has fewer than ``MIN_VALUES`` values.
    """
    from scipy.stats import chi2_contingency

    _enough(len(reference), len(current))
    table = _contingency(reference, current)
    p_value = float(chi2_contingency(table, correction=False).pvalue) if table.shape[1] > 1 else 1.0
    return Drift(total_variation(reference, current), p_value, "total variation, chi2")


def discoveries(p_values: Iterable[float], rate: float) -> list[bool]:
    """Which hypotheses are rejected at this false-discovery rate.

    Benjamini and Hochberg (1995), Controlling the False Discovery Rate, J. R. Stat. Soc. B 57(1).
    """
    p = np.asarray(list(p_values), dtype=float)
    if p.size == 0:
        return []
    order = np.argsort(p, kind="stable")
    passed = p[order] <= rate * np.arange(1, p.size + 1) / p.size
    rejected = np.zeros(p.size, dtype=bool)
    if passed.any():
        rejected[order[: int(np.flatnonzero(passed)[-1]) + 1]] = True
    return [bool(item) for item in rejected]


def stability_index(reference: Array, current: Array, bins: int = 10) -> float:
    """Population stability index over quantile bins of the reference; above 0.2 is a changed population.

    Half a row is added to every bin, so that an empty one is not infinite.
    """
    _enough(len(reference), len(current))
    edges = np.unique(np.quantile(reference, np.linspace(0, 1, bins + 1)[1:-1]))
    before = np.bincount(np.searchsorted(edges, reference, side="right"), minlength=len(edges) + 1) + 0.5
    after = np.bincount(np.searchsorted(edges, current, side="right"), minlength=len(edges) + 1) + 0.5
    p, q = before / before.sum(), after / after.sum()
    return float(((q - p) * np.log(q / p)).sum())


def _contingency(reference: Sequence[Hashable], current: Sequence[Hashable]) -> Array:
    """Counts, samples x categories; categories rarer than a chi-square cell bears are one column."""
    before, after = Counter(reference), Counter(current)
    smaller = min(len(reference), len(current)) / (len(reference) + len(current))
    columns, rest = [], [0, 0]
    for category in dict.fromkeys([*before, *after]):
        pair = [before[category], after[category]]
        if sum(pair) * smaller < MIN_EXPECTED:
            rest = [rest[0] + pair[0], rest[1] + pair[1]]
        else:
            columns.append(pair)
    if sum(rest):
        columns.append(rest)
    return np.asarray(columns, dtype=float).T


def _enough(reference: int, current: int) -> None:
    if min(reference, current) < MIN_VALUES:
        raise ValueError(
            f"{reference} reference and {current} current values: {MIN_VALUES} of each are needed"
        )
