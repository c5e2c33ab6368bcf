"""DAGs out of project files: which there are, how they hang together, and what a wrong file costs."""

import os
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from mlcycle.cycle import STAGES
from mlcycle.project.file import load
from tests.dags.conftest import ROOT, Bag, copy_project

HEAVY = ["mlflow", "torch", "sklearn", "pandas", "pyarrow", "feast", "great_expectations", "evidently"]
HEAVY += ["duckdb", "onnxruntime", "numpy", "optuna"]
ENDS = {"alert-failed", "nothing-failed"}  # of every run
OWN = "mlcycle_housekeeping"  # the platform's DAG, whatever projects there are


def edges(dag: Any) -> dict[str, set[str]]:
    return {task.task_id: set(task.upstream_task_ids) for task in dag.tasks}


def serialized(dag: Any) -> Any:
    from airflow.serialization.serialized_objects import DagSerialization

    return DagSerialization.from_dict(DagSerialization.to_dict(dag))


def test_every_project_of_the_repository_gives_a_dag_for_each_stage(bag: Bag) -> None:
    found = bag(ROOT / "projects")
    names = [path.parent.name for path in (ROOT / "projects").glob("*/project.yaml")]
    assert not found.import_errors
    assert "flights" in names
    own = found.dags.pop(OWN)
    assert [task.task_id for task in own.tasks] == ["prune"]
    serialized(own)
    stages = set(STAGES) - {"alerts", "tune"}
    # Only what says what to try is searched.
    assert set(found.dags) == {f"{name}_{stage}" for name in names for stage in stages} | {"flights_tune"}
    for dag in found.dags.values():
        assert dag.doc_md
        assert dag.is_paused_upon_creation is False
        assert {"mlcycle", dag.dag_id.rsplit("_", 1)[0]} <= set(dag.tags)
        serialized(dag)


def test_steps_of_ones_own_are_tasks_between_the_platform_s(bag: Bag, tmp_path: Path) -> None:
    steps = """code:
  steps:
    send: {run: "steps:send", stage: score, after: score}
    look: {run: "steps:look", stage: train, after: dataset, holds: true}
candidates:"""
    file = copy_project(tmp_path, "own", ("candidates:", steps))
    (file.parent / "steps.py").write_text("raise SystemExit('no file of a project is imported here')\n")
    found = bag(tmp_path)
    assert not found.import_errors
    score, train = (edges(found.dags[f"own_{stage}"]) for stage in ("score", "train"))
    assert score["own.send"] == {"score"}
    assert train["own.look"] == {"dataset"}
    names = [name for name in train if name.startswith("train.")]
    assert names
    assert all(train[name] == {"dataset", "own.look"} for name in names)
    assert train["register"] == {"evaluate"}
    serialized(found.dags["own_train"])
    text = file.read_text()
    file.write_text(text.replace("after: score", "after: scored"))
    wrong = bag(tmp_path).import_errors
    assert "code.steps.send: stage score has no step" in str(wrong)


def test_ingest_waits_for_late_tables_and_announces_the_partition_once(bag: Bag) -> None:
    dag = bag(ROOT / "projects").dags["flights_ingest"]
    everything = set(dag.task_ids) - ENDS
    assert edges(dag) == {
        **dict.fromkeys(ENDS, everything),
        "flights.extract": set(),
        "flights.validate": {"flights.extract"},
        "flights.publish": {"flights.validate"},
        "arrivals.extract": set(),
        "arrivals.validate": {"arrivals.extract"},
        "arrivals.publish": {"arrivals.validate"},
        "weather.extract": set(),
        "weather.validate": {"weather.extract"},
        "weather.publish": {"weather.validate"},
        "late-tables": {"arrivals.publish"},
        "announce-raw": {"flights.publish", "weather.publish", "late-tables"},
        "all-tables": {"announce-raw", "flights.publish", "arrivals.publish", "weather.publish"},
        "every-extract": {"flights.extract", "arrivals.extract", "weather.extract"},
        "alert-late": {"every-extract"},
    }
    assert dag.get_task("every-extract").trigger_rule == "none_skipped"
    assert dag.get_task("alert-late").trigger_rule == "all_skipped"
    assert dag.get_task("late-tables").trigger_rule == "all_done"
    assert dag.get_task("announce-raw").trigger_rule == "none_failed"
    assert dag.get_task("all-tables").trigger_rule == "none_failed"
    emitted = {task.task_id: [outlet.name for outlet in task.outlets] for task in dag.tasks if task.outlets}
    assert emitted == {
        "flights.publish": ["flights/raw/flights"],
        "arrivals.publish": ["flights/raw/arrivals"],
        "weather.publish": ["flights/raw/weather"],
        "announce-raw": ["flights/raw"],
    }


