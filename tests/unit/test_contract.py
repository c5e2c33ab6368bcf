"""What a result says with its exit code and hands to the next step."""

from datetime import UTC, datetime

import pytest
from pydantic import ValidationError

from mlcycle.contract import ErrorInfo, ExitCode, Handover, Output, Request, Result, Status


def result(status: Status, error: ErrorInfo | None = None) -> Result:
    return Result(
        step="train",
        work="w",
        status=status,
        error=error,
        outputs={"model": Output(uri="u", digest="d")},
        values={"run": 1},
        metrics={"seconds": 2.0},
        started_at=datetime(2013, 1, 1, tzinfo=UTC),
        seconds=0.5,
        code_version="0.1.0",
    )


@pytest.mark.parametrize(
    ("status", "retryable", "code"),
    [
        (Status.OK, None, ExitCode.OK),
        (Status.SKIPPED, None, ExitCode.OK),
        (Status.REJECTED, None, ExitCode.REJECTED),
        (Status.REJECTED, True, ExitCode.REJECTED),
        (Status.FAILED, True, ExitCode.RETRY),
        (Status.FAILED, False, ExitCode.FATAL),
        (Status.FAILED, None, ExitCode.FATAL),
    ],
    ids=str,
)
def test_the_exit_code_says_what_the_result_says(
    status: Status, retryable: bool | None, code: ExitCode
) -> None:
    error = None if retryable is None else ErrorInfo(kind="k", message="m", retryable=retryable)
    assert result(status, error).exit_code is code


def test_exit_codes_are_the_published_ones() -> None:
    assert {code.name: int(code) for code in ExitCode} == {"OK": 0, "RETRY": 10, "FATAL": 20, "REJECTED": 30}


def test_outputs_and_values_are_handed_over_and_nothing_else() -> None:
    given = result(Status.OK)
    assert given.handover == Handover(outputs=given.outputs, values={"run": 1})


@pytest.mark.parametrize(
    "change",
    [
        {"step": "Train"},
        {"step": ""},
        {"work": ""},
        {"work": "w" * 501},
        {"version": "mlcycle.step/3"},
        {"more": 1},
    ],
    ids=["capital", "no-step", "no-work", "long-work", "newer", "unknown-key"],
)
def test_a_request_that_is_none_is_refused(change: dict[str, object]) -> None:
    good = {"step": "train", "work": "w", "project": {}}
    assert Request.model_validate(good).partitions is None
    with pytest.raises(ValidationError):
        Request.model_validate({**good, **change})
