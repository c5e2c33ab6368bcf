"""A Docker engine that the tests are given: DOCKER_HOST, or the default socket where it answers."""

import os
from collections.abc import Iterator
from typing import Any

import pytest

STEP_IMAGE = os.environ.get("MLCYCLE_TEST_STEP_IMAGE", "mlcycle-step:cpu")


@pytest.fixture(scope="session")
def engine() -> Iterator[Any]:
    """Its low-level API."""
    import docker

    try:
        client = docker.from_env(version="auto")
        client.ping()
    except docker.errors.DockerException as error:
        pytest.skip(f"no Docker engine: set DOCKER_HOST ({' '.join(str(error).split())[:120]})")
    yield client.api
    client.close()


@pytest.fixture(scope="session")
def step_image(engine: Any) -> str:
    """The image of steps, built by ``make images``."""
    if not engine.images(STEP_IMAGE):
        pytest.skip(f"no image {STEP_IMAGE}: make images")
    return STEP_IMAGE
