"""Monitors by name. A new monitor is one module in ``adapters/monitoring/monitors`` with one class."""

import importlib
import pkgutil
from dataclasses import dataclass
from typing import Final

from mlcycle.adapters.monitoring import monitors
from mlcycle.adapters.monitoring.base import Monitor
from mlcycle.domain.closest import among
from mlcycle.domain.monitors import Level
from mlcycle.domain.tasks import task_of
from mlcycle.errors import ConfigError
from mlcycle.project import Project, Watched
from mlcycle.project.params import checked_params, said

#: Monitors that set one number a row against its label; of many classes a row has several.
ONE_NUMBER: Final = frozenset(
    {"adwin", "brought", "ddm", "eddm", "earnings", "estimate", "kswin", "linear_four_rates"}
    | {"margin_density", "page_hinkley", "process_control", "recommendations", "served_again", "value", "why"}
)
#: Those that set a score against its row's label; of a ranking only its lists have an order to judge.
ONE_ROW: Final = ONE_NUMBER | {"performance"}


@dataclass(frozen=True)
class Watcher:
    """A monitor as a project has it."""

    name: str
    monitor: Monitor
    level: Level | None  # of what it finds wrong; None: its own
    retrain: bool


def names() -> list[str]:
    """The monitors there are."""
    return sorted(module.name for module in pkgutil.iter_modules(monitors.__path__))


def kind(name: str) -> type[Monitor]:
    """The class of a monitor. Raises ConfigError that lists the monitors there are."""
    if name not in names():
        raise ConfigError(f"no monitor {name!r}: {among(name, names())}")
    module = importlib.import_module(f"{monitors.__name__}.{name}")
    (found,) = (
        each
        for each in vars(module).values()
        if isinstance(each, type) and issubclass(each, Monitor) and each.__module__ == module.__name__
    )
    return found


def watching(project: Project) -> list[Watcher]:
    """The project's monitors in the order in which they measure: those it names, and those that watch anyway.

    Raises ConfigError for a monitor or a parameter that does not exist, one line.
    """
    every = dict.fromkeys([*names(), *project.monitors.watch])
    found = [watcher for name in every if (watcher := watching_as(project, name))]
    return sorted(found, key=lambda watcher: (watcher.monitor.order, watcher.name))


def watching_as(project: Project, name: str) -> Watcher | None:
    """One monitor as the project has it, None where it does not watch. Raises ConfigError as ``watching``."""
    asked = project.monitors.watch
    monitor, given = kind(name), asked.get(name, Watched())
    if name not in asked and not monitor.always:
        return None
    if name in _unable(project):
        if name in asked and given.enabled:
            kind_of = "rankings" if task_of(project.label.task).lists else "many classes"
            raise ConfigError(f"monitor {name!r} does not know {kind_of} yet: leave it out")
        return None
    if given.severity == "page" and not monitor.pages:
        raise ConfigError(f"monitor {name!r} never pages: let its severity be warn or info")
    if not given.enabled:
        return None
    retrain = monitor.asks_for_retrain if given.retrain is None else given.retrain
    params = _params(name, monitor, given)
    if why := monitor.misfit(project, params):
        raise ConfigError(f"monitor {name!r}: {why}")
    return Watcher(name, monitor(params), given.severity, retrain)


def _unable(project: Project) -> frozenset[str]:
    """Monitors that do not know the project's task."""
    task = task_of(project.label.task)
    if task.lists:
        return ONE_ROW
    return ONE_NUMBER if task.many else frozenset()


def _params(name: str, monitor: type[Monitor], given: Watched) -> object:
    found, wrong = checked_params(monitor.Parameters, given.params, monitor.gone)
    if wrong:
        raise ConfigError(f"monitor {name!r}: {'; '.join(said(each) for each in wrong)}")
    return found
