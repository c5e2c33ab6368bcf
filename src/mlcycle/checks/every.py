"""All checks of one project file."""

from collections.abc import Iterator
from pathlib import Path

from mlcycle.checks.models import check_candidates, check_metric_of
from mlcycle.checks.rows import check_expectations
from mlcycle.checks.views import sql_problems
from mlcycle.checks.watch import check_monitors, check_schedule
from mlcycle.errors import ConfigError
from mlcycle.project import Project
from mlcycle.project.file import read
from mlcycle.project.misfit import Misfit


def check_file(path: Path) -> Project:
    """The project of a file. Raises ConfigError whose ``problems`` are a mistake each, by file, line, key."""
    project, lines = read(path)
    found = sorted(_mistakes(project), key=lambda one: lines.line(one.at))
    problems = [lines.say(each.at, str(each)) for each in found]
    problems += sql_problems(path, project)
    if problems:
        raise ConfigError(*problems)
    return project


def _mistakes(project: Project) -> Iterator[Misfit]:
    yield from check_expectations(project)
    yield from check_candidates(project)
    yield from check_metric_of(project)
    yield from check_monitors(project)
    yield from check_schedule(project)
