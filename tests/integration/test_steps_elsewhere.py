"""Every step as a container would run it: another user, an empty folder, an S3 artifact store.

One short life of the flights project, January and February 2013: the source, MLflow, Evidently, the
S3 server and PostgreSQL are real and on loopback.
"""

import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from mlcycle.contract import Result, Status
from mlcycle.cycle import ALL_ROLES, OWN, ROLES
from mlcycle.project import Project
from mlcycle.project.file import load_named
from mlcycle.stage_run import run_stage
from tests.conftest import ROOT, Platform, free_port
from tests.elsewhere import as_somebody_else
from tests.services import mlflow_server, world_server

FIRST, LAST, DAY = "2013-01-01", "2013-02-20", "2013-02-21"


@pytest.fixture
def s3(monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, str]]:
    """A real S3 server; yields the variables that lead to it."""
    import boto3
    from moto.server import ThreadedMotoServer

    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    env = {
        "AWS_ENDPOINT_URL": f"http://{host}:{port}",
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    for name, value in env.items():
        monkeypatch.setenv(name, value)
    boto3.client("s3").create_bucket(Bucket="mlcycle")
    yield env
    server.stop()


@pytest.fixture
def world(tmp_path: Path) -> Iterator[str]:
    """The source system; yields its URL."""
    with world_server(tmp_path / "world", free_port()) as url:
        yield url


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that any user can reach; pytest's own are closed."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        yield Path(folder)


def small(project: Project) -> Project:
    """The project with quick candidates and a split that fits seven weeks."""
    document = project.document()
    document["split"] |= {"holdout": "7 days", "validation": "7 days"}
    document["gate"] |= {"confidence": 0.6}  # a week's holdout proves little
    document["candidates"]["boosting"]["params"]["max_iter"] = 20
    document["candidates"]["network"]["params"]["epochs"] = 1
    return Project.model_validate(document)


def test_a_life_of_the_project_as_containers_would_live_it(
    platform: Platform, s3: dict[str, str], world: str, tmp_path: Path, open_folder: Path
) -> None:
    project = small(load_named(ROOT / "projects", "flights"))
    ran: dict[str, list[Status]] = {}

    with mlflow_server(tmp_path / "mlflow", free_port()) as mlflow:
        env = {
            **{f"MLCYCLE_DSN_{role.upper()}": dsn(platform, role) for role in ALL_ROLES},
            **s3,
            "MLCYCLE_ARTIFACTS_URL": "s3://mlcycle/artifacts",
            "MLCYCLE_MLFLOW_URL": mlflow,
            "MLCYCLE_SOURCE_URL": world,
            "MLCYCLE_THREADS": "1",
            "PATH": "/usr/bin:/bin",
        }
        execute = as_somebody_else(open_folder, env)

        def live(stage: str, **kwargs: Any) -> list[Result]:
            results = []
            for name, result in run_stage(project, stage, execute, **kwargs):
                assert result.status in (Status.OK, Status.SKIPPED), f"{name}: {result.message}"
                ran.setdefault(result.step, []).append(result.status)
                results.append(result)
            return results

        live("ingest", first=FIRST, last=LAST)
        live("features", first=FIRST, last=LAST)
        live("retrain", last=LAST, params={"reason": "a first model"})
        live("train", last=LAST)
        live("promote", last=LAST)
        for stage in ("ingest", "features", "score", "monitor"):
            live(stage, last=DAY)
        live("shadow", last=DAY)
        live("tune", last=DAY, params={"trials": "2"})
        live("absent", last="2013-12-25", params={"reason": "the airport was closed"})
        ((_, refused),) = run_stage(project, "rollback", execute, params={"reason": "there is one champion"})
        assert (refused.status, refused.error and refused.error.retryable) == (Status.FAILED, False)

    checker = platform.owner()
    assert checker.query("select count(*) from ledger.champion") == [(1,)]
    rows = checker.query(
        "select count(*) from raw.flights__flights where sched_dep >= %s", (f"{DAY} 00:00Z",)
    )
    assert checker.query("select count(*) from serving.prediction where partition = %s", (DAY,)) == rows
    assert set(ran) | {"rollback", "alert", OWN} >= set(ROLES), "a step was never run"
    for step in ("extract", "validate", "publish", "features", "materialize", "dataset", "train", "evaluate"):
        assert Status.OK in ran[step]
    for step in ("register", "compare", "promote", "reconcile", "score", "labels", "monitor"):
        assert Status.OK in ran[step]
    for step in ("tune_plan", "tune_trial", "tune_conclude"):
        assert ran[step] == [Status.OK]


def dsn(platform: Platform, role: str) -> str:
    return platform.settings(role).warehouse_dsn.get_secret_value()
