"""One table of what each stage's steps take: what a form has, and what the platform gives."""

import ast

import pytest

from mlcycle.cycle import GIVEN, STAGES
from tests.conftest import ROOT

#: What a step runs once for.
EACH = {"table", "candidate", "search"}


def read_by(step: str) -> set[str]:
    """Names that a step's own file reads of its request's parameters."""
    tree = ast.parse((ROOT / "src" / "mlcycle" / "steps" / f"{step}.py").read_text())
    calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
    named = [
        call.args for call in calls if isinstance(call.func, ast.Attribute) and call.func.attr == "param"
    ]
    named += [
        call.args[1:]
        for call in calls
        if isinstance(call.func, ast.Name) and call.func.id in ("_number", "_one_of")
    ]
    return {args[0].value for args in named if args and isinstance(args[0], ast.Constant)}


@pytest.mark.parametrize("step", sorted({step.name for stage in STAGES.values() for step in stage.steps}))
def test_a_step_reads_no_parameter_that_nobody_can_give(step: str) -> None:
    stages = [stage for stage in STAGES.values() if step in {each.name for each in stage.steps}]
    takes = {name for stage in stages for name in stage.params} | EACH | set(GIVEN)
    assert read_by(step) <= takes


def test_the_parameters_are_looked_for_where_they_are_read() -> None:
    assert {"reason", "to"} <= read_by("rollback")
    assert {"trials", "method", "candidate"} <= read_by("tune_plan")


@pytest.mark.parametrize(
    ("stage", "given", "refusal"),
    [
        ("ingest", ["frist"], "'frist': it takes first: did you mean 'first'?"),
        ("tune", ["trails"], "'trails': it takes partition, candidate, trials"),
        ("rollback", ["to", "reason"], ""),
    ],
    ids=["slip", "list", "fine"],
)
def test_an_unknown_parameter_is_said_with_what_there_is(stage: str, given: list[str], refusal: str) -> None:
    also = ["partition"] if stage == "tune" else []
    said = STAGES[stage].refusal(given, also=also)
    assert said.startswith(refusal) if refusal else not said
    assert said.endswith("?") is bool(refusal)
