"""A search: exactly the trials asked for, whoever is killed; chosen on validation; a winner to read."""

import dataclasses
import os
import secrets
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from mlcycle.adapters.search import alive, storage
from mlcycle.adapters.search.storage import opened
from mlcycle.adapters.search.study import SearchStudy
from mlcycle.adapters.tracking.server import Tracking
from mlcycle.adapters.warehouse.connection import Warehouse
from mlcycle.contract import Handover, Result, Status
from mlcycle.errors import ConfigError
from mlcycle.project import Candidate, Project
from mlcycle.steps import tune_trial
from tests.conftest import Platform
from tests.contract.test_migrate_served import alembic
from tests.snapshots import JANUARY, Trained, flights, flights_project

SPACE: dict[str, Any] = {
    "smoothing": {"low": 1, "high": 1000, "log": True},
    "by": [["carrier", "sched_hour"], ["carrier"], ["origin", "sched_hour"]],
}
#: A worker of a search in a process of its own, which kills itself in the middle of its sixth trial.
DIES = """
import os, signal, sys
from mlcycle.steps import tune_measure
measured, calls = tune_measure._measured, []
def and_dies(*given):
    calls.append(1)
    if len(calls) == {at}:
        os.kill(os.getpid(), signal.SIGKILL)
    return measured(*given)
tune_measure._measured = and_dies
from mlcycle.steps.main import main
sys.exit(main(sys.argv[1], sys.argv[2], os.environ))
"""


def searching(trained: Trained, **search: Any) -> Trained:
    """The same with a search of the candidate ``table``."""
    document = trained.project.document()
    document["candidates"]["table"]["search"] = {"space": SPACE, "method": "random", **search}
    return dataclasses.replace(trained, project=Project.model_validate(document))


@pytest.fixture
def trained(platform: Platform, mlflow_url: str) -> Trained:
    return Trained(platform, flights_project(), mlflow_url)


@pytest.fixture
def dataset(trained: Trained) -> Handover:
    return trained.snapshot(flights(), JANUARY)


def plan(trained: Trained, dataset: Handover, work: str = "", **form: Any) -> Result:
    params = {"search": "table", **form}
    return trained.step("tune_plan", work=work, inputs={"dataset": [dataset]}, params=params)


def trials(trained: Trained, planned: Result, work: str = "") -> Result:
    inputs = {"tune_plan": [planned.handover]}
    return trained.step("tune_trial", work=work, inputs=inputs, params={"search": "table"})


def conclude(trained: Trained, planned: Result) -> Result:
    inputs = {"tune_plan": [planned.handover], "tune_trial": []}
    return trained.step("tune_conclude", inputs=inputs, params={"search": "table"})


def states(trained: Trained) -> dict[str, int]:
    """How many trials are in which state, in Optuna's own table."""
    found = trained.platform.owner().query("select state, count(*) from search.trials group by 1")
    return {str(state): int(count) for state, count in found}


def in_a_process(trained: Trained, planned: Result, work: str, folder: Path, at: int) -> int:
    """A worker that kills itself in its ``at``-th trial; the exit code of its process."""
    request = trained.request(
        "tune_trial", work, inputs={"tune_plan": [planned.handover]}, params={"search": "table"}
    )
    asked = folder / f"{secrets.token_hex(4)}.json"
    asked.write_text(request.model_dump_json())
    own = {name: value for name, value in os.environ.items() if not name.startswith("MLCYCLE_")}
    command = [sys.executable, "-c", DIES.replace("{at}", str(at)), str(asked), str(folder / "result.json")]
    return subprocess.run(command, env={**own, **trained.settings().as_env()}, check=False).returncode


