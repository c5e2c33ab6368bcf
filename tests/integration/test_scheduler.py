"""What a real scheduler makes of our tasks: waiting, asking, adopting, refusing."""

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest

from mlcycle.airflow_api import AirflowApi
from mlcycle.contract import Request
from tests.dags.conftest import copy_project
from tests.dags.scheduler import Airflow, running_airflow, wait_for
from tests.dags.scripted import answered

pytestmark = pytest.mark.platform
DAY = "2013-03-01"
YES = {"values": {"verdict": "promote", "challenger": 7, "comparison_id": 11, "reasons": ["better"]}}


@pytest.fixture(scope="module")
def airflow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Airflow]:
    """One Airflow for all: ``gated`` asks a person, ``free`` does not."""
    folder = tmp_path_factory.mktemp("airflow")
    gated = copy_project(folder / "projects", "gated")
    gated.write_text(gated.read_text() + "\napproval: {required: true, within: 1 hour}\n")
    copy_project(folder / "projects", "free")
    copy_project(folder / "projects", "late")
    copy_project(folder / "projects", "hurried", ("\nalerts:\n", "\nalerts:\n  deadline: 1 minute\n"))
    with running_airflow(
        folder, "tests.dags.scripted.ScriptedRunner", folder / "projects",
        AIRFLOW__CORE__PARALLELISM="1", MLCYCLE_RUNNER_LABELS="tests.dags.scripted.ElsewhereRunner",
        MLCYCLE_RUNNER_FEATURES="tests.dags.scripted.AwayRunner",
    ) as running:  # fmt: skip
        running.script()
        running.api.wait_for_dag("gated_promote", seconds=120)
        running.api.wait_for_dag("late_train", seconds=60)
        yield running


def asked(airflow: Airflow, run: str) -> None:
    """Wait for the question, and for the scheduler to have noticed the end of the worker that asked."""
    airflow.until("gated_promote", run, "promote", "awaiting_input")
    time.sleep(3)


def answer(airflow: Airflow, run: str, option: str, **fields: Any) -> dict[str, Any]:
    path = f"/api/v2/dags/gated_promote/dagRuns/{run}/taskInstances/promote/-1/hitlDetails"
    body = {"chosen_options": [option], "params_input": {"reason": "", **fields}}
    found: dict[str, Any] = airflow.ask("PATCH", path, json=body)
    return found


def test_a_step_that_waits_frees_its_slot_and_goes_on_as_the_same_work(airflow: Airflow) -> None:
    """There is one slot in this Airflow: while the step waits another run passes through it."""
    waiting = {
        "status": "waiting",
        "error": {"kind": "waiting", "message": "not there yet", "retryable": True},
    }
    airflow.script(score=[{**waiting, "again_in": 12}, {**waiting, "again_in": 1}, {"status": "skipped"}])
    run = airflow.api.trigger("free_score", partition=DAY)
    assert airflow.until("free_score", run, "score", "up_for_reschedule", "failed") == "up_for_reschedule"
    other = airflow.api.trigger("free_rollback")
    assert airflow.api.wait("free_rollback", other, seconds=60) == "success"
    assert airflow.task("free_score", run, "score")["state"] == "up_for_reschedule"
    assert airflow.api.wait("free_score", run, seconds=60) == "success"
    requests = airflow.requests("score")
    assert len(requests) == 3
    assert len({request["work"] for request in requests}) == 1
    assert [request["origin"]["try_number"] for request in requests] == [1, 1, 1]
    assert airflow.task("free_score", run, "score")["try_number"] == 1


def test_a_worker_that_died_finds_its_step_again_by_the_handle(airflow: Airflow) -> None:
    run = airflow.api.trigger("free_monitor", partition=DAY)
    place = submitted(airflow, "labels", run)
    wait_for(lambda: airflow.ask("GET", kept(run))["task_state_store"], "no handle was kept")
    kill(worker_of(place))
    died = time.monotonic()
    wait_for(lambda: airflow.task("free_monitor", run, "labels")["try_number"] == 2, "no retry", 240)
    assert time.monotonic() - died < 240  # found without the heartbeats, whose limit is five minutes
    airflow.until("free_monitor", run, "labels", "running", seconds=60)
    end(place, {"values": {"by": "the first"}})
    airflow.until("free_monitor", run, "labels", "success", seconds=60)
    assert airflow.api.result("free_monitor", run, "labels")["values"] == {"by": "the first"}
    assert submitted(airflow, "labels", run) == place  # once


