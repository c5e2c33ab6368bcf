"""The cycle's plan holds together."""

from dataclasses import dataclass

import pytest

from mlcycle.cycle import ALL_ROLES, OWN, ROLES, STAGES, WISH, WISHES, check_own, with_own
from mlcycle.errors import ConfigError


@dataclass(frozen=True)
class Mine:
    stage: str
    after: str
    holds: bool = False


def test_every_step_has_a_role_and_every_role_is_known() -> None:
    steps = {step.name for stage in STAGES.values() for step in stage.steps}
    assert steps | {OWN} == set(ROLES)
    assert set(ROLES.values()) < set(ALL_ROLES)


def test_steps_follow_steps_of_their_own_stage() -> None:
    for stage in STAGES.values():
        seen: set[str] = set()
        for step in stage.steps:
            assert set(step.after) <= seen, f"{stage.name}.{step.name} comes before what it follows"
            seen.add(step.name)


def test_what_starts_a_stage_is_emitted_by_another() -> None:
    emitted = {step.emits for stage in STAGES.values() for step in stage.steps if step.emits}
    assert WISH in emitted
    emitted |= set(WISHES.values())
    wanted = {asset for stage in STAGES.values() for asset in stage.starts_on}
    assert wanted - {"labels"} <= emitted  # labels are the label table's raw


def test_only_promotions_write_the_champion() -> None:
    assert {name for name, role in ROLES.items() if role == "promote"} == {"promote", "rollback", "reconcile"}


def test_a_step_of_ones_own_follows_its_step_and_holds_the_next_where_it_says_so() -> None:
    own = {"look": Mine("ingest", "validate"), "gate": Mine("train", "dataset", holds=True)}
    ingest = with_own(STAGES["ingest"], own)
    assert [step.name for step in ingest.steps] == ["extract", "validate", OWN, "publish", "alert"]
    assert ingest.steps[2].variant == "look"
    assert ingest.steps[3] == STAGES["ingest"].steps[2]
    train = {step.name: step.after for step in with_own(STAGES["train"], own).steps}
    assert train["train"] == ("dataset", OWN)
    assert train["evaluate"] == ("dataset", "train", OWN)
    assert train["register"] == ("evaluate",)
    assert with_own(STAGES["score"], own) == STAGES["score"]


def test_a_step_of_ones_own_that_stands_nowhere_is_refused_in_one_line() -> None:
    check_own({"a": Mine("score", "score")})
    with pytest.raises(ConfigError, match="no stage 'scoring': there are ingest"):
        check_own({"a": Mine("scoring", "score")})
    with pytest.raises(ConfigError, match="stage score has no step 'train': it has score"):
        check_own({"a": Mine("score", "train")})
