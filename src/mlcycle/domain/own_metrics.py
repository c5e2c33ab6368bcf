"""Metrics that other packages or a project bring: the mean over rows of what a function says of each row.

A package names the function by an entry point of the group ``mlcycle.metrics``, a project by a reference,
``metrics:money_lost``. It takes labels (n,) and
predictions, (n,) or of many classes (n, classes), and returns (n,) finite numbers. Two attributes of the
function may say more: ``tasks``, the names of those that it measures (all), and ``higher_is_better`` (False).
A mean over rows is asked for, as it can be weighted, compared by blocks of time and given an interval like
any other.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.metadata import entry_points
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mlcycle.errors import ConfigError
from mlcycle.project_code import current, is_reference, resolve, said

GROUP: Final = "mlcycle.metrics"
Array = NDArray[np.float64]


@dataclass(frozen=True)
class OwnMetric:
    """One metric: ``rows`` of an own function, checked. ``tasks`` empty: all."""

    name: str
    function: Callable[[Array, Array], Any]
    tasks: tuple[str, ...] = ()
    higher_is_better: bool = False

    def measures(self, task: str) -> bool:
        """Whether it is for this task."""
        return not self.tasks or task in self.tasks

    def rows(self, labels: Array, predictions: Array) -> Array:
        """(n,) what it says of each row. Raises ConfigError where it raises, or says no number of a row."""
        try:
            found = np.asarray(self.function(labels, predictions), dtype=np.float64)
        except Exception as error:  # noqa: BLE001 - whatever somebody's function raises
            raise ConfigError(f"metric {self.name!r} raises {said(error)}") from None
        if found.shape != labels.shape:
            raise ConfigError(
                f"metric {self.name!r} returns an array {found.shape} for {len(labels)} rows: "
                "one number for each row is expected"
            )
        if bad := int(np.count_nonzero(~np.isfinite(found))):
            raise ConfigError(f"metric {self.name!r} says no finite number of {bad} of {len(labels)} rows")
        return found


@cache
def names() -> tuple[str, ...]:
    """Those that installed packages bring; nothing of them is imported."""
    return tuple(sorted(entry_points(group=GROUP).names))


def own_metric(name: str) -> OwnMetric:
    """The metric of this name. Raises ConfigError where nobody brings it, or it cannot be imported."""
    return _as_metric(name, name, resolve(name)) if is_reference(name) else _installed(name)


@cache
def _installed(name: str) -> OwnMetric:
    found = entry_points(group=GROUP, name=name)
    if not found:
        known = ", ".join(names()) or "none is installed here"
        raise ConfigError(
            f"no metric {name!r}: ours are those of the tasks, of other packages (entry points "
            f"{GROUP}) {known}"
        )
    point = next(iter(found))
    try:
        function = point.load()
    except Exception as error:  # noqa: BLE001 - whatever importing somebody's package raises
        raise ConfigError(f"metric {name!r} ({point.value}) cannot be imported: {error}") from None
    return _as_metric(name, point.value, function)


def _as_metric(name: str, where: str, function: Any) -> OwnMetric:
    tasks = getattr(function, "tasks", ())
    if not callable(function) or isinstance(tasks, str):
        raise ConfigError(f"metric {name!r} ({where}) is no function, or its tasks are no list")
    return OwnMetric(name, function, tuple(tasks), bool(getattr(function, "higher_is_better", False)))


def of_task(task: str) -> list[OwnMetric]:
    """Those that measure the task. Raises ConfigError for one that cannot be imported."""
    return [found for name in (*names(), *current().metrics) if (found := own_metric(name)).measures(task)]