def test_every_stage_tells_its_failures_and_fails_with_them(bag: Bag) -> None:
    dags = bag(ROOT / "projects").dags
    for stage in set(STAGES) - {"alerts"}:  # which the project has no need of
        dag = dags[f"flights_{stage}"]
        others = set(dag.task_ids) - ENDS
        for end, rule in (("alert-failed", "one_failed"), ("nothing-failed", "none_failed")):
            assert dag.get_task(end).upstream_task_ids == others
            assert dag.get_task(end).trigger_rule == rule
        # Airflow takes a run for what its last tasks are.
        assert {task.task_id for task in dag.leaves} == ENDS
    told = dags["flights_train"].get_task("alert-failed")._steps()
    assert told["train.boosting"] == "train.boosting"
    assert set(told) == {
        "dataset",
        "train.carrier_hour_rate",
        "train.boosting",
        "train.network",
        "evaluate",
        "register",
    }
    assert (
        "monitor" not in dags["flights_monitor"].get_task("alert-failed")._steps()
    )  # its alert step says so


def test_a_run_that_waits_for_its_delivery_holds_up_no_other(bag: Bag, tmp_path: Path) -> None:
    start = 'start: "2013-01-01"'
    copy_project(tmp_path, "patient", (start, f"{start}\n  lateness: 60 hours"))
    copy_project(tmp_path, "usual")
    found = bag(tmp_path)
    assert found.dags["usual_ingest"].max_active_runs == 4 + 1
    assert found.dags["patient_ingest"].max_active_runs == 4 + 3
    assert found.dags["patient_features"].max_active_runs == 1


def test_each_candidate_is_a_task_that_reads_the_dataset_and_evaluate_reads_them_all(bag: Bag) -> None:
    dag = bag(ROOT / "projects").dags["flights_train"]
    trained = ["train.carrier_hour_rate", "train.boosting", "train.network"]
    for task_id in trained:
        assert dag.get_task(task_id).upstream_task_ids == {"dataset"}
        assert dag.get_task(task_id).variant == task_id.removeprefix("train.")
    assert dag.get_task("evaluate").reads == {"dataset": ["dataset"], "train": trained}
    assert dag.get_task("train.boosting").project.limits("train", "boosting").cpu == 2


def test_a_candidate_with_gpus_waits_in_the_gpu_pool(bag: Bag, tmp_path: Path) -> None:
    copy_project(tmp_path, "deep", ("gpu: 0", "gpu: 2"))
    dag = bag(tmp_path).dags["deep_train"]
    assert (dag.get_task("train.network").pool, dag.get_task("train.network").pool_slots) == ("gpu", 2)
    assert dag.get_task("train.boosting").pool == "default_pool"


def test_a_step_runs_after_what_the_cycle_says_and_a_monitor_that_died_is_an_alert(bag: Bag) -> None:
    dag = bag(ROOT / "projects").dags["flights_monitor"]
    assert dag.get_task("monitor").trigger_rule == "none_failed"
    assert dag.get_task("alert").trigger_rule == "all_done"
    assert dag.get_task("request_retrain").trigger_rule == "all_success"  # and so the run fails


def test_assets_lead_from_raw_to_promote_and_each_stage_waits_for_one_asset_alone(bag: Bag) -> None:
    from airflow.sdk import PartitionedAssetTimetable

    dags = bag(ROOT / "projects").dags
    emits = {
        dag_id: {outlet.name for task in dag.tasks for outlet in task.outlets} for dag_id, dag in dags.items()
    }
    listens = {
        dag_id: {asset.name for asset in dag.timetable.asset_condition.objects}
        for dag_id, dag in dags.items()
        if isinstance(dag.timetable, PartitionedAssetTimetable)
    }
    assert all(len(names) == 1 for names in listens.values())
    reached = {"flights_ingest"}
    while True:
        names = set().union(*(emits[dag_id] for dag_id in reached))
        more = {dag_id for dag_id, needed in listens.items() if needed <= names} | reached
        if more == reached:
            break
        reached = more
    assert {d for d in reached if d.startswith("flights_")} == {
        f"flights_{stage}"
        for stage in ("ingest", "features", "score", "monitor", "shadow", "train", "promote")
    }
    assert "flights/retrain" in emits["flights_retrain"]


