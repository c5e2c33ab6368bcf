"""The SQL of feature views, each mistake with the line of its own file."""

from pathlib import Path

from mlcycle.errors import ConfigError
from mlcycle.project import Project
from mlcycle.project.file import check_sql


def sql_problems(path: Path, project: Project) -> list[str]:
    """What is wrong with the project's views, a line each."""
    try:
        check_sql(path, project)
    except ConfigError as error:
        return error.problems
    return []
