"""A label fault: labels that are late, missing, of another definition, or simply wrong.

From rows alone wrong labels cannot be told from a relation that changed everywhere at once. What speaks for
the fault is just that: everywhere at once, and inputs as ever.
"""

from mlcycle.domain.why_worse.concept import relation, slices
from mlcycle.domain.why_worse.evidence import Evidence
from mlcycle.domain.why_worse.hypothesis import Hypothesis

ENOUGH = 0.9  # of rows have a label


def judged(evidence: Evidence) -> Hypothesis:
    """On record where the definition changed or labels are missing; else a relation changed everywhere."""
    found, where = relation(evidence), slices(evidence)
    misfit, figure = (None, "too few days") if found is None else found
    figure = f"{evidence.labelled:.0%} of rows have labels; {figure}"
    record, verdict = 0.0, "labels are there and mean what they meant"
    if evidence.definition:
        record, verdict = 0.9, f"the label is defined otherwise: {evidence.definition}"
    elif evidence.labelled < ENOUGH:
        record, verdict = 0.5, "labels are missing: those that are there may be of other rows than usual"
    elif where:
        misfit, verdict = None, "slices differ, which wrong labels rarely do"
    elif misfit is not None and evidence.declined:
        verdict = "everywhere at once with inputs as ever: check labels first, then think of a concept"
    return Hypothesis(
        "label_fault",
        "a label fault, or another definition of the label",
        figure,
        verdict,
        "compare a few labels with their source by hand; ask who changed how they are made",
        record,
        misfit,
    )