def test_a_wish_of_the_monitors_starts_a_shadow_or_where_a_page_is_enough_the_training(
    bag: Bag, tmp_path: Path
) -> None:
    copy_project(tmp_path, "proven")
    copy_project(tmp_path, "paged", ("retrain:", "retrain:\n  asks: page"))
    dags = bag(tmp_path).dags
    emitted = {
        name: [outlet.name for outlet in dags[f"{name}_monitor"].get_task("request_retrain").outlets]
        for name in ("proven", "paged")
    }
    assert emitted == {"proven": ["proven/shadow"], "paged": ["paged/retrain"]}
    fits = {f"fit_shadow.{name}" for name in ("carrier_hour_rate", "boosting", "network")}
    assert edges(dags["proven_shadow"]) == {
        "dataset": set(),
        **{fit: {"dataset"} for fit in fits},
        "shadow": {"dataset", *fits},
        "request_retrain": {"shadow"},
        **{end: {"dataset", *fits, "shadow", "request_retrain"} for end in ENDS},
    }
    assert dags["proven_shadow"].get_task("request_retrain").outlets[0].name == "proven/retrain"


def test_the_task_that_promotes_is_the_one_that_asks_where_the_project_wants_that(
    bag: Bag, tmp_path: Path
) -> None:
    file = copy_project(tmp_path, "gated")
    file.write_text(file.read_text() + "\napproval: {required: true, within: 2 days}\n")
    copy_project(tmp_path, "free")
    dags = bag(tmp_path).dags
    refits = {f"refit.{name}" for name in load(ROOT / "projects" / "flights" / "project.yaml").candidates}
    steps = {"compare": set(), **{key: {"compare"} for key in refits}}
    steps |= {"promote": {"compare", *refits}, "reconcile": {"promote"}}
    steps |= {end: set(steps) for end in ENDS}
    assert edges(dags["gated_promote"]) == edges(dags["free_promote"]) == steps
    kinds = {name: dags[f"{name}_promote"].get_task("promote").task_type for name in ("gated", "free")}
    assert kinds == {"gated": "ApprovedStepOperator", "free": "StepOperator"}


def test_what_was_begun_is_ended_before_more_is_begun(bag: Bag) -> None:
    """The scheduler gives a free slot to the task of the highest weight."""
    dags = bag(ROOT / "projects").dags

    def weight(stage: str, task: str) -> int:
        return int(serialized(dags[f"flights_{stage}"]).get_task(task).weight_rule.get_weight(
            SimpleNamespace(task=dags[f"flights_{stage}"].get_task(task))
        ))  # fmt: skip

    begun = [
        weight("train", "train.boosting"),
        *(weight("ingest", f"flights.{step}") for step in ("extract", "validate", "publish")),
        *(
            weight("ingest", "announce-raw"),
            weight("features", "features"),
            weight("features", "materialize"),
        ),
        *(weight("score", "score"), weight("rollback", "rollback")),
    ]
    assert begun == sorted(set(begun))


def test_a_closed_history_is_never_scheduled_but_backfills_any_range_with_keys(bag: Bag) -> None:
    dag = serialized(bag(ROOT / "projects").dags["flights_ingest"])
    assert dag.next_dagrun_info(last_automated_run_info=None) is None
    infos = dag.iter_dagrun_infos_between(datetime(2013, 2, 27, tzinfo=UTC), datetime(2013, 3, 2, tzinfo=UTC))
    assert [info.partition_key for info in infos] == ["2013-02-27", "2013-02-28", "2013-03-01", "2013-03-02"]


@pytest.mark.parametrize(
    ("unit", "start", "key_format", "hours"),
    [("day", "2013-01-01", "%Y-%m-%d", 24), ("hour", "2013-01-01T00", "%Y-%m-%dT%H", 1)],
    ids=["day", "hour"],
)
def test_a_live_source_is_fetched_once_its_partition_is_over(
    bag: Bag, tmp_path: Path, unit: str, start: str, key_format: str, hours: int
) -> None:
    copy_project(
        tmp_path,
        "live",
        ("live: false", "live: true"),
        ("partition: day", f"partition: {unit}"),
        ('start: "2013-01-01"', f'start: "{start}"'),
        ("lag: 1", f"lag: {24 // hours}"),  # partitions: still the day after which labels are known
    )
    found = bag(tmp_path)
    assert not found.import_errors
    info = serialized(found.dags["live_ingest"]).next_dagrun_info(last_automated_run_info=None)
    assert info.partition_key == info.partition_date.strftime(key_format)
    assert (info.run_after - info.partition_date).total_seconds() == hours * 3600


