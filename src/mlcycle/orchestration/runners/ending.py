"""How a step's end is told, whatever ran it: the result it wrote, or the one that is made in its place."""

import json
from datetime import UTC, datetime, timedelta

from pydantic import ValidationError

from mlcycle.contract import ErrorInfo, Request, Result, Status, code_version
from mlcycle.domain.durations import format_duration

RESULT_BYTES = 16 * 1024 * 1024


def read_result(data: bytes, work: str) -> Result | None:
    """The result in these bytes, if it is one and of this work."""
    if len(data) > RESULT_BYTES:
        return None
    try:
        result = Result.model_validate(json.loads(data))
    except (ValueError, ValidationError):
        return None
    return result if result.work in (work, "unknown") else None


def failed(request: Request, started_at: datetime, error: ErrorInfo) -> Result:
    """The result of a step that left none."""
    return Result(
        step=request.step,
        work=request.work,
        status=Status.FAILED,
        message=error.message,
        error=error,
        started_at=started_at,
        seconds=round((datetime.now(UTC) - started_at).total_seconds(), 3),
        code_version=code_version(),
    )


def told(duration: timedelta) -> str:
    """A duration for people, to the second."""
    whole = timedelta(seconds=round(duration.total_seconds()))
    return format_duration(whole) if whole and whole.total_seconds() % 60 == 0 else str(whole)


def over_time(given: timedelta) -> ErrorInfo:
    """Why a step was ended that took longer than it may."""
    message = (
        f"the step was ended after {told(given)}, the time it may take: "
        "see its log for what it waited for, or give it more under steps in the project file"
    )
    return ErrorInfo(kind="timeout", message=message, retryable=True)


def out_of_memory(given: float) -> ErrorInfo:
    """Why a step was ended that used more memory than the bytes it may."""
    message = (
        f"the step was ended: out of memory, it used more than the {given / 1024**3:.2f} GiB it may use; "
        "give it more under steps in the project file, or smaller work"
    )
    return ErrorInfo(kind="memory", message=message, retryable=False)


def ended_with(code: int | None, why: str = "") -> ErrorInfo:
    """Why a step left no result that ended with this exit code of a container, for a reason that was told."""
    how = f"ended with exit code {code}"
    if code and code > 128:
        how = f"was killed by signal {code - 128} (exit code {code})"
    reason = f": {' '.join(why.split())[:300]}" if why else ""
    message = f"the step {how} and left no result{reason}; it will be tried again"
    return ErrorInfo(kind="killed", message=message, retryable=True)
