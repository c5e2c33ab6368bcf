"""Steps of a project's own: what they are given, what they hand on, and what they hold of secrets."""

import os
from collections.abc import Callable
from typing import Any

import pytest

from mlcycle.contract import Request, Result, Status
from mlcycle.cycle import ROLES
from mlcycle.domain.step_secrets import secret_names
from mlcycle.orchestration.placement import place
from mlcycle.orchestration.runners.base import run_to_end
from mlcycle.orchestration.runners.process import ProcessRunner
from mlcycle.project import Project
from mlcycle.stage_run import run_stage
from mlcycle.steps.runtime import run_step
from tests.conftest import Platform
from tests.contract.ingest import FLIGHTS, Ingest
from tests.raw_data import request

DAY = "2013-01-02"
STEPS = """
import os

def count(step):
    rows = step.rows("flights")
    step.progress(f"{len(rows)} rows of {step.partitions}")
    step.put("count.txt", str(len(rows)).encode())
    return {"rows": len(rows), "before": step.before[0]["table"], "times": step.params["times"]}

def fails(step):
    raise ConnectionError("the receiver is away")

def odd(step):
    return [1]

def tell(step):
    there = sorted(name for name in os.environ if name.startswith("MLCYCLE_SECRET_"))
    return {"there": there, "length": len(step.secret("CRM"))}

def asks_for_more(step):
    return {"length": len(step.secret("OTHER"))}
"""


def project(**steps: Any) -> Project:
    document = FLIGHTS.document()
    document["code"] = {"files": {"steps.py": STEPS}, "steps": steps}
    return Project.model_validate(document)


@pytest.fixture
def execute(platform: Platform) -> Callable[[Request], Result]:
    return lambda request: run_step(request, platform.settings(ROLES[request.step]))


def test_a_step_sees_its_partitions_and_holds_what_comes_after(
    platform: Platform, execute: Callable[[Request], Result]
) -> None:
    for table in FLIGHTS.source.tables:
        lagging = Ingest(platform, table=table)
        lagging.deliver("2013-01-01")
        lagging.deliver(DAY)
    own = {"run": "steps:count", "stage": "ingest", "after": "publish", "params": {"times": 2}}
    found = dict(run_stage(project(look=own), "ingest", execute, last=DAY))
    assert found["own.look"].status is Status.OK, found["own.look"].message
    rows = found["publish.flights"].values["rows"]
    assert found["own.look"].values == {"rows": rows, "before": "flights", "times": 2}
    stops = {"run": "steps:fails", "stage": "ingest", "after": "validate", "holds": True}
    found = dict(run_stage(project(gate=stops), "ingest", execute, last=DAY))
    assert found["validate.flights"].status is Status.OK
    assert found["own.gate"].error is not None
    assert found["own.gate"].error.retryable
    assert "publish.flights" not in found
    odd = {"run": "steps:odd", "stage": "ingest", "after": "extract"}
    found = dict(run_stage(project(odd=odd), "ingest", execute, last=DAY))
    assert "it is list: say a dict of JSON, or nothing" in found["own.odd"].message
    assert found["publish.flights"].status is Status.SKIPPED  # published before


def test_a_step_holds_the_secrets_of_its_project_alone(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = platform.settings().as_env()
    settings["MLCYCLE_DSN_TRAIN"] = settings.pop("MLCYCLE_WAREHOUSE_DSN")
    planted = {"FLIGHTS__CRM": "planted", "FLIGHTS__OTHER": "unnamed", "FLIGHTS_TOO__CRM": "a neighbour's"}
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    for name, value in planted.items():
        monkeypatch.setenv(f"MLCYCLE_SECRET_{name}", value)
    monkeypatch.delenv("MLCYCLE_STEP_SOCKET", raising=False)
    where = {"stage": "ingest", "after": "publish", "secrets": ["CRM"]}
    spec = project(tell={"run": "steps:tell", **where}, more={"run": "steps:asks_for_more", **where})
    assert secret_names(spec.document(), "own") == ["MLCYCLE_SECRET_FLIGHTS__CRM"]
    said = []
    for name in ("tell", "more"):
        asked = request("own", spec, DAY, work=f"own-{name}", params={"own": name})
        runner = ProcessRunner(os.environ)
        said.append(run_to_end(runner, asked, place(os.environ, spec, "own"), role="train", log=print))
    told, more = said
    assert told.values == {"there": ["MLCYCLE_SECRET_FLIGHTS__CRM"], "length": len("planted")}
    assert more.message == "code.steps.more.secrets does not name 'OTHER': add it"
