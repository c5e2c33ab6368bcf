"""What Airflow says of a run's tasks, mapped ones among them."""

from collections.abc import Collection, Mapping
from typing import Any


def folded(
    states: Mapping[str, Any], task_ids: Collection[str], mapped_ids: Collection[str]
) -> dict[str, list[Any]]:
    """The states of each task, a mapped one's all together: Airflow tells them as ``<task>_<number>``."""
    found: dict[str, list[Any]] = {}
    for told, state in states.items():
        name, _, number = told.rpartition("_")
        own = told in task_ids or not (number.isdigit() and name in mapped_ids)
        found.setdefault(told if own else name, []).append(state)
    return found
