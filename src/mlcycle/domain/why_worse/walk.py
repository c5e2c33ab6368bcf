"""All hypotheses in order of what speaks for them, and the verdict in one line."""

from collections.abc import Sequence
from typing import Any

from mlcycle.domain.why_worse import (
    concept,
    covariate,
    delivery,
    flattery,
    label_fault,
    label_shift,
    luck,
    skew,
)
from mlcycle.domain.why_worse.evidence import Evidence
from mlcycle.domain.why_worse.hypothesis import ON_RECORD, Hypothesis, ranked, weights

ALL = (delivery, skew, label_fault, covariate, label_shift, concept, flattery, luck)
QUOTING = ("performance", "drift", "dependence", "values", "prediction_drift")  # whose alerts quote the line


def walked(evidence: Evidence) -> list[Hypothesis]:
    """Every hypothesis, the likeliest first.

    The gate's days are a part of what models have to fit wherever served days are the measure: a model that
    does not free them carries their misfit too.
    """
    found = [each.judged(evidence) for each in ALL]
    apart = evidence.held_apart
    if apart is not None:
        beside = float(((apart[0] / apart[1])[1:] ** 2).sum())
        found = [
            each if each.misfit is None or each.name == "flattery" else _with(each, beside) for each in found
        ]
    return ranked(found)


def line(hypotheses: Sequence[Hypothesis]) -> str:
    """What an alert quotes: the first hypothesis, and the second where it is not far behind."""
    first, second = hypotheses[0], hypotheses[1]
    share = weights(list(hypotheses))
    if not known(hypotheses):
        return "why is not known: no check found a fault, and there are too few labelled days to compare with"
    said = f"why, as far as one sees: {first.title}"
    said += f" ({', '.join(first.where[:4])})" if first.where else ""
    close = first.record < ON_RECORD and share.get(second.name, 0) > share.get(first.name, 0) / 3
    return f"{said}; it may also be {second.title}" if close else f"{said}; {first.verdict}"


def known(hypotheses: Sequence[Hypothesis]) -> bool:
    """Whether anything can be said."""
    return hypotheses[0].record >= ON_RECORD or bool(weights(list(hypotheses)))


def quoted(alerts: list[dict[str, Any]], said: str, link: str, picture: str = "") -> list[dict[str, Any]]:
    """Alerts of performance and of shifts with the line; those of performance lead to the page, and show
    its picture.
    """
    found = []
    for alert in alerts:
        if alert["matter"] in QUOTING:
            alert = {**alert, "body": f"{alert['body']}\n{said}"}
            if alert["matter"] == "performance" and link:
                alert |= {"link": link} | ({"picture": picture} if picture else {})
        found.append(alert)
    return found


def _with(each: Hypothesis, more: float) -> Hypothesis:
    from dataclasses import replace

    assert each.misfit is not None
    return replace(each, misfit=each.misfit + more)
