"""What a project may say of folds, and what is refused."""

from datetime import timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from mlcycle.domain.folds import Forward, Grouped, KFold, LeaveOneGroupOut, Purged, Stratified
from mlcycle.project import Project
from mlcycle.project.cross_validation import CrossValidation
from mlcycle.project.file import load_named
from tests.conftest import ROOT

DAY = timedelta(days=1)


@pytest.mark.parametrize(
    ("said", "made"),
    [
        ({"policy": "k_fold"}, KFold(5, 17)),
        ({"policy": "k_fold", "folds": 3, "seed": 0}, KFold(3, 0)),
        ({"policy": "stratified", "folds": 4}, Stratified(4, 17)),
        ({"policy": "group", "group": "carrier", "folds": 3}, Grouped(3)),
        ({"policy": "leave_one_group_out", "group": "carrier"}, LeaveOneGroupOut()),
        ({"policy": "time_series", "folds": 3}, Forward(3, DAY, timedelta(0))),
        ({"policy": "purged", "embargo": "2 days"}, Purged(5, DAY, 2 * DAY)),
    ],
    ids=lambda value: value.get("policy") if isinstance(value, dict) else "",
)
def test_a_policy_becomes_the_domain_s(said: dict[str, Any], made: Any) -> None:
    plan = CrossValidation.model_validate(said).plan(DAY)
    assert plan.policy == made
    assert plan.group == said.get("group", "")


@pytest.mark.parametrize(
    ("said", "says"),
    [
        ({"policy": "bootstrap"}, "Input should be 'k_fold'"),
        ({"policy": "k_fold", "folds": 1}, "greater than or equal to 2"),
        ({"policy": "group"}, "needs group, the column whose rows stay together"),
        ({"policy": "purged", "group": "carrier"}, "looks at no group"),
        ({"policy": "stratified", "embargo": "1 day"}, "knows no time: say policy purged"),
        ({"policy": "time_series", "seed": 3}, "leaves nothing to chance"),
        ({"policy": "leave_one_group_out", "group": "carrier", "folds": 5}, "has a fold for each group"),
        ({"policy": "k_fold", "shuffle": True}, "Extra inputs are not permitted"),
    ],
    ids=["policy", "one fold", "no group", "group", "embargo", "seed", "folds", "unknown key"],
)
def test_nonsense_is_refused(said: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        CrossValidation.model_validate(said)


def test_the_group_s_column_is_in_the_dataset_and_must_exist() -> None:
    document = load_named(ROOT / "projects", "flights").document()
    document["split"]["cross_validation"] = {"policy": "group", "group": "tailnum", "folds": 3}
    project = Project.model_validate(document)
    assert project.dataset_columns[-1] == "tailnum"
    assert Project.model_validate(project.document()) == project
    document["split"]["cross_validation"]["group"] = "pilot"
    with pytest.raises(
        ValidationError, match=r"split\.cross_validation\.group 'pilot' is in no table or view"
    ):
        Project.model_validate(document)
