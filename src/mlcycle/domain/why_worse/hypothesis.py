"""A hypothesis and how it stands; and models of what happened that are told apart by how well they fit.

Faults that are on record come first, however well a shift would fit beside them: they explain it. Shifts, a
flattering test and luck are models of how the days' readings moved, compared by their misfit and how much
they leave free (G. Schwarz, "Estimating the dimension of a model", Annals of Statistics 6, 1978).
"""

from dataclasses import dataclass, field

import numpy as np

PENALTY = float(np.log(14))  # of each free parameter: of about so many days
ON_RECORD = 0.5  # from here on a fault is the first thing to look at


@dataclass(frozen=True)
class Hypothesis:
    """One possible cause.

    Args:
        name: short, for machines.
        title: for people.
        figure: what was measured.
        verdict: what that means, in words.
        todo: what to do if it is so.
        record: between 0 and 1, how far it is on record (a fault that a check found).
        misfit: how badly it fits what was read, penalty and all; None where it is no model of that.
        where: slices, columns or tables.
    """

    name: str
    title: str
    figure: str
    verdict: str
    todo: str
    record: float = 0.0
    misfit: float | None = None
    where: tuple[str, ...] = field(default=())


def weights(hypotheses: list[Hypothesis]) -> dict[str, float]:
    """By name, how likely each model is among those that fit; they add up to 1."""
    told = {each.name: each.misfit for each in hypotheses if each.misfit is not None}
    if not told:
        return {}
    least = min(told.values())
    raw = {name: float(np.exp(-(misfit - least) / 2)) for name, misfit in told.items()}
    return {name: value / sum(raw.values()) for name, value in raw.items()}


def ranked(hypotheses: list[Hypothesis]) -> list[Hypothesis]:
    """Faults on record first, then models by how well they fit, then the rest."""
    share = weights(hypotheses)

    def order(each: Hypothesis) -> tuple[float, float]:
        on_record = each.record if each.record >= ON_RECORD else 0.0
        return -on_record, -share.get(each.name, 0.0)

    return sorted(hypotheses, key=order)
