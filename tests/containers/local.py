"""The local platform with every step in a container of the engine that the tests are given."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.services import running_platform


@contextmanager
def docker_platform(state: Path, image: str) -> Iterator[Path]:
    """The platform, stopped afterwards. Yields its state folder."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MLCYCLE_RUNNER", "docker")
        patch.setenv("MLCYCLE_IMAGE", image)
        with running_platform(state, ROOT) as folder:
            yield folder


def containers(engine: Any) -> set[str]:
    """Of the project's steps, running or not."""
    return {one["Id"] for one in engine.containers(all=True, filters={"label": "mlcycle.project=weather"})}


def paused(engine: Any, step: str) -> str:
    """The container of this step, stopped in the middle of its life."""
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        labels = ["mlcycle.project=weather", f"mlcycle.step={step}"]
        for found in engine.containers(filters={"label": labels, "status": "running"}):
            engine.pause(found["Id"])
            return str(found["Id"])
        time.sleep(0.02)
    raise AssertionError(f"no container of {step}")