def test_a_search_killed_half_way_and_resumed_tells_exactly_the_trials_asked_for(
    trained: Trained, dataset: Handover, tmp_path: Path
) -> None:
    trained = searching(trained, trials=12)
    planned = trained.ok(plan(trained, dataset))
    assert in_a_process(trained, planned, "worker-0", tmp_path, at=6) == -signal.SIGKILL
    assert states(trained) == {"COMPLETE": 5, "RUNNING": 1}
    ended = trained.ok(trials(trained, planned, "worker-0"))  # as Airflow's retry of the same work
    assert states(trained) == {"COMPLETE": 12, "FAIL": 1}
    assert "12 trials are told, 0 under way" in ended.message
    again = trained.ok(trials(trained, planned, "worker-1"))  # one more worker has nothing left to do
    assert states(trained) == {"COMPLETE": 12, "FAIL": 1}
    assert again.values["told"] == 0
    # The dead trial's parameters were tried again: what was drawn is not lost.
    params = trained.platform.owner().query(
        "select t.number, string_agg(p.param_name || p.param_value, ',' order by p.param_name) "
        "from search.trials t join search.trial_params p using (trial_id) group by 1 order by 1"
    )
    assert params[5][1] == params[6][1]
    assert len({values for _, values in params}) == 12

    tracking = Tracking(trained.settings(), trained.project.name)
    runs = tracking.client.search_runs([tracking.experiment], max_results=100)
    (parent,) = [run for run in runs if run.data.tags["mlcycle.trial"] == "all"]
    children = [run for run in runs if run.data.tags.get("mlflow.parentRunId") == parent.info.run_id]
    assert len(children) == 13
    assert sorted(run.info.status for run in children) == ["FINISHED"] * 12 + ["KILLED"]


