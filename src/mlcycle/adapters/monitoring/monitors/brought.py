"""The champion and the one whose place it took, on the same labelled days that neither learnt from."""

from collections.abc import Iterable
from datetime import datetime, timedelta
from typing import Annotated

import numpy as np
from pydantic import Field

from mlcycle.adapters.monitoring import days
from mlcycle.adapters.monitoring.answered import answered
from mlcycle.adapters.monitoring.base import Monitor, Params
from mlcycle.adapters.monitoring.window import Reference, State, Window
from mlcycle.domain.brought import Day, bring_nothing, brought, losses
from mlcycle.domain.monitors import Measurement
from mlcycle.ledger import champion as champions
from mlcycle.ledger import models
from mlcycle.ledger.champion import Champion

MEMORY = timedelta(days=365)  # over which retrains are summed up


class Compared(Params):
    """A retrain is followed for so many ``days``; ``retrains`` of them are summed up together."""

    confidence: Annotated[float, Field(ge=0.5, lt=1)] = 0.9
    days: Annotated[int, Field(ge=7, le=365)] = 60
    retrains: Annotated[int, Field(ge=3, le=100)] = 5


class WhatRetrainsBring(Monitor):
    """Warns where the retrain in force made it worse, and says where retrains as a whole bring nothing."""

    Parameters = Compared
    title = "what retrains bring"
    order = 65
    failure = "warn"
    pages = False

    def measure(  # noqa: D102
        self, window: Window, reference: Reference, state: State
    ) -> Iterable[Measurement] | str:
        champion, task = window.champion, window.project.label.task
        assert champion is not None
        with window.cursor() as cursor:
            before = champions.before(cursor, window.project.name, champion)
            versions = [champion.version, *([before.version] if before else [])]
            until = models.learnt_until(cursor, window.project.name, versions)
        if before is None:
            return "the first champion: it took nobody's place"
        reigns = _noted(state)
        own = reigns.setdefault((champion.version, before.version), {})
        fresh = self._fresh(window, (champion, before), max(until.values(), default=None), set(own))
        own.update(fresh)
        found = brought(task, own)
        if found is None:
            return "no labelled day yet that the champion did not learn from"
        worse = found.spread is not None and found.spread.interval(self.params.confidence)[1] < 0
        details = {
            **{"version": champion.version, "against": before.version, "gain": found.gain},
            "days": {str(at): [each.rows, each.old, each.new] for at, each in fresh.items()},
        }
        names = f"version {champion.version} against version {before.version}, whose place it took"
        advice = f"; a rollback to number {before.seq} undoes it" if worse else ""
        words = f"{names}: {found.words(self.params.confidence)}{advice}"
        answer = [
            Measurement("brought", "warn" if worse else "ok", words, "", found.gain, 0.0, details),
        ]
        every = [each for each in (brought(task, held) for held in reigns.values()) if each is not None]
        if why := bring_nothing(every[-self.params.retrains :], self.params.retrains, self.params.confidence):
            answer.append(Measurement("brought", "info", why, "retrains"))
        return answer

    def _fresh(
        self, window: Window, pair: tuple[Champion, Champion], learnt: datetime | None, held: set[int]
    ) -> dict[int, Day]:
        """The labelled window's days that are not noted yet and that neither learnt from."""
        day = days.day_of(window.project)
        first, last = window.labelled
        start = max(first.start, learnt) if learnt else first.start
        numbers = range(days.first_whole(day, start), day.number(last.end))
        new = [at for at in numbers if at not in held][: max(0, self.params.days - len(held))]
        found = _under_both(window, pair, day.start(new[0]), day.start(new[-1] + 1)) if new else {}
        return {at: each for at, each in found.items() if at in new}


def _under_both(
    window: Window, pair: tuple[Champion, Champion], start: datetime, end: datetime
) -> dict[int, Day]:
    """Labelled rows under both, summed by day."""
    new, old = (window.load(each) for each in pair)
    task, found = window.project.label.task, dict[int, Day]()
    for rows in answered(window, (old, new), start, end):
        counted = rows.weights > 0
        numbers, at = np.unique(rows.days[counted], return_inverse=True)
        stands, labels = rows.weights[counted], rows.labels[counted]
        sides = [losses(task, labels, each[counted]) * stands for each in rows.answers]
        counts, stood, *sums = (np.bincount(at, each) for each in (None, stands, *sides))
        before, after = (each / stood * counts for each in sums)
        for place, number in enumerate(numbers.tolist()):
            sofar = found.get(number, Day(0, 0.0, 0.0))  # a day of hours may end in another chunk
            found[number] = Day(
                sofar.rows + int(counts[place]),
                sofar.old + float(before[place]),
                sofar.new + float(after[place]),
            )
    return found


def _noted(state: State) -> dict[tuple[int, int], dict[int, Day]]:
    """Days that earlier runs noted, by version and the one before it, in the order in which they reigned."""
    found: dict[tuple[int, int], dict[int, Day]] = {}
    for details in reversed(state.recalled(MEMORY)):
        if "against" in details:
            held = found.setdefault((details["version"], details["against"]), {})
            held.update({int(at): Day(*each) for at, each in details["days"].items()})
    return found
