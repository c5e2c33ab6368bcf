"""The step operator: the request it makes, and what Airflow is told of the result.

The context is Airflow's in shape only; what a real scheduler makes of it is tried end to end.
"""

from tests import airflow_env  # noqa: F401, I001 - first of all

import json
import os
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mlcycle.cycle import STAGES
from mlcycle.errors import ConfigError, InputError
from mlcycle.project import Project
from mlcycle.project.file import load
from tests.conftest import ROOT, Platform

PROJECT = load(ROOT / "projects" / "flights" / "project.yaml")
RUNNER = "tests.dags.scripted.ScriptedRunner"
RUN_AFTER = datetime(2100, 1, 1, tzinfo=UTC)


class Events(dict[Any, Any]):
    """Airflow's outlet events: one accessor for each outlet."""

    def __missing__(self, asset: Any) -> Any:
        keys: list[str] = []
        self[asset] = SimpleNamespace(keys=keys, add_partitions=keys.append)
        return self[asset]


def operator(stage: str, task_id: str) -> Any:
    from mlcycle.orchestration.stage_dag import stage_dag

    return stage_dag(PROJECT, STAGES[stage]).get_task(task_id)


def context(
    key: str | None = "2013-03-01",
    params: dict[str, Any] | None = None,
    xcoms: dict[str, Any] | None = None,
    run_type: str = "manual",
    **ti: Any,
) -> dict[str, Any]:
    pushed = xcoms or {}

    def pull(task_ids: str | list[str]) -> Any:
        return pushed.get(task_ids) if isinstance(task_ids, str) else [pushed.get(task) for task in task_ids]

    told = {"dag_id": "d", "run_id": "r", "task_id": "t", "map_index": -1, "try_number": 1, "max_tries": 2}
    return {
        "ti": SimpleNamespace(**{**told, **ti}, xcom_pull=pull),
        "dag_run": SimpleNamespace(
            partition_key=key, run_after=RUN_AFTER, run_type=run_type, triggering_user_name="ada"
        ),
        "params": {"partition": None, **(params or {})},
        "outlet_events": Events(),
    }


