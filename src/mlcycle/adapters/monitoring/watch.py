"""Every monitor of a project on one window.

A monitor that cannot measure is a finding of its own; it never counts as a good answer. What is
merely not known yet (labels, a baseline) is left out, with the reason.
"""

from collections.abc import Iterable, Sequence
from dataclasses import replace

from mlcycle.adapters.monitoring.registry import Watcher
from mlcycle.adapters.monitoring.window import Reference, State, Window
from mlcycle.contract import not_finite
from mlcycle.domain import monitors
from mlcycle.domain.monitors import Measurement
from mlcycle.errors import MlcycleError


def watch(window: Window, watchers: Sequence[Watcher]) -> list[str]:
    """Let each measure; what they find is in ``window.found``. Returns what was left out, and why.

    Raises an error that can pass (the warehouse does not answer): then the step is tried again.
    """
    reference, left_out, idle = Reference(window), list[str](), list[str]()
    for watcher in watchers:
        if watcher.monitor.needs_champion and window.champion is None:
            idle.append(watcher.name)
            continue
        answer = _measure(watcher, window, reference)
        if isinstance(answer, str):
            left_out.append(f"{watcher.name} ({answer})")
        else:
            window.found.extend(_told(item, watcher) for item in answer)
    if idle:
        left_out.append(f"{', '.join(idle)} (no champion yet)")
    return left_out


def _measure(watcher: Watcher, window: Window, reference: Reference) -> Iterable[Measurement] | str:
    try:
        answer = watcher.monitor.measure(window, reference, State(window, watcher.name))
        return answer if isinstance(answer, str) else list(answer)
    except MemoryError:
        raise
    except Exception as error:
        if isinstance(error, MlcycleError) and error.retryable:
            raise
        reason = error.message if isinstance(error, MlcycleError) else f"{type(error).__name__}: {error}"
        return [replace(monitors.failed(watcher.name, reason[:300]), status=watcher.monitor.failure)]


def _told(item: Measurement, watcher: Watcher) -> Measurement:
    """The measurement at the project's level; an error in its place where it holds a number that is none."""
    if problem := not_finite({"value": item.value, "threshold": item.threshold, **item.details}):
        return monitors.failed(item.monitor, problem, item.subject)
    if watcher.level and item.status in ("info", "warn", "page"):
        return replace(item, status=watcher.level)
    return item
