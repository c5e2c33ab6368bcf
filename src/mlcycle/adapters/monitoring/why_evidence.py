"""What is known of a champion whose labelled days are worse: for the hypotheses of ``domain.why_worse``."""

from typing import Any

import numpy as np

from mlcycle.adapters.monitoring import days, labelled
from mlcycle.adapters.monitoring.window import State, Window
from mlcycle.domain import decline, skill
from mlcycle.domain.tasks import task_of
from mlcycle.domain.why_worse.evidence import Evidence
from mlcycle.errors import InputError
from mlcycle.ledger import comparisons, datasets, models

JUDGED_BY = (14, 0.5)  # days and false pages a year, where performance does not say


def gathered(window: Window) -> Evidence:
    """Out of what this run's monitors found, what earlier ones noted, and the ledger."""
    from mlcycle.adapters.monitoring.monitors.performance import MEMORY

    project, champion, task = window.project, window.champion, window.project.label.task
    assert champion is not None
    state = State(window, "performance")
    said: dict[str, Any] = next(
        (item.details for item in window.found if item.monitor == "performance" and not item.subject), {}
    )
    notes = state.days(MEMORY)
    notes |= {int(number): each for number, each in said.get("days", {}).items()}
    count, false_a_year = said.get("judged_by", JUDGED_BY)
    newest = days.day_of(project).number(window.labelled[1].end) - 1
    own = [at for at, each in notes.items() if each and each["version"] == champion.version]
    looked = [at for at in own if at > newest - count]
    start = min(looked, default=newest + 1)
    now = labelled.as_days(window, {at: notes[at] for at in looked})
    earlier = labelled.as_days(window, {at: each for at, each in notes.items() if at < start})
    held, _ = labelled.held_or_none(window)
    held = held.only(held.numbers < start)
    with window.cursor() as cursor:
        judged = models.judged(cursor, project.name, champion.version)
        bounds = datasets.manifest(cursor, project.name, judged.dataset_digest).splits.get("holdout")
        looks = comparisons.looks(cursor, project.name, bounds.start, bounds.end) if bounds else 0
    verdicts = decline.judged(skill.together(earlier, held), now, false_a_year) if looked else []
    rows = window.scored(*window.labelled, version=champion.version)
    return Evidence(
        *(task, now, earlier, held, verdicts, tuple(window.found), _classes(window)),
        looks=looks,
        candidates=len(project.candidates),
        labelled=float(rows.known.mean()) if len(rows) else 1.0,
        definition=_definition(state, said.get("label")),
    )


def _classes(window: Window) -> tuple[float, float] | None:
    """Mean prediction of either class on the gate's days."""
    if not task_of(window.project.label.task).probabilities:
        return None
    try:
        held = list(labelled.held_rows(window))
    except InputError:
        return None
    labels = np.concatenate([np.array([]), *(each.labels for each in held)])
    said = np.concatenate([np.array([]), *(each.predictions for each in held)])
    if not (labels > 0.5).any() or not (labels < 0.5).any():
        return None
    return float(said[labels < 0.5].mean()), float(said[labels > 0.5].mean())


def _definition(state: State, now: dict[str, Any] | None) -> str:
    """What of the label's definition is other than earlier runs had it; empty where nothing is."""
    for details in state.recalled(60 * days.day_of(state.window.project).length):
        before = details.get("label")
        if now and before and before != now:
            parts = [
                f"{key} {before.get(key)!r} is {now[key]!r} now" for key in now if now[key] != before.get(key)
            ]
            return ", ".join(parts)
    return ""
