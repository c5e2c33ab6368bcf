"""Metrics of said quantiles (n, q, 2), see ``domain.quantiles``; labels are (n,).

Every one is a mean over rows. The pinball loss and the interval score are proper: nobody does better than by
saying the quantiles that are true. Coverage and width alone are not, they are told beside them.
"""

from collections.abc import Mapping

import numpy as np

from mlcycle.domain.quantiles import Array, are, intervals, levels_of, values_of, word
from mlcycle.errors import InputError

#: What a candidate of a project with ``label.quantiles`` may be chosen by, beside the metrics of numbers.
CHOICES = ("pinball", "interval_score")


def by_level(labels: Array, said: Array) -> Array:
    """(n, q) pinball loss: R. Koenker and G. Bassett, "Regression Quantiles", Econometrica 46, 1978."""
    short = labels[:, None] - values_of(said)
    levels = levels_of(said)
    found: Array = np.maximum(levels * short, (levels - 1) * short)
    return found


def row_pinball(labels: Array, said: Array) -> Array:
    """(n,) the pinball loss of each row, the mean over its quantiles.

    Raises InputError for a point forecast.
    """
    found: Array = by_level(labels, _checked(said)).mean(axis=1)
    return found


def scores(labels: Array, said: Array) -> dict[float, Array]:
    """(n,) the interval score of each central interval, by the share that it should hold.

    Its width, and 2 / (1 - share) times how far the label lies outside: R. Winkler, "A Decision-Theoretic
    Approach to Interval Estimation", JASA 67, 1972; T. Gneiting and A. Raftery, "Strictly Proper Scoring
    Rules, Prediction, and Estimation", JASA 102, 2007, section 6.2.
    """
    values, found = values_of(said), {}
    for low, high, share in intervals(levels_of(said)):
        below, above = values[:, low], values[:, high]
        outside = np.maximum(below - labels, 0) + np.maximum(labels - above, 0)
        found[share] = above - below + 2 / (1 - share) * outside
    return found


def row_interval_score(labels: Array, said: Array) -> Array:
    """(n,) the interval score of each row, the mean over its central intervals.

    Raises InputError for a point forecast, and where no two levels make a central interval.
    """
    found = scores(labels, _checked(said))
    if not found:
        raise InputError(
            "interval_score needs two levels that make a central interval: name 0.1 beside 0.9, say"
        )
    mean: Array = np.mean(list(found.values()), axis=0)
    return mean


def row_figures(labels: Array, said: Array) -> Mapping[str, Array]:
    """(n,) of each figure by name; the mean over rows is the figure.

    ``pinball_10`` the loss of the quantile at .1; ``below_10`` the share of labels that do not lie above it,
    .1 where it is true; of the central interval that should hold .8 ``coverage_80`` the share of labels that
    lie in it, ends counted, ``width_80`` and ``interval_score_80``.
    """
    values, levels = values_of(said), levels_of(said)
    losses, found = by_level(labels, said), dict[str, Array]()
    for at, level in enumerate(levels):
        found[f"pinball_{word(level)}"] = losses[:, at]
    for at, level in enumerate(levels):
        found[f"below_{word(level)}"] = (labels <= values[:, at]).astype(np.float64)
    for (low, high, share), score in zip(intervals(levels), scores(labels, said).values(), strict=True):
        held = (values[:, low] <= labels) & (labels <= values[:, high])
        found[f"coverage_{word(share)}"] = held.astype(np.float64)
        found[f"width_{word(share)}"] = values[:, high] - values[:, low]
        found[f"interval_score_{word(share)}"] = score
    return found


def _checked(said: Array) -> Array:
    if not are(said):
        raise InputError("no quantiles were predicted: say label.quantiles, and train again")
    return said
