"""What was served against its labels, from the first labelled day after a promotion on."""

import json
from collections.abc import Iterable
from datetime import timedelta
from typing import Annotated

import numpy as np
from pydantic import Field

from mlcycle.adapters.monitoring import days, labelled
from mlcycle.adapters.monitoring.base import Monitor, Params
from mlcycle.adapters.monitoring.window import Reference, State, Window
from mlcycle.domain import decline, skill
from mlcycle.domain.metrics import METRICS, NotMeasured
from mlcycle.domain.monitors import Measurement
from mlcycle.domain.quantile_metrics import row_figures

MEMORY = timedelta(days=365)  # of what was served
FILLED = 8  # windows before this one that are read where nobody noted them


class Allowed(Params):
    """``false_a_year``: pages without a cause that are put up with in a year, at most. ``days``: how many of
    the champion's last labelled days are looked at together.
    """

    false_a_year: Annotated[float, Field(gt=0, le=12)] = 0.5
    days: Annotated[int, Field(ge=1, le=90)] = 14


class Performance(Monitor):
    """Pages where the model got worse, on the whole or on a slice, and asks for a retrain.

    The measure is what is known of the project's days: those that the champion was judged on and those that
    were served before, by whichever model. A day's readings are kept in what this monitor measured.
    """

    Parameters = Allowed
    title = "the model got worse"
    order = 60
    asks_for_retrain = True
    gone = {  # noqa: RUF012
        "increase": "leave it out, the limit comes from how much the project's days differ anyway; "
        "false_a_year says how many false pages are put up with",
        "min_rows": "leave it out, few rows widen the limit by themselves",
    }

    def measure(  # noqa: D102
        self, window: Window, reference: Reference, state: State
    ) -> Iterable[Measurement] | str:
        champion, task = window.champion, window.project.label.watched
        assert champion is not None
        first, last = window.labelled
        fresh = labelled.served(window, first, last)
        if not any(fresh.values()):
            return "no day has labels for its predictions yet"
        notes = state.days(MEMORY)
        missing = _missing(window, {*notes, *fresh})
        new = missing | {at: each for at, each in fresh.items() if at not in notes or notes[at] != each}
        notes |= missing | fresh
        own = [at for at, each in notes.items() if each and each["version"] == champion.version]
        newest = days.day_of(window.project).number(last.end) - 1
        looked = [at for at in own if at > newest - self.params.days]
        held, without = labelled.held_or_none(window)
        start = min(looked, default=newest + 1)
        now = labelled.as_days(window, {at: notes[at] for at in looked})
        before = labelled.as_days(window, {at: each for at, each in notes.items() if at < start})
        before = skill.together(before, held.only(held.numbers < start))
        details = {
            "days": {str(at): each for at, each in sorted(new.items())},
            "label": json.loads(window.project.label.definition),
            "judged_by": [self.params.days, self.params.false_a_year],
            **self._metric(window),
        }
        verdicts = decline.judged(before, now, self.params.false_a_year) if looked else []
        if not verdicts:
            why = _quiet(len(now), len(before), without)
            return [Measurement("performance", "ok", f"not judged: {why}", details=details)]
        found = []
        for verdict in verdicts:
            if not verdict.subject or verdict.declined:
                words = decline.told(task, verdict, now)
                level = "page" if verdict.declined else "ok"
                evidence, limit = decline.evidence(verdict)
                found.append(
                    Measurement("performance", level, words, verdict.subject, evidence, limit)  # type: ignore[arg-type]
                )
                found[-1].details.update(decline.figures(task, verdict))
        found[0].details.update(details, slices=[each.subject for each in verdicts[1:]])
        return found

    def _metric(self, window: Window) -> dict[str, object]:
        """The project's metric on the last labelled window, for people: it follows how hard the days are."""
        metric, champion = window.project.evaluation.metric, window.champion
        assert champion is not None
        rows = window.scored(*window.labelled, version=champion.version)
        now = METRICS[metric](rows.labels[rows.known], rows.said[rows.known], None)
        if isinstance(now, NotMeasured):
            return {}
        last = window.labelled[1].key
        found = {"metric": metric, "now": now, "last": last, "rows": int(np.count_nonzero(rows.known))}
        if rows.quantiles is None:
            return found
        figures = row_figures(rows.labels[rows.known], rows.quantiles[rows.known])
        held = {name: float(each.mean()) for name, each in figures.items() if name.startswith("coverage")}
        return {**found, "coverage": held}


def _quiet(now: int, before: int, without: str) -> str:
    if not now:
        return "no labelled day of this champion yet"
    why = f"{before} labelled days to compare with, {decline.MIN_DAYS} that tell are needed"
    return f"{why} ({without})" if without else why


def _missing(window: Window, held: set[int]) -> labelled.Notes:
    """Days before the window that nobody noted, a window's length at a time; empty ones are noted too."""
    project, day = window.project, days.day_of(window.project)
    first, last = window.labelled
    found: labelled.Notes = {}
    until = day.number(first.start)
    length = days.window_of(project)
    for start in range(until - FILLED * length, until + 1, length):
        wanted = [at for at in range(start, min(start + length, until + 1)) if at not in held]
        if wanted and day.start(wanted[-1] + 1) <= last.end:
            bounds = days.partitions_of(project, wanted[0], wanted[-1])
            read = labelled.served(window, *bounds)
            found |= {at: read.get(at) for at in wanted}
    return found
