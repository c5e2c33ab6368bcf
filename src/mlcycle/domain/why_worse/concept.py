"""Concept shift: the same inputs lead to another label. It is seen where slices differ in it."""

from mlcycle.domain.why_worse.evidence import Evidence
from mlcycle.domain.why_worse.hypothesis import PENALTY, Hypothesis


def slices(evidence: Evidence) -> tuple[str, ...]:
    """Slices that got worse as against all other rows."""
    return tuple(each.subject for each in evidence.verdicts if each.subject and each.declined)


def relation(evidence: Evidence) -> tuple[float, str] | None:
    """The misfit of a model that leaves bias and slope free and predictions as they were; and the figure."""
    if evidence.moved is None:
        return None
    change, errors = evidence.moved
    z = change / errors
    figure = f"bias {change[1]:+.2f} ({z[1]:+.1f} standard errors), slope {change[2]:+.2f} ({z[2]:+.1f})"
    return float(z[0] ** 2) + 2 * PENALTY, figure


def judged(evidence: Evidence) -> Hypothesis:
    """Fits where the relation changed and slices differ in it."""
    found, where = relation(evidence), slices(evidence)
    misfit, figure = (None, "too few days") if found is None else found
    if where:
        figure += f"; worse than all other rows: {', '.join(where)}"
        misfit = 2 * PENALTY if misfit is None else min(misfit, 2 * PENALTY)
        misfit -= 2 * PENALTY  # a slice's verdict is evidence of its own, and as strong as a page
        verdict = "what inputs lead to changed in these slices"
    else:
        verdict = "no slice stands out: if the relation changed it did so everywhere"
        misfit = None if misfit is None else misfit + PENALTY
    return Hypothesis(
        "concept",
        "concept shift",
        figure,
        verdict,
        "look at what changed there (a rule, a supplier, a machine); train again once days of it have labels",
        misfit=misfit,
        where=where,
    )