def test_a_step_that_ended_is_not_started_again_for_a_worker_that_died_before_it_told(
    airflow: Airflow,
) -> None:
    run = airflow.api.trigger("free_monitor", partition=DAY)
    place = submitted(airflow, "labels", run)
    wait_for(lambda: airflow.ask("GET", kept(run))["task_state_store"], "no handle was kept")
    (place / "stay").touch()
    end(place, {"values": {"by": "the first"}})
    wait_for(lambda: not (place / "result.json").exists(), "the worker did not clear up")
    kill(worker_of(place))
    (place / "stay").unlink()
    airflow.until("free_monitor", run, "labels", "success", seconds=240)
    assert airflow.task("free_monitor", run, "labels")["try_number"] == 2
    assert airflow.api.result("free_monitor", run, "labels")["values"] == {"by": "the first"}
    assert submitted(airflow, "labels", run) == place  # once


def worker_of(place: Path) -> psutil.Process:
    return psutil.Process(int((place / "worker").read_text()))


def kill(task: psutil.Process) -> None:
    for process in (task.parent(), task):  # the one that would tell of the other's end first
        assert process is not None
        process.kill()


def test_a_step_that_runs_elsewhere_needs_no_slot(airflow: Airflow) -> None:
    run = airflow.api.trigger("free_features", partition=DAY)
    airflow.until("free_features", run, "features", "up_for_reschedule", seconds=90)
    other = airflow.api.trigger("free_rollback")
    assert airflow.api.wait("free_rollback", other, seconds=60) == "success"
    end(submitted(airflow, "features", run), {})
    assert airflow.api.wait("free_features", run, seconds=60) == "success"
    submitted(airflow, "features", run)  # once


def submitted(airflow: Airflow, step: str, run: str) -> Path:
    """The folder of the run's one step of this name that was submitted elsewhere."""

    def found() -> list[Path]:
        folders = [path.parent for path in (airflow.scratch / "elsewhere").glob("*/request.json")]
        requests = {path: read_request(path) for path in folders}
        return [path for path, of in requests.items() if (of.step, of.origin.run_id) == (step, run)]

    (place,) = wait_for(found, f"{step} was not submitted")
    return Path(place)


def read_request(place: Path) -> Request:
    return Request.model_validate_json((place / "request.json").read_bytes())


def end(place: Path, answer: dict[str, Any]) -> None:
    """The step elsewhere ends with this."""
    (place / "result.part").write_text(answered(read_request(place), answer).model_dump_json())
    (place / "result.part").rename(place / "result.json")


def kept(run: str) -> str:
    return f"/api/v2/dags/free_monitor/dagRuns/{run}/taskInstances/labels/state-store"


@pytest.mark.parametrize(("option", "choice"), [("Approve", "approve"), ("Reject", "reject")])
def test_an_answer_comes_out_of_airflows_record_with_its_user(
    airflow: Airflow, option: str, choice: str
) -> None:
    airflow.script(compare=[YES])
    run = airflow.api.trigger("gated_promote", partition=DAY)
    asked(airflow, run)
    assert not airflow.requests("promote")
    platform = airflow.platform
    with AirflowApi(platform.url("airflow"), "engineer", platform.secrets["airflow_engineer"]) as engineer:
        path = f"/api/v2/dags/gated_promote/dagRuns/{run}/taskInstances/promote/-1/hitlDetails"
        body = {"chosen_options": [option], "params_input": {"reason": "seen it"}}
        engineer._request("PATCH", path, json=body)
    assert airflow.api.wait("gated_promote", run, seconds=60) == "success"
    (request,) = airflow.requests("promote")
    decision = request["decision"]
    assert (decision["choice"], decision["user"], decision["reason"]) == (choice, "engineer", "seen it")
    assert request["origin"]["user"] == "admin"
    assert request["params"] == {}


