"""Figures of said quantiles, each with its interval over blocks of time; and how reliable they are."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlcycle.domain.evaluation.bootstrap import codes_of, figures, ratio, sums
from mlcycle.domain.evaluation.figure import Figure, plain
from mlcycle.domain.evaluation.subject import Subject
from mlcycle.domain.metrics import Array, check_rows
from mlcycle.domain.quantile_metrics import row_figures, row_interval_score, row_pinball
from mlcycle.domain.quantiles import intervals, levels_of, values_of, word

NOUGHT = (0.0, float("inf"))
UNIT = (0.0, 1.0)


def of_rows(
    labels: Array, said: Array, blocks: NDArray[np.int64], weights: Array | None = None
) -> dict[str, Figure]:
    """All figures of these rows: means over rows, of which blocks of time are drawn again.

    Args:
        labels: (n,).
        said: (n, q, 2).
        blocks: (n,) of time.
        weights: (n,) for how many rows each stands.
    """
    check_rows(labels, said)
    stands = np.ones(len(labels)) if weights is None else weights
    codes, count = codes_of(blocks)
    under = sums(stands, codes, count)
    rows = {"pinball": row_pinball(labels, said)}
    if intervals(levels_of(said)):
        rows["interval_score"] = row_interval_score(labels, said)
    rows |= row_figures(labels, said)
    limits = {name: UNIT if name.startswith(("below", "coverage")) else NOUGHT for name in rows}
    return figures(
        {name: float(np.average(each, weights=stands)) for name, each in rows.items()},
        {name: ratio(sums(stands * each, codes, count), under) for name, each in rows.items()},
        count,
        limits,
    )


def run(subject: Subject) -> dict[str, Any]:
    """Reliability: of each quantile the share of labels that do not lie above it, beside its level.

    Of each central interval its share and its width, by fifths of the rows, the narrowest first: one that
    knows when it is unsure is as often right where it is wide as where it is narrow.
    """
    assert subject.said is not None
    found = of_rows(subject.labels, subject.said, subject.blocks, subject.holdout.weights)
    levels = levels_of(subject.said)
    return plain(  # type: ignore[no-any-return]
        {
            "served": subject.served_curve,
            "quantiles": [
                {
                    "level": float(level),
                    "below": found[f"below_{word(level)}"],
                    "pinball": found[f"pinball_{word(level)}"],
                }
                for level in levels
            ],
            "intervals": [
                {
                    "share": share,
                    **{
                        name: found[f"{name}_{word(share)}"]
                        for name in ("coverage", "width", "interval_score")
                    },
                    "by_width": _by_width(subject.labels, values_of(subject.said)[:, [low, high]]),
                }
                for low, high, share in intervals(levels)
            ],
        }
    )


def _by_width(labels: Array, ends: Array) -> list[tuple[float, float, int]]:
    """Mean width, coverage and rows of each fifth of the rows, the narrowest intervals first."""
    width = ends[:, 1] - ends[:, 0]
    held = (ends[:, 0] <= labels) & (labels <= ends[:, 1])
    fifths = np.array_split(np.argsort(width, kind="stable"), 5)
    return [(float(width[at].mean()), float(held[at].mean()), len(at)) for at in fifths if len(at)]
