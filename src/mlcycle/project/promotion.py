"""What a challenger must show, and who is asked."""

from datetime import timedelta
from typing import Annotated

from pydantic import Field

from mlcycle.domain.durations import Span
from mlcycle.project.guardrails import Guardrails
from mlcycle.project.part import Part


class Gate(Part):
    """What a challenger must show against the champion on the same fresh holdout.

    Judged over whole stretches of ``block``, at least five: the challenger must be better by at least
    ``min_gain`` (in the metric's unit, positive is better; negative is a margin of non-inferiority
    towards a champion, never towards the zero rule and the heuristic) with ``confidence``. It must not be
    worse than the best model ever proven, the anchor, by more than that margin either, with
    ``anchor_confidence``, or be better than it at all with .95; that takes the anchor's place which is better
    than it with ``anchor_confidence``. And no slice of at least ``min_slice_rows`` rows may surely get worse,
    and by more than ``max_slice_loss``. ``guardrails`` are limits that no gain buys off.
    """

    min_gain: float = 0.0
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.9
    anchor_confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.99
    block: Span = timedelta(days=1)
    refit: bool = True  # what passed is trained again on all rows up to its date, and that is served
    min_rows: Annotated[int, Field(ge=10)] = 500
    min_slice_rows: Annotated[int, Field(ge=10)] = 30
    max_slice_loss: Annotated[float, Field(ge=0)] = 0.05
    guardrails: Guardrails = Guardrails()


class Approval(Part):
    """Whether a person says yes before a promotion."""

    required: bool = False
    within: Span = timedelta(days=7)