def test_weeks_and_local_months_are_fetched_at_their_boundary_and_keys_of_people_are_read(
    bag: Bag, tmp_path: Path
) -> None:
    from airflow.exceptions import InvalidPartitionKeyError

    for name, unit, start, zone in (
        ("weekly", "week", "2013-W01", "America/New_York"),
        ("monthly", "month", "2013-01", "Europe/Berlin"),
    ):
        copy_project(
            tmp_path,
            name,
            ("live: false", "live: true"),
            ("partition: day", f"partition: {unit}\n  zone: {zone}"),
            ('start: "2013-01-01"', f'start: "{start}"'),
        )
    found = bag(tmp_path)
    assert not found.import_errors
    weekly, monthly = (serialized(found.dags[f"{name}_ingest"]) for name in ("weekly", "monthly"))
    infos = weekly.iter_dagrun_infos_between(
        datetime(2013, 3, 4, tzinfo=UTC), datetime(2013, 3, 18, tzinfo=UTC)
    )
    assert [(info.partition_key, info.partition_date.isoformat()) for info in infos] == [
        ("2013-W10", "2013-03-04T05:00:00+00:00"),
        ("2013-W11", "2013-03-11T04:00:00+00:00"),  # clocks went on in the week before
        ("2013-W12", "2013-03-18T04:00:00+00:00"),
    ]
    assert weekly.timetable.resolve_partition_date("2013-W11").isoformat() == "2013-03-11T04:00:00+00:00"
    with pytest.raises(InvalidPartitionKeyError, match="write it like '2013-W22'"):
        weekly.timetable.resolve_partition_date("2013-03-11")
    infos = monthly.iter_dagrun_infos_between(
        datetime(2013, 3, 1, tzinfo=UTC), datetime(2013, 4, 1, tzinfo=UTC)
    )
    assert [(info.partition_key, info.partition_date.isoformat()) for info in infos] == [
        ("2013-03", "2013-02-28T23:00:00+00:00"),
        ("2013-04", "2013-03-31T22:00:00+00:00"),
    ]
    for dag in (weekly, monthly):
        info = dag.next_dagrun_info(last_automated_run_info=None)
        following = dag.timetable.resolve_partition_date(info.partition_key)
        assert following == info.partition_date < info.run_after


@pytest.mark.parametrize(
    ("zone", "first", "last"),
    [
        ("Europe/Berlin", "2013-03-29", "2013-04-02"),
        ("Europe/Berlin", "2013-10-25", "2013-10-29"),
        ("America/Sao_Paulo", "2013-10-18", "2013-10-22"),  # no midnight
        ("America/Havana", "2013-11-01", "2013-11-05"),  # midnight twice
    ],
)
def test_a_run_at_a_local_midnight_is_for_the_day_that_is_over_whatever_clocks_do(
    zone: str, first: str, last: str
) -> None:
    from airflow.serialization.decoders import decode_timetable
    from airflow.serialization.encoders import encode_timetable

    from mlcycle.domain.partitions import Partition, Unit
    from mlcycle.orchestration.local_clock import LocalPartitionTimetable
    from mlcycle.orchestration.schedules import CRON

    unit = Unit.of("day", zone)
    made = LocalPartitionTimetable(CRON[unit.kind], timezone=zone, run_offset=-1, key_format=unit.key_format)
    timetable: Any = decode_timetable(encode_timetable(made))
    days = list(Partition.parse(first, unit).to(Partition.parse(last, unit)))
    for day in days:
        assert timetable._get_partition_info(day.end) == (day.start, day.key)
        assert timetable.resolve_partition_date(day.key) == day.start
    bounds = [datetime.fromisoformat(key).replace(tzinfo=UTC) for key in (first, last)]
    infos = timetable.iter_partition_dagrun_infos(earliest=bounds[0], latest=bounds[1])
    assert [info.partition_key for info in infos] == [day.key for day in days]


