"""The cycle's plan holds together."""

from mlcycle.cycle import ALL_ROLES, ROLES, STAGES, WISH, WISHES


def test_every_step_has_a_role_and_every_role_is_known() -> None:
    steps = {step.name for stage in STAGES.values() for step in stage.steps}
    assert steps == set(ROLES)
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
