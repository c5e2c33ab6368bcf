"""Fixtures of the DAG tests: project folders, and DagBags made from them."""

from tests import airflow_env  # noqa: F401, I001 - first of all

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parent.parent.parent

Bag = Callable[[Path], Any]


@pytest.fixture
def bag(monkeypatch: pytest.MonkeyPatch) -> Bag:
    """Parse the repository's dags folder over a folder of projects, as Airflow does."""
    from airflow.dag_processing.dagbag import DagBag

    def parse(projects: Path) -> Any:
        monkeypatch.setenv("MLCYCLE_PROJECTS", str(projects))
        return DagBag(str(ROOT / "dags"))

    return parse


def copy_project(folder: Path, name: str, *changes: tuple[str, str]) -> Path:
    """The flights project under another name, with pieces of its text replaced; returns its file."""
    target = folder / name
    shutil.copytree(ROOT / "projects" / "flights", target)
    file = target / "project.yaml"
    text = file.read_text().replace("name: flights", f"name: {name}", 1)
    for before, after in changes:
        assert before in text
        text = text.replace(before, after, 1)
    file.write_text(text)
    return file