def test_a_decision_in_the_runs_configuration_is_refused(airflow: Airflow) -> None:
    airflow.script(compare=[YES])
    conf = {"decision": "approve", "decided_by": "mallory"}
    run = airflow.api.trigger("gated_promote", partition=DAY, conf=conf)
    assert airflow.api.wait("gated_promote", run, seconds=60) == "failed"
    assert not airflow.requests("compare")
    assert not airflow.requests("promote")
    assert "what the form of promote has not" in airflow.log("gated_promote", run, "compare")
    assert airflow.api.run("gated_promote", run)["conf"] == conf  # and stays to be seen


def test_a_question_marked_done_promotes_nothing(airflow: Airflow) -> None:
    airflow.script(compare=[YES])
    run = airflow.api.trigger("gated_promote", partition=DAY)
    asked(airflow, run)
    path = f"/api/v2/dags/gated_promote/dagRuns/{run}/taskInstances/promote"
    airflow.ask("PATCH", path, json={"new_state": "success"})
    airflow.api.wait("gated_promote", run, seconds=60)
    assert not airflow.requests("promote")
    events = airflow.ask("GET", "/api/v2/eventLogs", params={"dag_id": "gated_promote", "run_id": run})
    assert any(event["task_id"] == "promote" and event["owner"] == "admin" for event in events["event_logs"])


def test_an_answer_to_another_comparison_promotes_nothing(airflow: Airflow) -> None:
    """Somebody writes another comparison into the XCom while the question is open."""
    airflow.script(compare=[YES])
    run = airflow.api.trigger("gated_promote", partition=DAY)
    asked(airflow, run)
    entries = f"/api/v2/dags/gated_promote/dagRuns/{run}/taskInstances/compare/xcomEntries/return_value"
    forged = {"outputs": {}, "values": {**YES["values"], "comparison_id": 12, "challenger": 8}}
    airflow.ask("PATCH", entries, json={"value": forged, "map_index": -1})
    answer(airflow, run, "Approve")
    assert airflow.api.wait("gated_promote", run, seconds=60) == "failed"
    assert not airflow.requests("promote")
    assert "the question was about comparison 11" in airflow.log("gated_promote", run, "promote")


def test_nobody_is_asked_where_the_gate_refused(airflow: Airflow) -> None:
    airflow.script(compare=[{"values": {"verdict": "refuse"}}], promote=[{"status": "skipped"}])
    run = airflow.api.trigger("gated_promote", partition=DAY)
    assert airflow.api.wait("gated_promote", run, seconds=60) == "success"
    (request,) = airflow.requests("promote")
    assert request["decision"] is None


def test_a_dag_of_somebody_elses_with_our_id_is_an_import_error_that_names_both(airflow: Airflow) -> None:
    file = airflow.home / "dags" / "mine.py"
    text = "from airflow.sdk import DAG\nmine = DAG('{}', schedule=None)\n"
    file.write_text(text.format("free_score"))

    def errors() -> list[dict[str, Any]]:
        found: list[dict[str, Any]] = airflow.ask("GET", "/api/v2/importErrors")["import_errors"]
        return [error for error in found if error["filename"].endswith("mine.py")]

    (error,) = wait_for(errors, "no import error", 90)
    for part in ("'free_score'", str(file), "projects/free/project.yaml", "mlcycle_dags.py"):
        assert part in error["stack_trace"]
    dag = airflow.ask("GET", "/api/v2/dags/free_score")
    assert dag["relative_fileloc"] == "mlcycle_dags.py"
    file.write_text(text.format("another_score"))  # no project of ours
    airflow.api.wait_for_dag("another_score", seconds=90)
    assert not errors()


