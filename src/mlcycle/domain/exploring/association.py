"""How much two columns have to do with each other, from 0 to 1, whatever they hold; and whether by chance.

Numbers: Spearman's rank correlation. Words: Cramer's V, corrected for its bias (W. Bergsma, Journal of the
Korean Statistical Society 42, 2013). A number and words: the correlation ratio of its ranks, corrected the
same way (T. Kelley's epsilon squared, PNAS 21, 1935), tested as Kruskal and Wallis do.

P-values take rows for independent of each other.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import Final

import numpy as np

from mlcycle.domain.exploring.columns import Column, Floats, grouped

MOST_WORDS: Final = 50  # the others are one more
LEVEL: Final = 0.01  # false discoveries among those that are said to be associated
LEAST: Final = 20  # rows with both values


@dataclass(frozen=True)
class Association:
    """Between two columns: its strength from 0 to 1, its sign where both are numbers, and its p-value."""

    a: str
    b: str
    strength: float
    sign: int
    p: float
    known: bool = False  # beyond chance, false discoveries among all that were looked at held to LEVEL


def with_label(columns: Sequence[Column], label: Column) -> list[Association]:
    """Each column's association with the label, the strongest first."""
    found = [association(column, label) for column in columns]
    return sorted(_judged(found), key=lambda each: -each.strength)


def between(columns: Sequence[Column]) -> list[Association]:
    """Of all pairs of columns, the strongest first."""
    found = [association(a, b) for a, b in combinations(columns, 2)]
    return sorted(_judged(found), key=lambda each: -each.strength)


def matrix(pairs: Sequence[Association], names: Sequence[str]) -> list[list[float]]:
    """Strengths with their signs, by name and name; 1 on the diagonal, 0 of pairs that are not among them."""
    at = {name: place for place, name in enumerate(names)}
    values = np.eye(len(names))
    for each in pairs:
        if each.a in at and each.b in at:
            signed = each.strength * (each.sign or 1)
            values[at[each.a], at[each.b]] = values[at[each.b], at[each.a]] = signed
    found: list[list[float]] = values.round(3).tolist()
    return found


def association(a: Column, b: Column) -> Association:
    """Of two columns with the same rows; rows that lack one of both are left out."""
    both = a.here & b.here
    nothing = Association(a.name, b.name, 0.0, 0, 1.0)
    if both.sum() < LEAST:
        return nothing
    a, b = a.taken(both), b.taken(both)
    if a.distinct < 2 or b.distinct < 2:
        return nothing
    if a.is_number and b.is_number:
        strength, p = _ranks(a.values, b.values)
        return Association(a.name, b.name, abs(strength), int(np.sign(strength)), p)
    if a.is_number or b.is_number:
        number, words = (a, b) if a.is_number else (b, a)
        strength, p = _ratio(number, grouped(words, MOST_WORDS))
    else:
        strength, p = _cramer(grouped(a, MOST_WORDS), grouped(b, MOST_WORDS))
    return Association(a.name, b.name, strength, 0, p)


def _ranks(a: Floats, b: Floats) -> tuple[float, float]:
    from scipy import stats

    found = stats.spearmanr(a, b)
    return float(found.statistic), float(found.pvalue)


def _ratio(number: Column, words: Column) -> tuple[float, float]:
    from scipy import stats

    ranks = stats.rankdata(number.values)
    groups = [ranks[words.values == code] for code in np.unique(words.values)]
    groups = [group for group in groups if len(group)]
    total = float(((ranks - ranks.mean()) ** 2).sum())
    among = float(sum(len(group) * (group.mean() - ranks.mean()) ** 2 for group in groups))
    n, k = len(ranks), len(groups)
    if n <= k or not total:
        return 0.0, 1.0
    squared = 1 - (n - 1) / (n - k) * (1 - among / total)
    statistic = (n - 1) * among / total
    return float(np.sqrt(max(squared, 0.0))), float(stats.chi2.sf(statistic, k - 1))


def _cramer(a: Column, b: Column) -> tuple[float, float]:
    from scipy import stats

    assert a.words is not None
    assert b.words is not None
    width = len(b.words)
    table = np.bincount(a.values * width + b.values, minlength=len(a.words) * width).reshape(-1, width)
    table = table[table.sum(axis=1) > 0][:, table.sum(axis=0) > 0]
    n, (r, c) = table.sum(), table.shape
    if min(r, c) < 2:
        return 0.0, 1.0
    chi = float(stats.chi2_contingency(table, correction=False).statistic)
    phi = max(chi / n - (r - 1) * (c - 1) / (n - 1), 0.0)
    rows, columns = r - (r - 1) ** 2 / (n - 1), c - (c - 1) ** 2 / (n - 1)
    strength = float(np.sqrt(phi / max(min(rows, columns) - 1, 1e-12)))
    return min(strength, 1.0), float(stats.chi2.sf(chi, (r - 1) * (c - 1)))


def _judged(found: list[Association]) -> list[Association]:
    """With who is beyond chance (Y. Benjamini and Y. Hochberg, JRSS B 57, 1995)."""
    from scipy import stats

    if not found:
        return []
    adjusted = stats.false_discovery_control([each.p for each in found])
    return [
        Association(each.a, each.b, each.strength, each.sign, each.p, bool(value <= LEVEL))
        for each, value in zip(found, adjusted, strict=True)
    ]
