"""A delivery that is missing, short, or full of holes."""

from mlcycle.domain.why_worse.evidence import Evidence
from mlcycle.domain.why_worse.hypothesis import Hypothesis

MONITORS = ("gaps", "volume", "missing", "values")


def judged(evidence: Evidence) -> Hypothesis:
    """On record where a monitor of the data found something in the window."""
    found = [
        *evidence.told(MONITORS),
        *(i for i in evidence.found if i.monitor == "drift" and i.status == "error"),
    ]
    where = tuple(dict.fromkeys(item.subject or item.monitor for item in found))
    paged = any(item.status in ("page", "error") for item in found)
    figure = "; ".join(f"{item.subject or item.monitor}: {item.message}" for item in found[:4])
    return Hypothesis(
        "delivery",
        "a delivery fault, or a schema that changed",
        figure or "nothing is missing, short, out of range or unheard of",
        "a monitor of the data found it; what the model says of such rows is worth little"
        if found
        else "no sign",
        "ask the source; deliver the partitions again and let the cycle take them up",
        1.0 if paged else 0.8 if found else 0.0,
        where=where,
    )