def test_a_candidate_added_just_before_a_run_is_trained_by_it(airflow: Airflow) -> None:
    """The worker reads the edited file at once, the DAG processor up to half a minute later."""
    file = airflow.home / "projects" / "late" / "project.yaml"
    new = "  newcomer:\n    family: rate_table\n    params: {by: [carrier], smoothing: 50}\n"
    file.write_text(file.read_text().replace("candidates:\n", f"candidates:\n{new}", 1))
    airflow.script(register=[{"status": "skipped"}])
    run = airflow.api.trigger("late_train", partition=DAY)
    assert airflow.until("late_train", run, "dataset", "up_for_reschedule", "success") == "up_for_reschedule"
    assert "waits until Airflow has read the project file" in airflow.log("late_train", run, "dataset")
    assert airflow.api.wait("late_train", run, seconds=120) == "success"
    (evaluated,) = airflow.requests("evaluate")
    assert len(evaluated["inputs"]["train"]) == len(evaluated["project"]["candidates"]) == 4
    assert airflow.task("late_train", run, "train.newcomer")["state"] == "success"
    assert airflow.task("late_train", run, "dataset")["try_number"] == 1


def test_what_failed_for_good_is_told_once_the_run_is_over_and_the_run_stays_failed(airflow: Airflow) -> None:
    """A table's step that died for good, and one beside it that goes on for a while and fails then."""
    dead = {"status": "failed", "error": {"kind": "memory", "message": "out of memory", "retryable": False}}
    airflow.script(**{"weather.extract": [dead], "flights.extract": [{**dead, "sleep": 8}]})
    run = airflow.api.trigger("free_ingest", partition=DAY)
    assert airflow.api.wait("free_ingest", run, seconds=120) == "failed"
    assert airflow.task("free_ingest", run, "alert-failed")["state"] == "success"
    (request,) = airflow.requests("alert-failed")
    assert request["params"]["failed"] == {
        "extract.flights": "flights.extract", "extract.weather": "weather.extract",
    }  # fmt: skip
    assert request["params"]["stage"] == "ingest"
    assert request["partitions"] == {"first": DAY, "last": DAY}
    assert request["params"]["link"].endswith(
        f"/dags/free_ingest/runs/{run.replace('+', '%2B').replace(':', '%3A')}"
    )


def test_a_run_that_should_have_ended_is_told_of_while_it_goes_on(airflow: Airflow) -> None:
    waiting = {"kind": "waiting", "message": "not there yet", "retryable": True}
    airflow.script(score=[{"status": "waiting", "error": waiting, "again_in": 80}, {"status": "skipped"}])
    run = airflow.api.trigger("hurried_score", partition=DAY)
    wait_for(
        lambda: list((airflow.scratch / "requests").glob("hurried_score..*.json")), "nobody was told", 100
    )
    assert airflow.task("hurried_score", run, "score")["state"] == "up_for_reschedule"
    (path,) = (airflow.scratch / "requests").glob("hurried_score..*.json")
    request = Request.model_validate_json(path.read_bytes())
    assert (request.step, request.work) == ("alert", f"hurried_score/{run}/overdue")
    assert (request.params["overdue"], request.params["within"]) == ("score", 60)
    assert airflow.api.wait("hurried_score", run, seconds=120) == "success"


def test_a_task_of_a_run_that_goes_on_can_be_cleared(airflow: Airflow) -> None:
    """Airflow 3.3.2 refuses it where a run has one of its own deadlines, with an error 500."""
    waiting = {"kind": "waiting", "message": "not there yet", "retryable": True}
    airflow.script(score=[{"status": "waiting", "error": waiting, "again_in": 900}, {"status": "skipped"}])
    run = airflow.api.trigger("free_score", partition=DAY)
    airflow.until("free_score", run, "score", "up_for_reschedule")
    body = {"dry_run": False, "dag_run_id": run, "task_ids": ["score"], "only_failed": False}
    airflow.ask("POST", "/api/v2/dags/free_score/clearTaskInstances", json=body)
    assert airflow.api.wait("free_score", run, seconds=120) == "success"


def test_a_run_that_went_well_starts_no_process_to_say_so(airflow: Airflow) -> None:
    airflow.script()
    run = airflow.api.trigger("free_rollback")
    assert airflow.api.wait("free_rollback", run, seconds=60) == "success"
    assert airflow.task("free_rollback", run, "alert-failed")["state"] == "skipped"
    assert not airflow.requests("alert-failed")
