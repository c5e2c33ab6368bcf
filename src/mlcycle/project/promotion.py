"""What a challenger must show, and who is asked."""

from datetime import timedelta
from typing import Annotated

from pydantic import Field

from mlcycle.domain.durations import Span
from mlcycle.project.part import Part


class Gate(Part):
    """What a challenger must show against the champion on the same fresh holdout.

    Paired bootstrap over whole partitions of ``block``: the challenger must be better by at least
    ``min_gain`` (in the metric's unit, positive is better; negative is a margin of non-inferiority
    towards a champion, never towards the zero rule) with ``confidence``, and no slice of at
    least ``min_slice_rows`` rows may get worse by more than ``max_slice_loss``.
    """

    min_gain: float = 0.0
    confidence: Annotated[float, Field(gt=0.5, lt=1)] = 0.9
    block: Span = timedelta(days=1)
    resamples: Annotated[int, Field(ge=100, le=100_000)] = 1000
    min_rows: Annotated[int, Field(ge=10)] = 500
    min_slice_rows: Annotated[int, Field(ge=10)] = 200
    max_slice_loss: Annotated[float, Field(ge=0)] = 0.05


class Approval(Part):
    """Whether a person says yes before a promotion."""

    required: bool = False
    within: Span = timedelta(days=7)
