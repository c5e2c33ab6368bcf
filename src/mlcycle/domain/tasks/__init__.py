"""Tasks: what kind of label a project has, and all that follows from it. One object each, found by name.

A module that would ask "classification or regression?" asks the object for what it wants to know. Reading a
project file needs a task's facts alone, so that numbers are imported when a task is first asked to compute.
"""

from typing import Final

from mlcycle.domain.tasks.base import Task
from mlcycle.domain.tasks.binary import Binary
from mlcycle.domain.tasks.multiclass import Multiclass
from mlcycle.domain.tasks.ranking import Ranking
from mlcycle.domain.tasks.regression import Regression
from mlcycle.errors import ConfigError

TASKS: Final[dict[str, Task]] = {
    task.name: task for task in (Binary(), Multiclass(), Ranking(), Regression())
}


def task_of(name: str) -> Task:
    """The task of this name in project files. Raises ConfigError that lists the tasks there are."""
    found = TASKS.get(name)
    if found is None:
        raise ConfigError(f"no task {name!r}: there are {', '.join(TASKS)}")
    return found


__all__ = ["TASKS", "Task", "task_of"]
