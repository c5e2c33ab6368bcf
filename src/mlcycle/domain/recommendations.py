"""What a project recommends, as a whole: how many of its items, how evenly, and how well by popularity.

A recommender that learns from what it showed may show ever less. Aggregate diversity is the share of the
catalogue that is recommended at all (Adomavicius & Kwon 2012, IEEE TKDE 24); the Gini coefficient tells how
unevenly; the long tail is what is not among the head, the few items that make most of training's interactions
(Abdollahpouri, Burke & Mobasher 2019, FLAIRS 32).
"""

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mlcycle.domain.interval import MIN_BLOCKS, Spread
from mlcycle.domain.prediction_limit import p_value, spread

Array = NDArray[np.float64]

#: By name what it is, and in which direction it is worse.
FIGURES: Final[dict[str, tuple[str, int]]] = {
    "diversity": ("share of the catalogue that is recommended", -1),
    "gini": ("Gini coefficient of recommendations over the catalogue", 1),
    "tail_share": ("share of recommendations outside the head", -1),
    "tail_items": ("share of the items outside the head that are recommended", -1),
}
BUCKETS: Final = ("head", "middle", "tail")
MIN_WINDOWS: Final = 8  # that do not overlap, to know what is usual
SETTLING: Final = 4  # windows after which what came to stay is the usual


@dataclass(frozen=True)
class Shown:
    """What a window recommended: ``recommended`` times in all, of ``catalogue`` items that it might have."""

    catalogue: int
    recommended: int
    diversity: float
    gini: float
    tail_share: float
    tail_items: float

    @property
    def document(self) -> dict[str, Any]:
        """As JSON; ``Shown(**document)`` reads it."""
        return asdict(self)


@dataclass(frozen=True)
class Verdict:
    """One figure against what is usual; ``limit`` is the value from which on it is told of."""

    name: str
    now: float
    usual: float
    limit: float
    worse: bool
    p: float


def gini(counts: Array) -> float:
    """Of how often each item of the catalogue was recommended (n,): 0 all alike, towards 1 one item alone."""
    ranked, count = np.sort(counts), len(counts)
    total = ranked.sum()
    if not total:
        return 0.0
    return float(2 * (np.arange(1, count + 1) @ ranked) / (count * total) - (count + 1) / count)


def judged(before: Mapping[int, Shown], now: Shown, level: float, effect: float) -> list[Verdict]:
    """Each figure of a window against the oldest third of those before, that do not overlap.

    The oldest: what narrows slowly takes the newer windows with it. What is told of is also worse than in any
    window before the last four: of a few windows the spread says too little.

    Args:
        before: windows by their number in time.
        now: the window looked at.
        level: in which share of windows any figure may be told of where nothing changed.
        effect: the least change that is news.

    Returns:
        Nothing where fewer than ``MIN_WINDOWS`` were before.
    """
    if len(before) < MIN_WINDOWS:
        return []
    numbers = np.array(sorted(before)[: max(MIN_WINDOWS, len(before) // 3)])
    settled = sorted(before)[: max(len(numbers), len(before) - SETTLING)]
    found = []
    for name, (_, sign) in FIGURES.items():
        values = np.array([[getattr(before[at], name)] for at in numbers.tolist()])
        usual, this = spread(numbers, values), np.array([[getattr(now, name)]])
        both, apart = p_value(usual, this)
        p = both / 2 if sign * apart[0] > 0 else 1 - both / 2
        error, mean = float(usual.errors(1)[0]), float(usual.mean[0])
        reach = max(_quantile(1 - level / len(FIGURES), float(usual.freedom[0])) * error, effect)
        heard_of = max(sign * getattr(before[at], name) for at in settled)
        worse = sign * (this[0, 0] - mean) >= reach and sign * this[0, 0] > heard_of
        found.append(Verdict(name, float(this[0, 0]), mean, mean + sign * reach, bool(worse), float(p)))
    return found


def _quantile(share: float, freedom: float) -> float:
    from scipy import special

    return float(special.stdtrit(freedom, share))


def precision(counts: Array) -> float | None:
    """Of (..., 2) recommended rows and those of them that came true."""
    rows, true = counts.reshape(-1, 2).sum(axis=0)
    return float(true / rows) if rows else None


def auc(counts: Array) -> float | None:
    """Of (..., bins, 2) negative and positive rows by bins of the prediction, rising; ties half."""
    down, up = counts.reshape(-1, *counts.shape[-2:]).sum(axis=0).T
    pairs = down.sum() * up.sum()
    return float((up * (np.cumsum(down) - down / 2)).sum() / pairs) if pairs else None


def with_spread(
    counts: Array, statistic: Callable[[Array], float | None]
) -> tuple[float | None, Spread | None]:
    """A statistic of all days' counts (days, ...) and how sure it is, each day left out once (jackknife).

    Source: B. Efron and C. Stein, "The jackknife estimate of variance", Annals of Statistics 9 (1981); days
    in a row are not independent, so their pseudo-values go through ``interval.Spread``.
    """
    whole, count = statistic(counts), len(counts)
    if whole is None or count < MIN_BLOCKS:
        return whole, None
    without = [statistic(np.delete(counts, at, axis=0)) for at in range(count)]
    known = np.array([whole if each is None else each for each in without])
    pseudo = count * whole - (count - 1) * known
    return whole, Spread.of(whole, (pseudo - pseudo.mean()) / count)
