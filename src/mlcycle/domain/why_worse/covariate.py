"""Covariate shift: other rows come than came before, and the label follows from them as ever."""

from mlcycle.domain.why_worse.evidence import Evidence
from mlcycle.domain.why_worse.hypothesis import PENALTY, Hypothesis

MONITORS = ("drift", "dependence", "prediction_drift")


def judged(evidence: Evidence) -> Hypothesis:
    """The model that leaves the predictions free, and bias and slope as they were."""
    found, moved = evidence.told(MONITORS), evidence.moved
    where = tuple(dict.fromkeys(item.subject or item.monitor for item in found))
    figure, verdict = "too few days", "not known"
    misfit: float | None = None
    if moved is not None:
        change, errors = moved
        z = change / errors
        misfit = float(z[1] ** 2 + z[2] ** 2) + PENALTY
        figure = f"mean prediction {change[0]:+.3f} ({z[0]:+.1f} standard errors)"
        alike = abs(z[1]) < 2 and abs(z[2]) < 2
        verdict = (
            "rows are other ones, and labels follow from them as before"
            if alike and (abs(z[0]) > 2 or where)
            else "inputs moved, and that alone does not explain it"
            if where
            else "the same kind of rows as before"
        )
    if where:
        figure += f"; beyond their limits: {', '.join(where)}"
    return Hypothesis(
        "covariate",
        "covariate shift",
        figure,
        verdict,
        "look at the columns named on the drift page; a retrain helps once such rows have labels",
        misfit=misfit,
        where=where,
    )
