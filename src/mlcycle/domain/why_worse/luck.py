"""Plain luck: days differ."""

from mlcycle.domain.why_worse.evidence import Evidence
from mlcycle.domain.why_worse.hypothesis import Hypothesis


def judged(evidence: Evidence) -> Hypothesis:
    """The model in which nothing moved, and what the performance monitor says of chance."""
    whole = evidence.verdicts[0] if evidence.verdicts else None
    misfit = None
    if evidence.moved is not None:
        change, errors = evidence.moved
        misfit = float(((change / errors) ** 2).sum())
    figure = (
        f"days differ this much in a share {whole.p_value:.2g} of looks, {whole.limit:.2g} would be a page"
        if whole
        else "too few days to speak of chance"
    )
    verdict = (
        "no: it is more than days differ anyway" if evidence.declined else "days differ by as much anyway"
    )
    return Hypothesis("luck", "plain luck", figure, verdict, "wait for more labelled days", misfit=misfit)
