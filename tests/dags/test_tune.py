"""The DAG of a search: its trials are mapped, and what surrounds them knows."""

from pathlib import Path
from typing import Any

from mlcycle.cycle import STAGES
from mlcycle.orchestration.task_states import folded
from tests.dags.conftest import Bag, copy_project

NETWORK = "embedding: 8}\n    resources: {cpu: 2, memory: 2Gi, gpu: 0}"
SEARCHED = NETWORK + "\n    search: {space: {learning_rate: {low: 0.001, high: 0.1, log: true}}}"
ENDS = {"alert-failed", "nothing-failed"}


def serialized(dag: Any) -> tuple[Any, dict[str, Any]]:
    from airflow.serialization.serialized_objects import DagSerialization

    document = DagSerialization.to_dict(dag)
    return DagSerialization.from_dict(document), document


def test_each_candidate_with_a_search_has_a_plan_its_mapped_trials_and_an_end(
    bag: Bag, tmp_path: Path
) -> None:
    copy_project(tmp_path, "deep", (NETWORK, SEARCHED))
    dag = bag(tmp_path).dags["deep_tune"]
    expected = {"dataset": set()}
    for name in ("boosting", "network"):
        expected |= {
            f"tune_plan.{name}": {"dataset"},
            f"tune_trial.{name}": {f"tune_plan.{name}"},
            f"tune_conclude.{name}": {f"tune_plan.{name}", f"tune_trial.{name}"},
        }
    found = {task.task_id: set(task.upstream_task_ids) for task in dag.tasks}
    assert {task: before for task, before in found.items() if task not in ENDS} == expected
    trial = dag.get_task("tune_trial.network")
    assert trial.is_mapped
    assert [task.task_id for task in trial.iter_mapped_dependencies()] == ["tune_plan.network"]
    assert trial.retries == 2
    assert trial.execution_timeout.total_seconds() == 6 * 3600 + 120
    # What the trials found is concluded also where a worker died for good; a run without trials is not.
    assert dag.get_task("tune_conclude.network").trigger_rule == "all_done_min_one_success"
    told = dag.get_task("alert-failed")._steps()
    assert told["tune_trial.network"] == "tune_trial.network"
    assert set(told) == set(expected)


def test_a_mapped_task_is_unmapped_with_its_project_and_serialized_without(bag: Bag, tmp_path: Path) -> None:
    copy_project(tmp_path, "deep", (NETWORK, SEARCHED.replace("gpu: 0", "gpu: 2")))
    dag = bag(tmp_path).dags["deep_tune"]
    trial = dag.get_task("tune_trial.network")
    one = trial.unmap({"share": {"outputs": {}, "values": {"workers": 2}}})
    assert (one.step.name, one.variant, one.project.name) == ("tune_trial", "network", "deep")
    assert (one.retries, one.reads) == (2, {"tune_plan": ["tune_plan.network"]})
    assert (one.pool, one.pool_slots) == ("gpu", 2)
    assert dag.get_task("tune_trial.boosting").pool == "default_pool"
    known, document = serialized(dag)
    assert known.get_task("tune_trial.network").is_mapped
    (task,) = [
        one["__var"] for one in document["dag"]["tasks"] if one["__var"]["task_id"] == "tune_trial.network"
    ]
    assert task["partial_kwargs"]["project"] == "project deep"


def test_the_form_offers_what_may_be_searched(bag: Bag, tmp_path: Path) -> None:
    copy_project(tmp_path, "deep", (NETWORK, SEARCHED))
    params = bag(tmp_path).dags["deep_tune"].params
    assert set(params) == {"partition", *STAGES["tune"].params}
    assert params.get_param("candidate").schema["enum"] == ["", "boosting", "network"]
    assert params.get_param("method").schema["enum"] == ["", "grid", "random", "tpe", "gp", "cmaes", "nsga2"]
    assert params.get_param("measure").schema["enum"] == ["", "validation", "cross_validation"]
    assert params.get_param("fidelity").schema["enum"] == ["", "rounds", "rows"]
    assert params.get_param("workers").schema["maximum"] == 64
    assert params.get_param("trials").resolve() is None


def test_a_project_without_a_search_has_no_such_dag(bag: Bag, tmp_path: Path) -> None:
    file = copy_project(tmp_path, "plain")
    text = file.read_text()
    begin = text.index("    search:\n")
    file.write_text(text[:begin] + text[text.index("  network:", begin) :])
    dags = bag(tmp_path).dags
    assert "plain_train" in dags
    assert "plain_tune" not in dags


def test_states_of_mapped_tasks_are_told_of_their_task() -> None:
    states = {"dataset": "success", "trial.a_0": "success", "trial.a_1": "failed", "train.a_1": "running"}
    found = folded(states, {"dataset", "trial.a", "train.a_1"}, {"trial.a"})
    assert found == {"dataset": ["success"], "trial.a": ["success", "failed"], "train.a_1": ["running"]}
