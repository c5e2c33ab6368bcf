"""Fixtures of the step tests."""

from collections.abc import Iterator

import pytest

from tests.conftest import free_port
from tests.services import mlflow_server


@pytest.fixture(scope="session")
def mlflow_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A real MLflow server for the whole run. Tests keep apart by their projects' names."""
    with mlflow_server(tmp_path_factory.mktemp("mlflow"), free_port()) as url:
        yield url
