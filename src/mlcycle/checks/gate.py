"""Whether a gate can be passed at all: what is known of the holdout before there is data."""

from collections.abc import Iterator

from mlcycle.domain.durations import format_duration
from mlcycle.domain.interval import MIN_BLOCKS
from mlcycle.domain.ranking_names import PARTS as OF_LISTS
from mlcycle.project import Project
from mlcycle.project.misfit import Misfit

#: Metrics whose best and worst value lie 1 apart: no gain is larger.
WITHIN_ONE = frozenset(("roc_auc", "macro_roc_auc", "accuracy", "macro_f1", "brier", *OF_LISTS))


def check_gate(project: Project) -> Iterator[Misfit]:
    """A holdout of too few blocks to judge on, and a gain that no challenger can show."""
    gate, holdout = project.gate, project.split.holdout
    blocks = holdout // gate.block
    if blocks < MIN_BLOCKS:
        yield Misfit(
            f"split.holdout, {format_duration(holdout)}, holds {blocks} whole blocks of "
            f"{format_duration(gate.block)}, and nothing is judged on fewer than {MIN_BLOCKS}: "
            "shorten gate.block, or lengthen split.holdout",
            *("gate", "block"),
        )
    metric = project.evaluation.metric
    if metric in WITHIN_ONE and gate.min_gain >= 1:
        yield Misfit(
            f"no challenger is better by {gate.min_gain:g}: {metric} lies between 0 and 1; "
            "say the gain that is worth a change, like 0.005",
            *("gate", "min_gain"),
        )