def test_the_trial_of_a_worker_that_never_comes_back_is_found_dead_by_another(
    trained: Trained, dataset: Handover, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in (storage, alive, tune_trial):
        monkeypatch.setattr(module, "BEAT", 1)
    for module in (storage, tune_trial):
        monkeypatch.setattr(module, "SILENT", 3)
    monkeypatch.setattr(tune_trial, "LOOK_SECONDS", 0.5)
    trained = searching(trained, trials=4)
    planned = trained.ok(plan(trained, dataset))
    assert in_a_process(trained, planned, "worker-0", tmp_path, at=2) == -signal.SIGKILL
    assert states(trained) == {"COMPLETE": 1, "RUNNING": 1}
    ended = trained.ok(trials(trained, planned, "worker-1"))
    assert states(trained) == {"COMPLETE": 4, "FAIL": 1}
    assert ended.values["told"] == 3


def test_two_workers_at_once_neither_lose_nor_double_a_trial(
    trained: Trained, dataset: Handover, tmp_path: Path
) -> None:
    trained = searching(
        trained, trials=9, method="grid", space={"smoothing": {"low": 1, "high": 9, "step": 1}}
    )
    planned = trained.ok(plan(trained, dataset))
    assert planned.values["workers"] == 2
    folders = [tmp_path / str(number) for number in range(2)]
    import threading

    codes: list[int] = []
    for folder in folders:
        folder.mkdir()
    threads = [
        threading.Thread(
            target=lambda at=number: codes.append(
                in_a_process(trained, planned, f"worker-{at}", folders[at], at=99)
            )
        )
        for number in range(2)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert codes == [0, 0]
    assert states(trained) == {"COMPLETE": 9}
    found = trained.platform.owner().query("select param_value from search.trial_params order by 1")
    assert [value for (value,) in found] == [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0, 8.0, 9.0]


def test_the_winner_is_a_candidate_that_a_project_file_takes(trained: Trained, dataset: Handover) -> None:
    trained = searching(trained, trials=7)
    planned = trained.ok(plan(trained, dataset))
    trained.ok(trials(trained, planned))
    ended = trained.ok(conclude(trained, planned))
    text = trained.artifacts.get(ended.outputs["winner"]).decode()
    (name, body), *others = yaml.safe_load(text).items()
    assert (name, others) == ("table_tuned", [])
    winner = Candidate.model_validate(body)
    assert winner.family == "rate_table"
    assert winner.params["by"] == ended.values["params"]["by"]
    # What was chosen is what a training on the same rows finds on the validation rows.
    document = trained.project.document()
    document["candidates"]["table_tuned"] = body
    with_it = dataclasses.replace(trained, project=Project.model_validate(document))
    result = with_it.ok(with_it.train(dataset, "table_tuned"))
    assert result.metrics["log_loss"] == pytest.approx(ended.metrics["log_loss"], abs=1e-6)
    # The project's own parameters were the first trial: the best is never worse than they.
    assert ended.metrics["log_loss"] <= ended.metrics["log_loss_before"]
    own = trained.ok(trained.train(dataset, "table"))
    assert ended.metrics["log_loss_before"] == own.metrics["log_loss"]
    page = trained.artifacts.get(ended.outputs["page"]).decode()
    assert page.count("data:image/png") == 4  # the history, the importance, each parameter
    assert "table_tuned" in page
    run = Tracking(trained.settings(), trained.project.name).client.get_run(
        ended.links["mlflow"].rpartition("/runs/")[2].partition("?")[0]
    )
    assert run.info.status == "FINISHED"
    assert run.data.metrics["validation_log_loss"] == ended.metrics["log_loss"]


def test_the_search_never_reads_the_holdout(trained: Trained, dataset: Handover) -> None:
    """The holdout's file is broken: whoever reads it is refused by its digest."""
    trained = searching(trained, trials=3)
    folder = f"datasets/{trained.project.name}/{dataset.values['digest']}"
    trained.artifacts.put(f"{folder}/holdout-000.parquet", b"nobody reads this")
    planned = trained.ok(plan(trained, dataset))
    trained.ok(trials(trained, planned))
    trained.ok(conclude(trained, planned))
    trained.artifacts.put(f"{folder}/validation-000.parquet", b"but this")
    planned = trained.ok(plan(trained, dataset))
    refused = trials(trained, planned)
    assert refused.error is not None
    assert "trials failed" in refused.error.message


@pytest.mark.parametrize(
    ("prices", "form", "says"),
    [
        ({}, {"minutes": "0.000001"}, "minutes are over"),
        ({"cpu_hour": 3600.0}, {"money": "0.000001"}, "are spent"),
    ],
    ids=["minutes", "money"],
)
def test_no_trial_begins_beyond_the_budget(
    trained: Trained, dataset: Handover, prices: dict[str, float], form: dict[str, str], says: str
) -> None:
    trained = searching(trained, trials=30)
    if prices:
        document = trained.project.document()
        document["value"]["prices"] = {"cpu_hour": 1, "memory_gib_hour": 1, "gpu_hour": 1, **prices}
        trained = dataclasses.replace(trained, project=Project.model_validate(document))
    planned = trained.ok(plan(trained, dataset, **form))
    ended = trained.ok(trials(trained, planned))
    assert says in ended.message
    assert states(trained).get("COMPLETE", 0) == (1 if prices else 0)  # money is known once it is spent


def test_an_earlier_search_goes_on_by_its_name_with_its_own_dataset(
    trained: Trained, dataset: Handover
) -> None:
    trained = searching(trained, trials=3)
    first = trained.ok(plan(trained, dataset))
    trained.ok(trials(trained, first))
    newer = trained.snapshot(flights(), JANUARY)
    more = trained.ok(plan(trained, newer, study=str(first.values["study"]), trials="5"))
    assert more.outputs["manifest"] == first.outputs["manifest"]
    trained.ok(trials(trained, more))
    assert states(trained) == {"COMPLETE": 5}
    changed = searching(trained, space={"smoothing": {"low": 1, "high": 10}})
    refused = plan(changed, dataset, study=str(first.values["study"]))
    assert refused.error is not None
    assert "the search's space is not the project file's any more" in refused.error.message


@pytest.mark.parametrize(
    ("search", "form", "says"),
    [
        (
            {"space": {"depth": {"low": 1, "high": 2}}},
            {},
            "no parameter 'depth': there are seed, by, smoothing",
        ),
        ({"space": {"smoothing": {"low": -5, "high": 2}}}, {}, "smoothing: -5 is refused"),
        ({"space": {"by": {"low": 1, "high": 2}}}, {}, "by: the parameter is no number: give choices"),
        ({"space": {"smoothing": [1, 1]}}, {}, "a choice is given twice"),
        ({"method": "grid"}, {}, "a grid needs steps: give smoothing a step"),
        ({}, {"trials": "many"}, "trials 'many' is not an integer above 0 and up to 10000"),
        ({}, {"method": "magic"}, "no method 'magic': there are grid, random, tpe"),
        ({}, {"measure": "holdout"}, "no measure 'holdout': there are validation, cross_validation"),
        ({}, {"fidelity": "pixels"}, "no fidelity 'pixels': there are rounds, rows"),
        ({}, {"measure": "cross_validation"}, "measure cross_validation needs folds: say split.cross"),
        ({}, {"candidate": "boosting"}, "candidate 'boosting' has no search: there are table"),
        ({}, {"study": "x; drop schema search"}, "is no name of a search"),
        ({}, {"study": "-"}, "is no name of a search"),
        ({}, {"money": "5"}, "money needs a price list"),
        ({"method": "cmaes"}, {}, "cmaes needs two numbers or more"),
    ],
)
def test_nonsense_is_refused_in_one_line(
    trained: Trained, dataset: Handover, search: dict[str, Any], form: dict[str, str], says: str
) -> None:
    result = plan(searching(trained, **search), dataset, **form)
    assert result.status is Status.FAILED
    assert result.error is not None
    assert says in result.error.message
    assert "\n" not in result.error.message
    assert not result.error.retryable


def test_a_hopeless_trial_is_ended_early_and_counts(trained: Trained, dataset: Handover) -> None:
    """Two points of a grid: one learns, the other, which comes later, does not move from where it began."""
    document = trained.project.document()
    network = document["candidates"]["network"]
    network["params"] |= {"epochs": 4, "batch_size": 2048}
    rates = {"learning_rate": [0.01, 1e-9]}
    network["search"] = {"space": rates, "method": "grid", "pruner": "successive_halving"}
    trained = dataclasses.replace(trained, project=Project.model_validate(document))
    asked = {"search": "network"}
    planned = trained.ok(trained.step("tune_plan", inputs={"dataset": [dataset]}, params=asked))
    inputs = {"tune_plan": [planned.handover]}
    ended = trained.ok(trained.step("tune_trial", inputs=inputs, params=asked))
    assert (ended.values["told"], ended.values["pruned"]) == (1, 1)
    assert states(trained) == {"COMPLETE": 1, "PRUNED": 1}
    tracking = Tracking(trained.settings(), trained.project.name)
    runs = tracking.client.search_runs([tracking.experiment], "tags.mlcycle.trial_state = 'pruned'")
    (curve,) = [tracking.client.get_metric_history(run.info.run_id, "validation_loss") for run in runs]
    assert [point.step for point in curve] == [1]  # of four


def test_a_gaussian_process_searches_where_torch_is(trained: Trained, dataset: Handover) -> None:
    trained = searching(trained, trials=5, method="gp", space={"smoothing": SPACE["smoothing"]})
    planned = trained.ok(plan(trained, dataset))
    assert trained.ok(trials(trained, planned)).values["told"] == 5


def test_only_who_trains_may_enter_the_tables_of_searches(trained: Trained, dataset: Handover) -> None:
    trained = searching(trained, trials=1)
    trained.ok(plan(trained, dataset))
    tables = trained.platform.owner().query("select tablename from pg_tables where schemaname = 'search'")
    assert {"studies", "trials", "alembic_version"} <= {name for (name,) in tables}
    assert trained.platform.owner().query(
        "select count(*) from pg_tables where schemaname = 'public' and tablename in ('studies', 'alembic_version')"
    ) == [(0,)]
    for role in ("ingest", "promote", "serve"):
        with pytest.raises(ConfigError, match="permission denied for schema search"):
            Warehouse(trained.settings(role)).query("select count(*) from search.trials")
    with pytest.raises(ConfigError, match="permission denied for table"):  # housekeeping deletes, no more
        Warehouse(trained.settings("keep")).query("update search.trials set number = 7")


def test_the_schema_of_searches_goes_and_comes_with_the_ledgers_version(
    trained: Trained, dataset: Handover
) -> None:
    trained = searching(trained, trials=1)
    trained.ok(plan(trained, dataset))
    dsn = trained.platform.server.dsn(trained.platform.database)
    alembic(dsn, "downgrade", "0014")
    there = "select count(*) from pg_namespace where nspname = 'search'"
    assert trained.platform.owner().query(there) == [(0,)]
    alembic(dsn, "upgrade", "head")
    assert trained.platform.owner().query(there) == [(1,)]
    trained.ok(plan(trained, dataset))


FOLDS = {"policy": "purged", "folds": 3}


def test_a_search_by_folds_is_what_a_training_finds_over_the_same_folds(
    trained: Trained, dataset: Handover
) -> None:
    document = trained.project.document()
    document["split"]["cross_validation"] = FOLDS
    document["candidates"]["boosting"]["search"] = {
        "space": {"max_leaf_nodes": [4, 15]},
        "method": "grid",
        "measure": "cross_validation",
        "pruner": "successive_halving",
    }
    trained = dataclasses.replace(trained, project=Project.model_validate(document))
    asked = {"search": "boosting"}
    planned = trained.ok(trained.step("tune_plan", inputs={"dataset": [dataset]}, params=asked))
    inputs = {"tune_plan": [planned.handover]}
    trained.ok(trained.step("tune_trial", inputs=inputs, params=asked))
    ended = trained.ok(trained.step("tune_conclude", inputs={**inputs, "tune_trial": []}, params=asked))
    own = trained.ok(trained.train(dataset, "boosting"))
    assert ended.metrics["log_loss_before"] == pytest.approx(own.metrics["cv_log_loss_mean"], abs=1e-12)
    assert own.metrics["cv_log_loss_mean"] != pytest.approx(own.metrics["log_loss"], abs=1e-4)
    winner = trained.artifacts.get(ended.outputs["winner"]).decode()
    assert "on the folds of the train rows (purged)" in winner
    page = trained.artifacts.get(ended.outputs["page"]).decode()
    assert f"(sd {own.metrics['cv_log_loss_sd']:.5f})" in page
    document["split"]["cross_validation"] = {**FOLDS, "folds": 4}
    changed = dataclasses.replace(trained, project=Project.model_validate(document))
    refused = changed.step(
        "tune_plan", inputs={"dataset": [dataset]}, params={**asked, "study": str(planned.values["study"])}
    )
    assert refused.error is not None
    assert "the search's folds is not the project file's any more" in refused.error.message


def test_a_trial_that_is_worse_on_few_rows_is_ended_before_it_is_fitted_on_all(
    trained: Trained, dataset: Handover
) -> None:
    """Two points of a grid: the second, which learns by heart, is ended after the newest ninth of the rows."""
    document = trained.project.document()
    document["candidates"]["boosting"]["search"] = {
        "space": {"learning_rate": [0.05, 1.0]},
        "method": "grid",
        "fidelity": "rows",
        "pruner": "successive_halving",
    }
    trained = dataclasses.replace(trained, project=Project.model_validate(document))
    asked = {"search": "boosting"}
    planned = trained.ok(trained.step("tune_plan", inputs={"dataset": [dataset]}, params=asked))
    inputs = {"tune_plan": [planned.handover]}
    ended = trained.ok(trained.step("tune_trial", inputs=inputs, params=asked))
    tried = trained.platform.owner().query(
        "select state, (select array_agg(v.step order by v.step) from search.trial_intermediate_values v "
        "where v.trial_id = t.trial_id) from search.trials t order by number"
    )
    assert (ended.values["told"], ended.values["pruned"]) == (1, 1)
    assert tried == [("COMPLETE", [1, 3, 9]), ("PRUNED", [1])]
    concluded = trained.ok(trained.step("tune_conclude", inputs={**inputs, "tune_trial": []}, params=asked))
    page = trained.artifacts.get(concluded.outputs["page"]).decode()
    tracking = Tracking(trained.settings(), trained.project.name)
    (run,) = tracking.client.search_runs([tracking.experiment], "tags.mlcycle.trial_state = 'pruned'")
    (point,) = tracking.client.get_metric_history(run.info.run_id, "validation_log_loss_by_rows")
    assert f"pruned after {point.step:,} rows" in page
    assert point.value > concluded.metrics["log_loss"]


def test_folds_as_a_measure_need_folds_in_the_project() -> None:
    document = flights_project().document()
    document["candidates"]["table"]["search"] = {"space": SPACE, "measure": "cross_validation"}
    with pytest.raises(ValueError, match=r"search\.measure cross_validation needs folds: say"):
        Project.model_validate(document)


def test_a_form_says_measure_and_fidelity_and_the_search_keeps_them(
    trained: Trained, dataset: Handover
) -> None:
    document = trained.project.document()
    document["split"]["cross_validation"] = FOLDS
    document["candidates"]["table"]["search"] = {"space": SPACE, "method": "random", "trials": 3}
    trained = dataclasses.replace(trained, project=Project.model_validate(document))
    first = trained.ok(plan(trained, dataset, measure="cross_validation", fidelity="rows"))
    name = str(first.values["study"])
    with opened(trained.settings()) as storage:
        kept = SearchStudy(storage, trained.platform.owner(), name).plan
    assert (kept.measure, kept.fidelity) == ("cross_validation", "rows")
    assert kept.folds["folds"] == FOLDS["folds"]
    # Gone on with, an empty form leaves them as they were begun; another measure is another search.
    assert trained.ok(plan(trained, dataset, study=name)).values["study"] == name
    for said, was in (("measure", "cross_validation"), ("fidelity", "rows")):
        other = {"measure": "validation", "fidelity": "rounds"}[said]
        refused = plan(trained, dataset, study=name, **{said: other})
        assert refused.error is not None
        assert f"the search's {said} is {was}: leave {said} empty" in refused.error.message
