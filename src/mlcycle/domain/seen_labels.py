"""What acting is worth where a label is known only of rows that were decided one way.

A loan that is paid back is seen only of loans that were given. What other ways of deciding would have earned
is estimated from the rows seen, each by the inverse of the probability with which it came to be seen.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from mlcycle.domain.inverse_propensity import weights
from mlcycle.domain.metrics import Payoff

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]
Needs = Literal["positive", "negative"]

UNKNOWN = (
    "labels are known only of rows decided {needs}, and no share of decisions is drawn at random: what other "
    "ways of acting would have earned cannot be known (value.explore)"
)


def unknown(needs: str, *, drawn: bool) -> str:
    """Why ways of acting cannot be compared; empty where they can.

    ``needs`` is as which a row must be decided for its label to be known, ``drawn`` whether a share is.
    """
    return UNKNOWN.format(needs=needs) if needs and not drawn else ""


@dataclass(frozen=True)
class Decided:
    """Rows that were decided.

    Args:
        labels: (n,) NaN where none is known.
        acted: (n,) what was decided.
        propensities: (n,) with which probability; NaN where nothing was drawn.
        greedy: (n,) what the threshold alone would have decided.
    """

    labels: Array
    acted: Flags
    propensities: Array
    greedy: Flags

    def seen(self, needs: Needs) -> Flags:
        """(n,) rows whose label is known because it was drawn to be: those that count."""
        found: Flags = self.taken(needs) & np.isfinite(self.labels)
        return found

    def taken(self, needs: Needs) -> Flags:
        """(n,) rows that were decided as a label needs, by a draw that could have said other."""
        found: Flags = np.isfinite(self.propensities) & (self.acted == (needs == "positive"))
        return found


@dataclass(frozen=True)
class Estimated:
    """Sums over the rows seen, each times its weight.

    Args:
        rows: how many were seen.
        served: what was earned by deciding as it was drawn, over all that the draw may say.
        before: what other ways earned.
        stood: for how many rows those seen stand.
        all: how many rows there were that have, or would have, a label.
    """

    rows: int
    served: float
    before: dict[str, float]
    stood: float
    all: float


def payoffs(payoff: Payoff, labels: Array, acted: Flags) -> Array:
    """(n,) what each row earns, in the payoff's currency."""
    positive = labels > 0.5
    found: Array = np.where(
        acted,
        np.where(positive, payoff.true_positive, payoff.false_positive),
        np.where(positive, payoff.false_negative, payoff.true_negative),
    )
    return found


def estimated(
    payoff: Payoff, needs: Needs, rows: Decided, others: Mapping[str, Flags] | None = None
) -> Estimated:
    """What was earned, and what ``never``, ``always``, the ``threshold`` alone and ``others`` would have.

    ``others`` decide all n rows each. Rows taken whose label is unknown all the same, because it is late or
    lost, say which share of all rows has one.
    """
    taken, seen = rows.taken(needs), rows.seen(needs)
    drawn = int(np.isfinite(rows.propensities).sum())
    weight, labels = weights(rows.propensities[seen]), rows.labels[seen]
    stood, taken_for = float(weight.sum()), float(weights(rows.propensities[taken]).sum())
    chance, way = rows.propensities[seen], np.full(len(labels), needs == "positive")
    expected = chance * payoffs(payoff, labels, way) + (1 - chance) * payoffs(payoff, labels, ~way)
    ways = {"never": np.zeros_like(way), "always": np.ones_like(way), "threshold": rows.greedy[seen]}
    ways |= {name: acted[seen] for name, acted in (others or {}).items()}
    before = {name: float(weight @ payoffs(payoff, labels, acted)) for name, acted in ways.items()}
    share = stood / taken_for if taken_for else 0.0
    return Estimated(len(labels), float(weight @ expected), before, stood, drawn * share)
