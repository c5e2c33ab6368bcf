"""The images that tests run: built from this checkout, or those that are there."""

import os
import subprocess

import pytest

from tests.conftest import ROOT


def named(image: str) -> str:
    """An image's name on the engine: below ``REGISTRY`` where that is set, as ``make images`` tags it."""
    registry = os.environ.get("REGISTRY", "").rstrip("/")
    return f"{registry}/{image}" if registry else image


def build(*images: str) -> None:
    """``make images``, of which the engine does only what changed; skips where it cannot be done at all.

    ``MLCYCLE_TEST_IMAGES=keep`` takes those that are there.
    """
    try:
        answer = subprocess.run(["docker", "info"], capture_output=True, check=False)
    except FileNotFoundError:
        pytest.skip("no docker command here")
    if answer.returncode:
        pytest.skip("no container engine answers: set DOCKER_HOST")
    if os.environ.get("MLCYCLE_TEST_IMAGES") == "keep":
        there = [["docker", "image", "inspect", named(image)] for image in images]
        missing = [
            command[-1] for command in there if subprocess.run(command, capture_output=True).returncode
        ]
        assert not missing, f"make images first: {missing} are not there"
        return
    built = subprocess.run(
        ["make", "images", f"IMAGES={' '.join(images)}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if "failed to resolve source metadata" in built.stderr:
        pytest.skip("the base image is not there, and no registry answers: docker pull python:3.11-slim")
    assert built.returncode == 0, built.stderr[-2000:]
