"""A real Airflow whose steps are pods: tasks that wait hold no slot, and what nobody wants any more goes."""

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import psycopg2
import pytest

from mlcycle.local.config import platform_env
from mlcycle.local.guard import recorded
from tests.dags.conftest import copy_project
from tests.dags.scheduler import Airflow, running_airflow
from tests.kubernetes.cluster import apply, until
from tests.kubernetes.conftest import SECRET, Relay
from tests.kubernetes.steps import Source, source

pytestmark = pytest.mark.platform
DAG, TASK = "p0_ingest", "flights.extract"
PROJECTS, RUNS, TABLES = 4, 2, 3  # twenty-four steps at once
SCRIPTED = "tests.dags.scripted.ScriptedRunner"
Pods = list[dict[str, Any]]


@pytest.fixture(scope="module")
def world(address: str) -> Iterator[Source]:
    """The source system of these steps: it hangs until it may answer."""
    with source(address) as found:
        yield found


@pytest.fixture(scope="module")
def airflow(
    tmp_path_factory: pytest.TempPathFactory,
    namespace: str,
    launcher: Path,
    store: dict[str, str],
    address: str,
    image: str,
    world: Source,
) -> Iterator[Airflow]:
    """With four slots in all; what follows the step ``extract`` ends at once."""
    folder = tmp_path_factory.mktemp("airflow")
    for number in range(PROJECTS):
        copy_project(folder / "projects", f"p{number}")
    pools = {"cpu": {"cpu_request": 0.01, "memory_request": 0.02}}
    with running_airflow(
        folder, "kubernetes", folder / "projects",
        AIRFLOW__CORE__PARALLELISM="4",
        KUBECONFIG=str(launcher),
        MLCYCLE_KUBERNETES_NAMESPACE=namespace,
        MLCYCLE_KUBERNETES_SECRET=SECRET,
        MLCYCLE_KUBERNETES_POOLS=json.dumps(pools),
        MLCYCLE_IMAGE=image,
        MLCYCLE_RUNNER_VALIDATE=SCRIPTED, MLCYCLE_RUNNER_PUBLISH=SCRIPTED, MLCYCLE_RUNNER_FEATURES=SCRIPTED,
        MLCYCLE_RUNNER_MATERIALIZE=SCRIPTED, MLCYCLE_RUNNER_SCORE=SCRIPTED,
        MLCYCLE_ARTIFACTS_URL="s3://artifacts/waiting",
        MLCYCLE_SOURCE_URL=world.url,
        MLCYCLE_TIMEOUT="600",
        **store,
    ) as running:  # fmt: skip
        port = running.platform.ports["postgres"]
        relay = Relay(address, port)
        dsn = platform_env(running.platform.state)["MLCYCLE_DSN_INGEST"]
        keys = {name: store[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
        secret = {
            "MLCYCLE_WAREHOUSE_DSN": dsn.replace(f"127.0.0.1:{port}", f"{address}:{relay.port}"),
            **keys,
        }
        meta = {"name": f"{SECRET}-ingest", "namespace": namespace}
        apply({"apiVersion": "v1", "kind": "Secret", "metadata": meta, "stringData": secret})
        for number in range(PROJECTS):
            running.api.wait_for_dag(f"p{number}_ingest", seconds=120)
        yield running
        relay.close()


def pods(namespace: str) -> Pods:
    from tests.kubernetes.cluster import kubectl

    found: Pods = json.loads(kubectl("-n", namespace, "get", "pods", "-o", "json"))["items"]
    return [pod for pod in found if "deletionTimestamp" not in pod["metadata"]]


def of_run(namespace: str, run: str) -> Pods:
    """Pods of a run's step ``extract`` of the table flights."""
    wanted = {"mlcycle.dev/run": run, "mlcycle.dev/task": TASK}
    return [pod for pod in pods(namespace) if wanted.items() <= pod["metadata"]["annotations"].items()]


def waiting(airflow: Airflow, run: str) -> None:
    """Until the step runs and its task has let go of its slot."""
    airflow.until(DAG, run, TASK, "up_for_reschedule", seconds=120)


def test_a_waiting_task_that_a_person_marks_failed_takes_its_pod_along(
    airflow: Airflow, namespace: str
) -> None:
    run = airflow.api.trigger(DAG, partition="2013-01-02")
    waiting(airflow, run)
    assert len(of_run(namespace, run)) == 1
    path = f"/api/v2/dags/{DAG}/dagRuns/{run}/taskInstances/{TASK}"
    airflow.ask("PATCH", path, json={"new_state": "failed"})
    until(lambda: not of_run(namespace, run), 60)
    airflow.ask("PATCH", f"/api/v2/dags/{DAG}/dagRuns/{run}", json={"state": "failed"})


def test_a_waiting_task_that_is_cleared_takes_its_pod_along_and_begins_anew(
    airflow: Airflow, namespace: str
) -> None:
    run = airflow.api.trigger(DAG, partition="2013-01-03")
    waiting(airflow, run)
    (before,) = of_run(namespace, run)
    body = {"dry_run": False, "dag_run_id": run, "task_ids": [TASK], "only_failed": False}
    airflow.ask("POST", f"/api/v2/dags/{DAG}/clearTaskInstances", json=body)
    until(lambda: before["metadata"]["name"] not in {p["metadata"]["name"] for p in pods(namespace)}, 90)
    until(lambda: len(of_run(namespace, run)) == 1, 90)
    airflow.ask("PATCH", f"/api/v2/dags/{DAG}/dagRuns/{run}", json={"state": "failed"})
    until(lambda: not of_run(namespace, run), 60)


def test_pods_outlive_the_scheduler_and_each_step_is_done_once(
    airflow: Airflow, namespace: str, world: Source
) -> None:
    until(lambda: not [pod for pod in pods(namespace) if pod["status"]["phase"] == "Running"], 120)
    while world.asked.acquire(blocking=False):
        pass
    days = [f"2013-02-{day + 1:02d}" for day in range(RUNS)]
    dags = [f"p{number}_ingest" for number in range(PROJECTS)]
    runs = [(dag, airflow.api.trigger(dag, partition=day)) for day in days for dag in dags]
    began = time.monotonic()
    for _ in range(TABLES * len(runs)):
        world.wait(300)
    print(f"{TABLES * len(runs)} steps run after {time.monotonic() - began:.0f} s, with four slots")
    kill_scheduler(airflow.platform.state)
    world.may_answer.set()
    for dag, run in runs:
        until(lambda dag=dag, run=run: extracted(airflow, dag, run), 300, f"for {dag} {run}")  # type: ignore[misc]
    begun = "select work, count(*) from ledger.attempt where step = 'extract' and work like %s group by 1"
    with psycopg2.connect(airflow.platform.dsn("mlcycle")) as connection, connection.cursor() as cursor:
        for dag, run in runs:
            cursor.execute(begun, (f"{dag}/{run}/%",))
            assert sorted(count for _, count in cursor.fetchall()) == [1] * TABLES
    connection.close()


def extracted(airflow: Airflow, dag: str, run: str) -> bool:
    states = [task["state"] for task in airflow.api.tasks(dag, run) if task["task_id"].endswith(".extract")]
    assert "failed" not in states
    return states == ["success"] * TABLES


def kill_scheduler(state: Path) -> None:
    """The scheduler, its workers and their tasks, all at once; wait until another one runs."""
    (pid,) = [row["pid"] for row in recorded(state) if row["name"] == "scheduler"]
    tree = [psutil.Process(pid), *psutil.Process(pid).children(recursive=True)]
    for process in tree:
        process.kill()
    psutil.wait_procs(tree, 20)
    until(
        lambda: [row["pid"] for row in recorded(state) if row["name"] == "scheduler"] not in ([pid], [0]), 60
    )
