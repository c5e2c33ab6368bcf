"""How often the evaluation's intervals hold the truth, on made-up days whose truth is known.

Days are independent or resemble their neighbours (an autoregression), symmetric or skewed. Beside ours stand
the percentiles of draws of whole days, the studentised draws alone, and Student's t on cosines alone.
"""

from pathlib import Path

import numpy as np

from mlcycle.domain.evaluation import bootstrap, of_classes
from mlcycle.domain.interval import Spread
from mlcycle.domain.metrics import Array

SURE = 0.95
MEANS = {"normal": 0.0, "exponential": 1.0, "lognormal": float(np.exp(0.5))}


def report(folder: Path, thorough: bool) -> None:
    """Print the tables; no data is needed."""
    del folder
    repeats = 4000 if thorough else 400
    print(f"mean of days: held by a {SURE:.0%} interval of {repeats} (width over that of the percentiles)")
    print("  days         memory blocks: ours        studentised cosines     percentiles")
    for kind in MEANS:
        for memory in (0.0, 0.5):
            for blocks in (7, 14, 30, 90):
                _means(kind, memory, blocks, repeats)
    print(f"\narea under the curve of 200 rows a day, of {repeats // 2}: held")
    for blocks in (7, 14, 30):
        _areas(blocks, repeats // 2)


def _means(kind: str, memory: float, blocks: int, repeats: int) -> None:
    random, counts, ones = np.random.default_rng(11), bootstrap.Draws(blocks).counts, np.ones(blocks)
    held, width = np.zeros(4), np.zeros(4)
    for _ in range(repeats):
        days = _days(random, kind, memory, blocks)
        statistic, mean = bootstrap.ratio(days, ones), float(days.mean())
        drawn = np.quantile(counts @ days / blocks, [(1 - SURE) / 2, (1 + SURE) / 2]) - mean
        slow = Spread.of(0.0, (days - mean) / blocks).interval(SURE)
        ways = (bootstrap.around(statistic, counts), bootstrap.studentised(statistic, counts), slow, drawn)
        for at, (low, high) in enumerate(ways):
            held[at] += mean + low <= MEANS[kind] <= mean + high
            width[at] += high - low
    shares = "  ".join(f"{h / repeats:.3f} ({w / width[3]:.2f})" for h, w in zip(held, width, strict=True))
    print(f"  {kind:12} {memory:6.1f} {blocks:6d}: {shares}", flush=True)


def _days(random: np.random.Generator, kind: str, memory: float, blocks: int) -> Array:
    from scipy.stats import norm

    z = random.normal(0, 1, blocks)
    for day in range(1, blocks):
        z[day] = memory * z[day - 1] + np.sqrt(1 - memory**2) * z[day]
    if kind == "normal":
        return np.asarray(z)
    return np.asarray(-np.log(norm.sf(z)) if kind == "exponential" else np.exp(z))


def _areas(blocks: int, repeats: int) -> None:
    """Each day all rows' odds move together, and how well they are told apart differs by day."""
    random, counts = np.random.default_rng(12), bootstrap.Draws(blocks).counts
    truth = of_classes.METRICS["roc_auc"](*_scored(np.random.default_rng(1), 4000)[:2], None)
    held = plain = 0
    for _ in range(repeats):
        labels, said, days = _scored(random, blocks)
        figure = of_classes.of_rows(labels, said, days, threshold=0.5, k=100)["roc_auc"]
        held += figure.low <= truth <= figure.high  # type: ignore[operator]
        draws = of_classes.of_scores(labels, said, np.ones(len(labels)), days, blocks, 0.1)["roc_auc"](counts)
        drawn = np.quantile(draws, [(1 - SURE) / 2, (1 + SURE) / 2])
        plain += drawn[0] <= truth <= drawn[1]
    print(
        f"  {blocks:3d} blocks: ours {held / repeats:.3f}, percentiles of draws of days {plain / repeats:.3f}"
    )


def _scored(random: np.random.Generator, blocks: int) -> tuple[Array, Array, np.ndarray]:
    days = np.repeat(np.arange(blocks), 200)
    x = random.normal(0, 1, len(days))
    skill = (0.8 + 0.4 * random.normal(0, 1, blocks))[days]
    base = (-1 + 0.7 * random.normal(0, 1, blocks))[days]
    labels = (random.random(len(days)) < 1 / (1 + np.exp(-(base + skill * x)))).astype(float)
    return labels, 1 / (1 + np.exp(1 - 0.8 * x)), days
