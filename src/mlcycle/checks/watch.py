"""Monitors and the schedule of retrains."""

from collections.abc import Iterator

from mlcycle.adapters.monitoring.registry import kind, names, watching_as
from mlcycle.domain.cron import check_cron
from mlcycle.errors import ConfigError
from mlcycle.project import Project
from mlcycle.project.misfit import Misfit
from mlcycle.project.params import checked_params


def check_monitors(project: Project) -> Iterator[Misfit]:
    """Monitors that there are not, parameters that they do not take, and what they cannot watch."""
    known = names()
    for name in dict.fromkeys([*known, *project.monitors.watch]):
        at = ("monitors", "watch", name)
        given = project.monitors.watch.get(name)
        if given is not None and name in known:
            monitor = kind(name)
            _, wrong = checked_params(monitor.Parameters, given.params, monitor.gone)
            if wrong:
                yield from (Misfit(f"monitor {name!r}: {one}", *at, "params", *one.at) for one in wrong)
                continue
        try:
            watching_as(project, name)
        except ConfigError as error:
            yield Misfit(error.message, *at)


def check_schedule(project: Project) -> Iterator[Misfit]:
    """Whether the cron expression is one."""
    if project.retrain.schedule:
        try:
            check_cron(project.retrain.schedule)
        except ConfigError as error:
            yield Misfit(error.message.removeprefix("retrain.schedule: "), "retrain", "schedule")
