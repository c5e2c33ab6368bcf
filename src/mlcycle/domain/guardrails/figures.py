"""A figure of the model's own evaluation against its limit.

Where the figure has an interval, all of it must lie beyond the limit for a refusal: luck refuses none. A
figure that is not there is refused: a limit that nothing was put to is none.
"""

from mlcycle.domain.evaluation.document import Document, figure_at
from mlcycle.domain.evaluation.figure import SURE, Figure
from mlcycle.domain.guardrails.finding import Finding


def judged(document: Document | None, path: str, at_most: float | None, at_least: float | None) -> Finding:
    """Refuses where the figure is surely beyond either limit, or is not known.

    Args:
        document: the challenger's evaluation; None where it is no longer kept.
        path: of the figure.
        at_most: one limit, or None.
        at_least: the other, or None.
    """
    name = f"figure {path}"
    limits = [
        *([f"{at_most:g} at most"] if at_most is not None else []),
        *([f"{at_least:g} at least"] if at_least is not None else []),
    ]
    limit = " and ".join(limits)
    found = (
        Figure(None, why="the evaluation is no longer kept: train again")
        if document is None
        else figure_at(document, path)
    )
    if found.value is None:
        return Finding(name, "not measured", limit, False, found.why)
    low = found.value if found.low is None else found.low
    high = found.value if found.high is None else found.high
    broken = (at_most is not None and low > at_most) or (at_least is not None and high < at_least)
    why = (
        f"between {low:.4g} and {high:.4g} with {SURE:.0%}"
        if found.low is not None
        else f"no interval is known{f' ({found.why})' if found.why else ''}"
    )
    return Finding(name, f"{found.value:.4g}", limit, not broken, why, "", found.value, low, high)
