"""DAGs of a person's own that have a project's ids: Airflow would show one of the two, now this, now that."""

import ast
import os
from collections.abc import Iterator
from pathlib import Path

from mlcycle.cycle import STAGES
from mlcycle.project import Project
from mlcycle.project.misfit import Misfit

VARIABLE = "AIRFLOW__CORE__DAGS_FOLDER"
LARGEST = 1 << 20  # bytes of a file that is looked into


def dags_folder(projects: Path) -> Path:
    """Where DAG files are: as Airflow's own variable says, else ``dags`` beside the projects."""
    return Path(os.environ.get(VARIABLE) or projects.absolute().parent / "dags")


def own_dags(folder: Path) -> dict[str, str]:
    """``file:line`` of each DAG id that is written out in a file of the folder; nothing is run."""
    found: dict[str, str] = {}
    for path in sorted(folder.rglob("*.py")) if folder.is_dir() else ():
        try:
            if path.stat().st_size > LARGEST:
                continue
            tree = ast.parse(path.read_bytes())
        except (OSError, SyntaxError, ValueError, RecursionError):
            continue  # Airflow says so
        for node in ast.walk(tree):
            for name in _ids(node):
                found.setdefault(name, f"{path}:{getattr(node, 'lineno', 1)}")
    return found


def check_dag_ids(project: Project, own: dict[str, str]) -> Iterator[Misfit]:
    """Each of the project's ids that a DAG of a person's own has."""
    for stage in STAGES:
        dag_id = f"{project.name}_{stage}"
        if dag_id in own:
            yield Misfit(f"its DAG {dag_id!r} is in {own[dag_id]} too: rename that one", "name")


def _ids(node: ast.AST) -> Iterator[str]:
    if isinstance(node, ast.Call) and _name(node.func) in ("DAG", "dag"):
        given = [*node.args[:1], *(each.value for each in node.keywords if each.arg == "dag_id")]
        yield from (
            each.value for each in given if isinstance(each, ast.Constant) and isinstance(each.value, str)
        )
    elif isinstance(node, ast.FunctionDef):
        for each in node.decorator_list:
            call = each.func if isinstance(each, ast.Call) else each
            if _name(call) == "dag" and not (isinstance(each, ast.Call) and [*_ids(each)]):
                yield node.name


def _name(node: ast.AST) -> str:
    return node.attr if isinstance(node, ast.Attribute) else node.id if isinstance(node, ast.Name) else ""
