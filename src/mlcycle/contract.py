"""The step contract: what a step is given and what it answers, as versioned JSON.

The same two documents travel whether a step runs as a process, a Docker container or a
Kubernetes pod. Nothing here holds a secret: those reach a step through its environment only.
A change of either schema that an older reader would not understand needs a new ``VERSION``;
``tests/contract/golden`` holds the published schemas.
"""

import math
from datetime import datetime
from enum import IntEnum, StrEnum
from functools import cache
from importlib.metadata import version
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue

from mlcycle.project_code import current
from mlcycle.revision import revision

VERSION: Final = "mlcycle.step/2"

#: Version 1 knew no status ``waiting``; all else reads the same.
Known = Literal["mlcycle.step/1", "mlcycle.step/2"]


@cache
def platform_version() -> str:
    """The platform's version, and its commit where it is known: ``0.1.0+g1a2b3c4d5e6f``.
    Kept: looking it up takes milliseconds, and a process runs the code that it started with.
    """
    return "+".join(filter(None, (version("mlcycle"), revision())))


def code_version() -> str:
    """The code that a result names: the platform's, and the digest of the project's own where it has any:
    ``0.1.0+g1a2b3c4d5e6f.project-9f8e7d6c5b4a``.
    """
    own = current().digest[:12]
    return f"{platform_version()}.project-{own}" if own else platform_version()


def not_finite(value: Any, at: str = "") -> str:
    """The first NaN or infinity in a JSON value, as ``key.key[2] is nan``; empty where there is none.

    JSON knows neither, PostgreSQL's jsonb refuses both, and a reader in another language would too.
    """
    if isinstance(value, float) and not math.isfinite(value):
        return f"{at or 'the value'} is {value}"
    items: Any = ()
    if isinstance(value, dict):
        items = ((f"{at}.{key}" if at else str(key), item) for key, item in value.items())
    elif isinstance(value, list | tuple):
        items = ((f"{at}[{number}]", item) for number, item in enumerate(value))
    return next((found for where, item in items if (found := not_finite(item, where))), "")


def _finite(value: Any) -> Any:
    if problem := not_finite(value):
        raise ValueError(f"{problem}: a number here is finite; leave out what was not measured")
    return value


#: JSON as it travels: no NaN, no infinity.
Values = Annotated[dict[str, JsonValue], AfterValidator(_finite)]
Numbers = Annotated[dict[str, float], AfterValidator(_finite)]


class Document(BaseModel):
    """Base of the contract's documents: immutable, unknown keys refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Status(StrEnum):
    """How a step ended."""

    OK = "ok"  # it published what was asked for, now or in an earlier attempt of the same work
    SKIPPED = "skipped"  # there was nothing to do: unchanged data, no champion yet
    REJECTED = "rejected"  # the data did not pass
    WAITING = "waiting"  # for something that is not there yet; nothing failed, ``again_at`` says when to look
    FAILED = "failed"


class ExitCode(IntEnum):
    """Exit code of ``mlcycle step``; the operator's retry decision rests on it alone."""

    OK = 0
    RETRY = 10
    FATAL = 20
    REJECTED = 30


class PartitionRange(Document):
    """Partitions from ``first`` to ``last``, both included; keys as ``domain.partitions`` writes them."""

    first: str
    last: str


class Output(Document):
    """Something a step left in the artifact store, by URI and SHA-256."""

    uri: str
    digest: str
    rows: int | None = None
    bytes: int | None = None


class Handover(Document):
    """What one upstream step passes on: its outputs and its small values."""

    outputs: dict[str, Output] = {}
    values: Values = {}


class Origin(Document):
    """Where the request was made, for links and labels; empty outside Airflow."""

    dag_id: str = ""
    run_id: str = ""
    task_id: str = ""
    map_index: int = -1
    try_number: int = 1
    user: str = ""  # who started the run; empty where an asset or the clock did


class Decision(Document):
    """What a person answered when asked, out of the record of whoever asked; never out of parameters."""

    choice: Literal["approve", "reject"]
    user: Annotated[str, Field(min_length=1)]
    user_id: str = ""
    at: datetime
    reason: str = ""


class Request(Document):
    """One piece of work for one step.

    ``work`` names the work: all retries of a task share it, and it is the scope of the fencing
    token. ``project`` is the whole project file, SQL included, so that a step needs no file of
    ours beside it. ``inputs`` holds what each upstream step handed over, one entry per mapped task.
    """

    version: Known = VERSION
    step: Annotated[str, Field(pattern=r"^[a-z][a-z_]{0,40}$")]
    work: Annotated[str, Field(min_length=1, max_length=500)]
    project: dict[str, Any]
    partitions: PartitionRange | None = None
    params: Values = {}
    inputs: dict[str, list[Handover]] = {}
    decision: Decision | None = None  # where the step was put before a person
    origin: Origin = Origin()


class ErrorInfo(Document):
    """Why a step did not end well: a stable kind, one line, and whether to try again."""

    kind: str
    message: str
    retryable: bool


class Result(Document):
    """What a step answers; always written, also when the step fails."""

    version: Known = VERSION
    step: str
    work: str
    status: Status
    message: str = ""
    outputs: dict[str, Output] = {}
    values: Values = {}
    metrics: Numbers = {}
    links: dict[str, str] = {}
    error: ErrorInfo | None = None
    again_at: datetime | None = None  # when a waiting step is to be run again; the slot is free until then
    replayed: bool = False  # published by an earlier attempt of the same work
    started_at: datetime
    seconds: float
    code_version: str

    @property
    def exit_code(self) -> ExitCode:
        """The exit code that tells the same as this document."""
        if self.status in (Status.OK, Status.SKIPPED):
            return ExitCode.OK
        if self.status is Status.REJECTED:
            return ExitCode.REJECTED
        return ExitCode.RETRY if self.error and self.error.retryable else ExitCode.FATAL

    @property
    def handover(self) -> Handover:
        """The part of the result that downstream steps see."""
        return Handover(outputs=self.outputs, values=self.values)
