"""Holdout overfit: the test was too good, and production is as it always was."""

import numpy as np

from mlcycle.domain.why_worse.evidence import KNOWN, Evidence
from mlcycle.domain.why_worse.hypothesis import PENALTY, Hypothesis

TITLE = "the test flattered (holdout overfit)"
TODO = "count looks at the holdout; judge the next model on days that nobody has looked at"


def judged(evidence: Evidence) -> Hypothesis:
    """The model in which days now are as days served before, and the gate's days are free."""
    looks = f"{evidence.looks} looks at the gate's rows, the best of {evidence.candidates} candidates"
    if evidence.moved is None or evidence.held_apart is None:
        few = f"fewer than {KNOWN} days were served before to compare the test with"
        return Hypothesis("flattery", TITLE, f"{looks}; {few}", "not known", TODO)
    now, held = (change / errors for change, errors in (evidence.moved, evidence.held_apart))
    loss = [float(np.nanmean(days.whole[:, -1])) for days in (evidence.held, evidence.basis, evidence.now)]
    better = loss[0] < min(loss[1], loss[2])
    misfit = float((now**2).sum()) + 2 * PENALTY
    return Hypothesis(
        "flattery",
        TITLE,
        f"{looks}; on the gate's days slope {held[2]:+.1f} and bias {held[1]:+.1f} standard errors "
        f"from what was served before, now {now[2]:+.1f} and {now[1]:+.1f}",
        "production is what it was, the test alone was better"
        if better and (np.abs(held[1:]) > 2).any()
        else "the test was what production is",
        TODO,
        misfit=misfit if better else None,
    )
