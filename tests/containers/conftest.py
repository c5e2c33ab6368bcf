"""A Docker engine that the tests are given, DOCKER_HOST or the default socket, and an image of steps on it."""

import os
from collections.abc import Iterator
from typing import Any

import pytest

from tests.containers.building import build, named


@pytest.fixture(scope="session")
def step_image() -> str:
    """The image of steps: this checkout's, or the one that ``MLCYCLE_TEST_STEP_IMAGE`` names."""
    given = os.environ.get("MLCYCLE_TEST_STEP_IMAGE")
    if not given:
        build("mlcycle-step:cpu")
    return given or named("mlcycle-step:cpu")


@pytest.fixture(scope="session")
def engine(step_image: str) -> Iterator[Any]:
    """The engine's low-level API."""
    import docker

    client = docker.from_env(version="auto")
    yield client.api
    client.close()
