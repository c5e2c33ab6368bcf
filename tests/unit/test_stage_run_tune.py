"""A search here and now: its steps in one process, one after the other."""

from datetime import UTC, datetime
from typing import Any

import pytest

from mlcycle.contract import Request, Result, Status
from mlcycle.errors import InputError
from mlcycle.project import Project
from mlcycle.project.file import load_named
from mlcycle.stage_run import run_stage
from tests.conftest import ROOT

NETWORK = {"learning_rate": {"low": 0.001, "high": 0.1, "log": True}}


def project(**searches: Any) -> Project:
    document = load_named(ROOT / "projects", "flights").document()
    for name, candidate in document["candidates"].items():
        candidate["search"] = searches.get(name)
    return Project.model_validate(document)


def lived(spec: Project, ends: dict[str, Status], **params: str) -> list[tuple[str, dict[str, Any]]]:
    """The steps that were run, with their parameters, where some of them end otherwise than ok."""
    asked: list[Request] = []

    def execute(request: Request) -> Result:
        asked.append(request)
        status = ends.get(f"{request.step}.{request.params.get('search', '')}", Status.OK)
        return Result(
            step=request.step, work=request.work, status=status, started_at=datetime.now(UTC), seconds=0,
            code_version="test",
        )  # fmt: skip

    names = [name for name, _ in run_stage(spec, "tune", execute, last="2013-06-01", params=params)]
    return list(zip(names, [request.params for request in asked], strict=True))


def test_each_candidate_with_a_search_is_planned_tried_and_concluded() -> None:
    both = project(boosting={"space": {"max_iter": [10, 20]}}, network={"space": NETWORK})
    assert [name for name, _ in lived(both, {})] == [
        "dataset",
        *("tune_plan.boosting", "tune_plan.network"),
        *("tune_trial.boosting", "tune_trial.network"),
        *("tune_conclude.boosting", "tune_conclude.network"),
    ]
    asked = lived(both, {"tune_plan.network": Status.SKIPPED}, candidate="boosting", trials="5")
    assert [name for name, _ in asked][1:] == [
        "tune_plan.boosting",
        "tune_plan.network",
        "tune_trial.boosting",
        "tune_conclude.boosting",
    ]
    assert asked[3][1] == {"candidate": "boosting", "trials": "5", "search": "boosting"}


def test_what_was_found_is_concluded_where_the_trials_failed_and_nothing_where_the_plan_did() -> None:
    one = project(boosting={"space": {"max_iter": [10, 20]}})
    failed = lived(one, {"tune_trial.boosting": Status.FAILED})
    assert [name for name, _ in failed][-1] == "tune_conclude.boosting"
    assert len(lived(one, {"tune_plan.boosting": Status.FAILED})) == 2


def test_a_project_that_says_nothing_of_what_to_try_is_told_so() -> None:
    with pytest.raises(InputError, match="no candidate of 'flights' has a search"):
        lived(project(), {})