@pytest.fixture
def script(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Say how the next tries of a step end."""
    monkeypatch.setenv("MLCYCLE_RUNNER", RUNNER)
    monkeypatch.setenv("MLCYCLE_SCRATCH", str(tmp_path))

    def write(**answers: list[dict[str, Any]]) -> None:
        (tmp_path / "script.json").write_text(json.dumps(answers))

    return write


def failed(kind: str, *, retryable: bool, status: str = "failed") -> dict[str, Any]:
    return {"status": status, "error": {"kind": kind, "message": "why it failed", "retryable": retryable}}


def test_the_request_holds_project_partition_variant_inputs_and_origin() -> None:
    handed = {"outputs": {"manifest": {"uri": "file:///x", "digest": "d"}}, "values": {"rows": 3}}
    request = operator("train", "train.boosting").request(
        context(xcoms={"dataset": handed}, dag_id="flights_train", task_id="train.boosting", try_number=2)
    )
    assert (request.step, request.params["candidate"]) == ("train", "boosting")
    assert Project.model_validate(request.project) == PROJECT
    assert (request.partitions.first, request.partitions.last) == ("2013-03-01", "2013-03-01")
    assert request.inputs["dataset"][0].values == {"rows": 3}
    assert (request.origin.task_id, request.origin.try_number) == ("train.boosting", 2)


def test_a_joining_step_gets_every_result_in_the_order_of_the_project() -> None:
    trained = {f"train.{name}": {"values": {"candidate": name}} for name in reversed(PROJECT.candidates)}
    request = operator("train", "evaluate").request(context(xcoms={"dataset": {}, **trained}))
    assert [one.values["candidate"] for one in request.inputs["train"]] == list(PROJECT.candidates)


def test_a_skipped_upstream_step_hands_over_nothing() -> None:
    assert operator("monitor", "monitor").request(context()).inputs == {"labels": []}


def test_retries_share_their_work_and_a_cleared_task_is_new_work() -> None:
    step = operator("score", "score")
    first = step.request(context(try_number=1, max_tries=2)).work
    assert step.request(context(try_number=2, max_tries=2)).work == first
    assert step.request(context(try_number=3, max_tries=4)).work != first
    assert step.request(context(try_number=1, max_tries=2, map_index=1)).work != first


def test_the_form_may_name_the_partition_and_the_first_of_a_range() -> None:
    step = operator("ingest", "flights.extract")
    request = step.request(context(None, {"partition": "2013-05-31", "first": "2013-01-01"}))
    assert (request.partitions.first, request.partitions.last) == ("2013-01-01", "2013-05-31")
    assert "partition" not in request.params


@pytest.mark.parametrize(
    ("key", "params", "message"),
    [
        ("2013-03-01", {"partition": "2013-03-02"}, "give one of them"),
        (None, {}, "an ingest run needs a partition"),
        ("2013-03-01", {"first": "2013-03-02"}, "ends .2013-03-01. before it begins"),
        ("2013-3", {}, "is not a day key"),
    ],
    ids=["two partitions", "none", "backwards", "not a key"],
)
def test_a_wrong_partition_is_refused_in_one_line(
    key: str | None, params: dict[str, Any], message: str
) -> None:
    with pytest.raises(InputError, match=message):
        operator("ingest", "flights.extract").request(context(key, params))


def test_a_warehouse_that_was_never_migrated_is_one_line(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    bare = platform.settings("serve").warehouse_dsn.get_secret_value()
    monkeypatch.setenv("MLCYCLE_DSN_SERVE", bare)
    platform.owner().query("drop schema ledger cascade")
    with pytest.raises(ConfigError, match="without this version's ledger: run `mlcycle migrate`"):
        operator("train", "dataset").request(context(None))


def test_a_run_without_a_key_works_on_the_newest_partition_published_before_it(
    platform: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    from mlcycle.orchestration.presence import newest_partition

    monkeypatch.setenv("MLCYCLE_DSN_SERVE", platform.settings("serve").warehouse_dsn.get_secret_value())
    with pytest.raises(InputError, match="no published partition yet"):
        operator("train", "dataset").request(context(None))
    rows = [
        ("flights", "2013-03-07", "published", "2020-01-01"),
        ("flights", "2013-03-08", "stopped", "2020-01-01"),
        ("arrivals", "2013-03-09", "published", "2020-01-01"),
        ("flights", "2013-03-10", "published", "2020-02-01"),
    ]
    with platform.owner().transaction() as cursor:
        for table, partition, status, published in rows:
            cursor.execute(
                "insert into ledger.batch (project, table_name, partition, status, current, digest, rows, "
                "token, published_at) values ('flights', %s, %s, %s, true, '', 1, 1, %s)",
                (table, partition, status, published),
            )
    assert operator("train", "dataset").request(context(None)).partitions.last == "2013-03-10"
    assert newest_partition(PROJECT, datetime(2020, 1, 15, tzinfo=UTC)) == "2013-03-07"


def test_a_run_without_a_key_names_one_for_its_asset(script: Any) -> None:
    step = operator("retrain", "request_retrain")
    keyless = context(None, {"partition": "2013-03-01", "reason": "why"})
    assert step.execute(keyless) == {"outputs": {}, "values": {}}
    assert [event.keys for event in keyless["outlet_events"].values()] == [["2013-03-01"]]
    keyed = context("2013-03-01")
    step.execute(keyed)
    assert not keyed["outlet_events"]


def test_what_a_step_leaves_is_handed_over_and_linked(script: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLCYCLE_ARTIFACTS_URL", "s3://bucket/store")
    monkeypatch.setenv("MLCYCLE_AIRFLOW_URL", "http://127.0.0.1:8080")
    links = {"drift": "s3://bucket/store/reports/a b.html", "mlflow": "http://127.0.0.1:5000/#/run"}
    script(score=[{"values": {"rows": 5}, "links": links}])
    step = operator("score", "score")
    assert step.execute(context()) == {"outputs": {}, "values": {"rows": 5}}
    shown = {link.name: link.get_link(step, ti_key=None) for link in step.operator_extra_links}
    assert shown == {
        "MLflow run": "http://127.0.0.1:5000/#/run",
        "Drift report": "http://127.0.0.1:8080/mlcycle/reports/a%20b.html",
    }


def test_every_task_shows_every_link(script: Any) -> None:
    reports = {"Validation report", "Drift report", "Why", "Comparison report"}
    reports |= {"Candidates compared", "Model evaluation"}
    links = {"MLflow run", *reports, "What it earns", "What it recommends", "Search"}
    assert {link.name for link in operator("score", "score").operator_extra_links} == links


@pytest.mark.parametrize(
    ("answer", "exception"),
    [
        ({"status": "skipped", "message": "why it failed"}, "AirflowSkipException"),
        (failed("data", retryable=False, status="rejected"), "AirflowFailException"),
        (failed("config", retryable=False), "AirflowFailException"),
        (failed("unavailable", retryable=True), "StepFailed"),
    ],
    ids=["skipped", "rejected", "final", "retryable"],
)
def test_airflow_is_told_whether_to_try_again(script: Any, answer: dict[str, Any], exception: str) -> None:
    script(score=[answer])
    with pytest.raises(Exception, match="score: why it failed") as caught:
        operator("score", "score").execute(context())
    assert type(caught.value).__name__ == exception


def test_a_backfill_says_that_it_is_one() -> None:
    step = operator("ingest", "flights.extract")
    assert step.request(context(run_type="backfill")).params["run_type"] == "backfill"
    assert "run_type" not in step.request(context(run_type="scheduled")).params


def published(caught_up: list[str]) -> dict[str, Any]:
    return {"outputs": {}, "values": {"caught_up": caught_up}}


@pytest.mark.parametrize(
    ("key", "xcoms", "keys"),
    [
        ("2013-03-05", {"flights.publish": published([])}, None),
        (None, {"flights.publish": published([])}, ["2013-03-01"]),
        (
            "2013-03-05",
            {"flights.publish": published(["2013-03-04", "2013-03-02"])},
            ["2013-03-02", "2013-03-04", "2013-03-05"],
        ),
        ("2013-03-05", {"arrivals.publish": published(["2013-03-02"])}, None),
    ],
    ids=["its own", "the form's", "caught up, in order", "another table caught up"],
)
def test_each_partition_that_was_caught_up_with_is_announced(
    key: str | None, xcoms: dict[str, Any], keys: list[str] | None
) -> None:
    announcing = context(key, {"partition": None if key else "2013-03-01"}, xcoms)
    operator("ingest", "announce-raw").execute(announcing)
    assert [event.partition_keys for event in announcing["outlet_events"].values()] == (
        [keys] if keys else []
    )


def test_nothing_published_announces_nothing() -> None:
    from airflow.sdk.exceptions import AirflowSkipException

    with pytest.raises(AirflowSkipException, match="nothing new was published"):
        operator("ingest", "announce-raw").execute(context())


def test_a_step_that_waits_lets_go_of_its_slot_until_then(script: Any) -> None:
    from airflow.sdk.exceptions import AirflowRescheduleException

    script(score=[{**failed("waiting", retryable=True, status="waiting"), "again_in": 600}])
    with pytest.raises(AirflowRescheduleException) as caught:
        operator("score", "score").execute(context())
    assert 590 < (caught.value.reschedule_date - datetime.now(UTC)).total_seconds() <= 600


@pytest.mark.parametrize(
    ("asked", "seconds"),
    [(None, 5), (datetime(2000, 1, 1, tzinfo=UTC), 5), (datetime(2000, 1, 1), 5), (datetime(2999, 1, 1), 86400)],
    ids=["not said", "past", "no zone", "far"],
)  # fmt: skip
def test_a_moment_to_look_again_is_between_seconds_and_a_day_away(
    asked: datetime | None, seconds: int
) -> None:
    from mlcycle.orchestration.operator import _again

    assert abs((_again(asked) - datetime.now(UTC)).total_seconds() - seconds) < 1


@pytest.mark.parametrize(
    ("tries", "exception"),
    [((1, 2), "StepFailed"), ((2, 2), "AirflowFailException"), ((3, 4), "StepFailed"), ((4, 4), "AirflowFailException")],
    ids=["first", "second", "first after clearing", "second after clearing"],
)  # fmt: skip
def test_a_step_that_hung_twice_is_not_tried_a_third_time(
    script: Any, tries: tuple[int, int], exception: str
) -> None:
    script(score=[failed("timeout", retryable=True)])
    with pytest.raises(Exception, match="why it failed") as caught:
        operator("score", "score").execute(context(try_number=tries[0], max_tries=tries[1]))
    assert type(caught.value).__name__ == exception


@pytest.mark.parametrize("stage", list(STAGES))
def test_every_task_that_runs_a_step_has_a_limit_above_the_runners(stage: str) -> None:
    from mlcycle.orchestration.stage_dag import stage_dag

    for task in stage_dag(PROJECT, STAGES[stage]).tasks:
        if task.task_type == "EmptyOperator":  # the scheduler ends it without a worker
            continue
        assert task.execution_timeout is not None, task.task_id
        if step := getattr(task, "step", None):
            assert task.execution_timeout > PROJECT.limits(step.name, task.variant).time


@pytest.mark.parametrize(
    ("stage", "task", "params"),
    [
        ("promote", "promote", {"decision": "approve", "decided_by": "mallory"}),
        ("ingest", "flights.extract", {"table": "weather"}),
        ("retrain", "request_retrain", {"source": "schedule"}),
        ("score", "score", {"first": "2013-01-01"}),
    ],
    ids=["a decision", "another table", "another source", "another stage's"],
)
def test_what_the_form_does_not_declare_is_refused_with_what_it_takes(
    stage: str, task: str, params: dict[str, Any]
) -> None:
    takes = ", ".join(["partition", *STAGES[stage].params])
    with pytest.raises(InputError, match=f"what the form of {stage} has not, .*: it takes {takes}"):
        operator(stage, task).request(context(params=params))


def test_the_one_who_started_a_run_is_in_its_origin_and_in_no_parameter() -> None:
    request = operator("rollback", "rollback").request(context(None, {"to": 1}))
    assert (request.origin.user, request.params) == ("ada", {"to": 1})
    assert request.decision is None


@pytest.mark.parametrize("name", ["kubernets", "no.such.module.Runner"])
def test_an_unknown_runner_is_refused_with_the_names_there_are(name: str) -> None:
    from mlcycle.orchestration.runners.base import make_runner

    with pytest.raises(ConfigError, match=f"MLCYCLE_RUNNER={name}: .*there are process"):
        make_runner(name, {})


def test_ending_a_task_ends_its_step(script: Any, tmp_path: Path) -> None:
    from mlcycle.orchestration.placement import place
    from mlcycle.orchestration.runners.base import make_runner

    step = operator("score", "score")
    step.on_kill()  # before anything was started
    step._runner = make_runner(RUNNER, os.environ)
    step._handle = step._runner.submit(
        step.request(context()), place(os.environ, PROJECT, "score"), role="train"
    )
    step.on_kill()
    assert (tmp_path / "killed").exists()
