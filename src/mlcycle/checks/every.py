"""All checks of one project file."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from mlcycle.checks.dag_ids import check_dag_ids
from mlcycle.checks.gate import check_gate
from mlcycle.checks.models import check_candidates, check_metric_of
from mlcycle.checks.own_code import check_code
from mlcycle.checks.rows import check_expectations
from mlcycle.checks.watch import check_monitors, check_schedule
from mlcycle.errors import ConfigError
from mlcycle.project import Project
from mlcycle.project.file import read
from mlcycle.project.lines import Lines
from mlcycle.project.misfit import Misfit
from mlcycle.project_code import using

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor


def check_file(path: Path, cursor: "Cursor | None" = None, own: dict[str, str] | None = None) -> Project:
    """The project of a file. Raises ConfigError whose ``problems`` are a mistake each, by file, line, key.

    ``cursor`` is of a read-only transaction on a PostgreSQL that explains the views' statements; ``own`` are
    the DAG ids of a person's own (``dag_ids.own_dags``).
    """
    project, lines = read(path)
    with using(project.own_code):
        found = sorted(_mistakes(project, own or {}), key=lambda one: lines.line(one.at))
    problems = [lines.say(each.at, str(each)) for each in found]
    if project.features:
        from mlcycle.checks.views import sql_problems  # the parser takes a tenth of a second to load

        for name, line, reason in sql_problems(project, cursor):
            at = ("features", name, "sql")
            said = Lines(lines.files[at], {(): max(line, 1)}).say(at, reason)
            problems.append(said)
    if problems:
        raise ConfigError(*problems)
    return project


def _mistakes(project: Project, own: dict[str, str]) -> Iterator[Misfit]:
    yield from check_expectations(project)
    if own_code := list(check_code(project)):
        yield from own_code  # what cannot be imported is not asked for its parameters
        return
    yield from check_candidates(project)
    yield from check_metric_of(project)
    yield from check_monitors(project)
    yield from check_schedule(project)
    yield from check_gate(project)
    yield from check_dag_ids(project, own)
