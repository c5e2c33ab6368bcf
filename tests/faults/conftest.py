"""Fixtures of the fault tests: one life of a project for all of them, and a step server."""

from collections.abc import Iterator

import pytest

from mlcycle.local.postgres import Postgres
from mlcycle.project import Project
from mlcycle.project.file import load_named
from tests.conftest import ROOT, free_port, fresh
from tests.faults.lives import Life, live, step_server
from tests.services import mlflow_server, world_server

FIRST, LAST, DAY = "2013-01-01", "2013-02-10", "2013-02-11"


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The step server's socket."""
    with step_server(tmp_path_factory.mktemp("steps")) as socket:
        yield socket


@pytest.fixture(scope="session")
def life(
    server: str, postgres: Postgres, _template: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Life]:
    """One undisturbed life of a small project, each step's moment kept."""
    folder = tmp_path_factory.mktemp("life")
    with (
        fresh(postgres, _template, folder) as platform,
        world_server(folder / "world", free_port()) as world,
        mlflow_server(folder / "mlflow", free_port()) as mlflow,
    ):
        stages = [
            ("ingest", {"first": FIRST, "last": LAST}),
            ("features", {"first": FIRST, "last": LAST}),
            ("train", {"last": LAST}),
            ("promote", {"last": LAST}),
            *((stage, {"last": DAY}) for stage in ("ingest", "features", "score", "monitor")),
        ]
        env = {"MLCYCLE_MLFLOW_URL": mlflow, "MLCYCLE_SOURCE_URL": world}
        life = live(server, platform, _small(), stages, env)
        for step in ("promote", "score", "monitor"):
            assert life.moments[step].publications, f"{step}: {life.moments[step].result.message}"
        yield life


def _small() -> Project:
    document = load_named(ROOT / "projects", "flights").document()
    document["split"] |= {"holdout": "7 days", "validation": "7 days"}
    document["candidates"]["boosting"]["params"]["max_iter"] = 10
    del document["candidates"]["network"]
    return Project.model_validate(document)
