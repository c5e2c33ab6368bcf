"""Features that were other ones when rows were served than what training sees."""

from mlcycle.domain.why_worse.evidence import Evidence
from mlcycle.domain.why_worse.hypothesis import Hypothesis


def judged(evidence: Evidence) -> Hypothesis:
    """On record where served rows get another answer today."""
    looked = [item for item in evidence.found if item.monitor == "served_again"]
    found = [item for item in looked if item.status in ("warn", "page")]
    inputs = tuple(name for item in found for name in item.details.get("inputs", {}))
    said = "; ".join(item.message for item in looked)
    return Hypothesis(
        "skew",
        "feature skew between training and serving",
        said or "no served row was scored again in this window",
        "served rows get another answer today: training learnt from values that serving did not have"
        if found
        else "served rows get the same answer today"
        if looked
        else "not known",
        "date the input's view later, or give its table a longer lag, and train anew",
        0.9 if any(item.status == "page" for item in found) else 0.6 if found else 0.0,
        where=inputs,
    )