@pytest.mark.parametrize(
    ("after", "cron"),
    [
        ("1 minute", "*/5 * * * *"),
        ("30 minutes", "*/15 * * * *"),
        ("59 minutes", "*/20 * * * *"),
        ("1 day", "7 * * * *"),
    ],
)
def test_a_project_that_escalates_looks_twice_in_the_time_that_it_gives(
    bag: Bag, tmp_path: Path, after: str, cron: str
) -> None:
    escalate = f"alerts:\n  escalate: {{after: {after}, channels: [{{kind: log}}]}}"
    copy_project(tmp_path, "live", ("live: false", "live: true"), ("alerts:", escalate))
    copy_project(tmp_path, "quiet", ("live: false", "live: true"))
    found = bag(tmp_path)
    assert not found.import_errors
    dag = serialized(found.dags["live_alerts"])
    assert dag.timetable.summary == cron
    assert set(dag.task_ids) == {"alert", *ENDS}
    assert not dag.catchup
    assert "quiet_alerts" not in found.dags


def test_a_wrong_project_file_is_named_by_line_and_hides_no_other_project(bag: Bag, tmp_path: Path) -> None:
    copy_project(tmp_path, "good")
    broken = copy_project(tmp_path, "broken", ("entity:", "entiti:"))
    line = 1 + broken.read_text().splitlines().index("entiti:")
    found = bag(tmp_path)
    assert {dag_id.split("_")[0] for dag_id in found.dags if dag_id != OWN} == {"good"}
    assert len(found.dags) == len(STAGES)  # the platform's own, and no `alerts` without an escalation
    ((file, text),) = found.import_errors.items()
    assert file.endswith("mlcycle_project_errors.py")
    assert f"{broken}:{line}: entiti: unknown key" in text


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ('start: "2013-01-01"', 'start: "January"', "start: partition 'January' is not a day key"),
        ("live: false", "live: true", "'99 * * * *' is not a cron expression"),
    ],
    ids=["start", "cron"],
)
def test_what_airflow_would_only_find_when_storing_a_dag_is_found_when_making_it(
    bag: Bag, tmp_path: Path, before: str, after: str, message: str
) -> None:
    copy_project(tmp_path, "good")
    copy_project(tmp_path, "odd", (before, after), ("retrain:\n", 'retrain:\n  schedule: "99 * * * *"\n'))
    found = bag(tmp_path)
    assert {dag_id.split("_")[0] for dag_id in found.dags if dag_id != OWN} == {"good"}
    assert message in "".join(found.import_errors.values())


def test_a_worker_makes_only_the_dag_it_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow.sdk.definitions.context import Context  # noqa: F401 - loads the SDK first

    from mlcycle.orchestration.factory import make_dags

    monkeypatch.setenv("_AIRFLOW_PARSING_CONTEXT_DAG_ID", "flights_train")
    assert list(make_dags(ROOT / "projects")) == ["flights_train"]


def test_forms_take_empty_fields_and_refuse_what_is_no_partition(bag: Bag) -> None:
    from airflow.sdk.exceptions import ParamValidationError

    dag = bag(ROOT / "projects").dags["flights_ingest"]
    assert dag.params.validate() == {"partition": None, "first": None}
    dag.params["first"] = "2013-01-05"
    assert dag.params.validate()["first"] == "2013-01-05"
    with pytest.raises(ParamValidationError, match="2013-1-5"):
        dag.params["first"] = "2013-1-5"
    assert set(bag(ROOT / "projects").dags["flights_retrain"].params) == {"partition", "reason"}


def test_no_airflow_process_imports_an_ml_library(tmp_path: Path) -> None:
    code = (
        "import sys; from airflow.dag_processing.dagbag import DagBag; "
        f"bag = DagBag({str(ROOT / 'dags')!r}); assert not bag.import_errors and bag.dags; "
        "from airflow.serialization.serialized_objects import DagSerialization as S; "
        "[S.to_dict(dag) for dag in bag.dags.values()]; "
        "import mlcycle.console.plugin; from mlcycle.orchestration.runners.base import make_runner; "
        f"print([name for name in {HEAVY!r} if name in sys.modules])"
    )
    env = {**os.environ, "MLCYCLE_PROJECTS": str(ROOT / "projects"), "AIRFLOW_HOME": str(tmp_path)}
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.splitlines()[-1] == "[]"
