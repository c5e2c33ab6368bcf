"""What a step may use: wall-clock time, memory, threads, tries. Defaults by step, written down here alone.

A project changes some of them under ``steps``; a candidate's ``resources`` go above those of ``train``.
The defaults are generous: they are there so that a step that hangs or runs away ends by itself, with a
line that says so, and never holds its project for ever.
"""

from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Annotated

from pydantic import Field, field_validator

from mlcycle.domain.durations import Duration
from mlcycle.project.part import Part, written_as

Cpu = Annotated[float, Field(gt=0, le=256)]
Memory = Annotated[str, written_as(r"^\d{1,6}(Mi|Gi)$", "an amount of memory: write it like 512Mi or 4Gi")]
_UNITS = {"Mi": 1024**2, "Gi": 1024**3}


class StepLimits(Part):
    """What a project says about one of its steps; what it leaves out stays as by default."""

    time: Duration | None = None
    cpu: Cpu | None = None
    memory: Memory | None = None
    retries: Annotated[int, Field(ge=0, le=20)] | None = None

    @field_validator("time")
    @classmethod
    def _time_is_bounded(cls, time: timedelta | None) -> timedelta | None:
        if time is not None and not timedelta(minutes=1) <= time <= timedelta(days=14):
            raise ValueError(f"{time} is not between a minute and 14 days")
        return time


@dataclass(frozen=True)
class Limits:
    """What one run of a step may use. ``memory`` in bytes, ``retries`` beside the first try.

    ``cpu``, ``memory`` and ``gpu`` are those of one node; a step on several ``nodes`` has them on each.
    """

    time: timedelta
    memory: int
    cpu: float = 1
    retries: int = 2
    gpu: int = 0
    gpu_kind: str = ""  # a name of the deployment's; empty is any
    nodes: int = 1
    spot: bool = False  # may run where a node can be taken away


_SHORT, _HOUR, _LONG = timedelta(minutes=15), timedelta(hours=1), timedelta(hours=6)
_SMALL, _LARGE = 2 * _UNITS["Gi"], 6 * _UNITS["Gi"]

DEFAULTS: dict[str, Limits] = {
    "extract": Limits(_HOUR, _SMALL),
    "absent": Limits(_SHORT, _SMALL),
    "validate": Limits(_HOUR, _LARGE),  # Great Expectations holds a delivery as a data frame
    "publish": Limits(_HOUR, _SMALL),
    "features": Limits(_LONG, _SMALL),  # a new view over all of history
    "materialize": Limits(_HOUR, _LARGE),
    "dataset": Limits(_LONG, _LARGE),
    "train": Limits(_LONG, _LARGE),
    "evaluate": Limits(_HOUR, _LARGE),
    "register": Limits(_SHORT, _LARGE),
    "compare": Limits(_HOUR, _LARGE),
    "refit": Limits(_LONG, _LARGE),
    "fit_shadow": Limits(_LONG, _LARGE),
    "shadow": Limits(_HOUR, _LARGE),
    "tune_plan": Limits(_SHORT, _LARGE),
    "tune_trial": Limits(_LONG, _LARGE),
    "tune_conclude": Limits(_HOUR, _LARGE),
    "promote": Limits(_SHORT, _LARGE),
    "reconcile": Limits(_SHORT, _LARGE),
    "score": Limits(_HOUR, _LARGE),
    "labels": Limits(_HOUR, _SMALL),
    "monitor": Limits(_HOUR, _LARGE),
    "alert": Limits(_SHORT, _SMALL),
    "request_retrain": Limits(_SHORT, _SMALL),
    "rollback": Limits(_SHORT, _LARGE),
    "own": Limits(_HOUR, _LARGE),
}

#: Steps that fit a candidate, with its resources.
FITS = ("train", "refit", "fit_shadow", "tune_trial")
#: Steps that make and judge models: what a retrain's budget of hours and money is spent on.
TRAINING = ("dataset", "train", "refit", "fit_shadow", "evaluate", "register", "compare", "shadow")


def parse_memory(text: str) -> int:
    """Bytes of ``512Mi`` or ``4Gi``."""
    return int(text[:-2]) * _UNITS[text[-2:]]


def changed(limits: Limits, by: StepLimits) -> Limits:
    """These limits with what a project says in their place."""
    said = by.model_dump(exclude_none=True, include={"cpu", "retries"})
    if by.time is not None:
        said["time"] = by.time
    if by.memory is not None:
        said["memory"] = parse_memory(by.memory)
    return replace(limits, **said)
