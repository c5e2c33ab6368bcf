"""What acting on the predictions earns, week by week, on a page for the project's owner."""

import hashlib
from collections.abc import Iterable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlcycle.adapters.monitoring import days
from mlcycle.adapters.monitoring.answered import answered
from mlcycle.adapters.monitoring.base import Monitor
from mlcycle.adapters.monitoring.monitors.value import served_worth
from mlcycle.adapters.monitoring.window import Reference, State, Window
from mlcycle.adapters.pages import earnings_page
from mlcycle.domain.earnings import Day, returns
from mlcycle.domain.metrics import business_value
from mlcycle.domain.monitors import Measurement
from mlcycle.domain.seen_labels import estimated, payoffs, unknown
from mlcycle.domain.spending import cost
from mlcycle.domain.tasks import task_of
from mlcycle.domain.unit import Length
from mlcycle.domain.value import Constants, constants
from mlcycle.ledger import models, spent
from mlcycle.project import Project

Array = NDArray[np.float64]

MEMORY = timedelta(days=365)
WEEK = timedelta(days=7)


class Earnings(Monitor):
    """Tells the return of a week over acting as before, with its interval; no level is wrong."""

    title = "what it earns could not be told"
    order = 85
    failure = "info"

    def measure(  # noqa: D102
        self, window: Window, reference: Reference, state: State
    ) -> Iterable[Measurement] | str:
        if days.day_of(window.project).kind != Length.DAY:
            return "its window is not whole days"
        value = window.project.value
        if why := unknown(value.label_needs, drawn=value.explore is not None):
            return self._page(window, earnings_page.unknown(window.project, why, _spent(window)), why)
        noted = {at: Day(*each) for at, each in state.days(MEMORY).items()}
        usual = constants(window.project.value, window.project.label.task, reference.labels)
        fresh = _fresh(window, usual, {at: each.rows for at, each in noted.items()})
        noted |= fresh
        if not returns(noted):
            return "no labelled prediction"
        page = earnings_page.render(window.project, noted, usual.usual, _spent(window))
        found = returns(noted)
        words = earnings_page.summary(found, usual.usual, window.project.value.currency)
        main = next(each for each in found if each.over == usual.usual)
        return self._page(window, page, words, main.weekly, days=_documents(fresh))

    def _page(
        self, window: Window, page: bytes, words: str, weekly: float | None = None, **details: Any
    ) -> Iterable[Measurement]:
        path = f"reports/{window.project.name}/earnings/{hashlib.sha256(page).hexdigest()[:12]}.html"
        output = window.artifacts.put(path, page).model_dump(mode="json")
        told = {**details, "link": path, "output": output}
        return [Measurement("earnings", "ok", words, value=weekly, details=told)]


def _fresh(window: Window, usual: Constants, held: dict[int, int]) -> dict[int, Day]:
    """The labelled window's days that are not noted yet with as many rows: labels may come late."""
    project, day = window.project, days.day_of(window.project)
    first, last = window.labelled
    rows, needs = window.scored(first, last), project.value.label_needs
    at = day.numbers(rows.times)
    known = rows.decided(project.value.threshold).seen(needs) if needs else rows.known
    found: dict[int, Day] = {}
    for number in range(day.number(first.start), day.number(last.end)):
        here = at == number
        if not (known & here).any() or held.get(number) == (known & here).sum():
            continue
        if needs:
            seen = estimated(project.value, needs, rows.only(here).decided(project.value.threshold))
            found[number] = Day(seen.rows, seen.served, seen.before, seen.stood, seen.all)
        else:
            own = served_worth(project, rows.only(known & here), usual)
            found[number] = Day(own.rows, own.total, own.before)
    if found:
        for number, per_row in _by_heuristic(window, min(found), max(found)).items():
            if number in found:
                each = found[number]
                stood = each.rows if each.stood is None else each.stood
                found[number] = replace(each, before={**each.before, "heuristic": per_row * stood})
    return found


def _by_heuristic(window: Window, first: int, last: int) -> dict[int, float]:
    """What acting as the heuristic says earned a row on each day; nothing where it was not trained beside."""
    project, champion = window.project, window.champion
    assert champion is not None
    name = project.evaluation.heuristic
    if champion.candidate == name:
        return {}
    with window.cursor() as cursor:
        files = models.evaluated(cursor, project.name, champion.dataset_digest, name)
    if files is None:
        return {}
    model = window.load(files)
    day, sums = days.day_of(project), dict[int, tuple[float, float]]()
    for rows in answered(window, [model], day.start(first), day.start(last + 1)):
        for number in np.unique(rows.days).tolist():
            here = rows.days == number
            earned = _earned(project, rows.labels[here], rows.answers[0][here], rows.weights[here])
            total, count = sums.get(number, (0.0, 0.0))
            sums[number] = (total + earned, count + float(rows.weights[here].sum()))
    return {number: total / count for number, (total, count) in sums.items() if count}


def _earned(project: Project, labels: Array, answers: Array, weights: Array) -> float:
    """By acting as the answers say, each row as many times as it stands for."""
    if not task_of(project.label.task).probabilities:
        return business_value(project.value, project.label.task, labels, answers)
    return float(weights @ payoffs(project.value, labels, answers >= project.value.threshold))


def _documents(fresh: dict[int, Day]) -> dict[str, list[Any]]:
    """Days as they are kept: their fields in order, those of estimates where they are one."""
    return {
        str(at): [each.rows, each.served, each.before, *([each.stood, each.all] if each.stood else [])]
        for at, each in fresh.items()
    }


def _spent(window: Window) -> float | None:
    """What the last week's runs cost, by the clock and the project's price list."""
    prices = spent.prices(window.project)
    if prices is None:
        return None
    with window.cursor() as cursor:
        return cost(spent.used(cursor, window.project, WEEK), prices)
