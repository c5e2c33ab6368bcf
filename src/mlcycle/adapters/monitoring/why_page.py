"""The page that walks the hypotheses of why production is worse than the test."""

from collections.abc import Sequence

import numpy as np

from mlcycle.adapters.monitoring import days, drift_page
from mlcycle.adapters.monitoring.window import Window
from mlcycle.adapters.pages import html, plots
from mlcycle.domain.skill import READINGS
from mlcycle.domain.why_worse.evidence import Evidence
from mlcycle.domain.why_worse.hypothesis import ON_RECORD, Hypothesis, weights
from mlcycle.domain.why_worse.walk import known, line


def render(window: Window, evidence: Evidence, hypotheses: Sequence[Hypothesis]) -> bytes:
    """One HTML page: the verdict, every hypothesis with its figure, and the days that it rests on."""
    project, share = window.project, weights(list(hypotheses))
    champion = window.champion
    assert champion is not None
    rows = [
        [
            each.title,
            f"{each.record:.0%} on record" if each.record >= ON_RECORD else _shown(share.get(each.name)),
            each.figure,
            each.verdict,
            ", ".join(each.where),
            each.todo,
        ]
        for each in hypotheses
    ]
    measured = drift_page.columns(window.found)
    sections = [
        html.Section(
            "The hypotheses",
            "Faults that a check found come first: they explain what stands below them. The others are "
            "models of how predictions, bias and slope of the days moved, compared by how well they fit "
            "and how much each leaves free.",
            [
                (
                    "how much speaks for each",
                    picture(hypotheses),
                )
            ],
            ["hypothesis", "fit", "figure", "verdict", "where", "what to do"],
            rows,
        ),
        html.Section(
            "The days",
            "Each labelled day: the gate's, those served before, those looked at now. Bias is what was "
            "seen over what was expected, slope the change of one with the other, skill what is told apart.",
            [(name, _days(window, evidence, at, name)) for at, name in enumerate(READINGS[evidence.task])],
        ),
    ]
    if measured:
        plot = plots.effects(measured)
        sections.append(html.Section("The inputs", "Each against what is usual for it.", [("inputs", plot)]))
    first, last = (partition.key for partition in window.labelled)
    return html.render(
        f"{project.name}: why is production worse than the test?",
        f"Champion version {champion.version}; labelled window {first} to {last}; "
        f"{len(evidence.now)} days, {len(evidence.earlier)} served before, {len(evidence.held)} judged on.",
        sections,
        verdict=hypotheses[0].title if known(hypotheses) else "not known",
        good=hypotheses[0].name == "luck",
        points=[
            line(hypotheses),
            *([f"What to do first: {hypotheses[0].todo}."] if known(hypotheses) else []),
        ],
    )


def picture(hypotheses: Sequence[Hypothesis]) -> bytes:
    """How much speaks for each."""
    share = weights(list(hypotheses))
    return plots.shares({each.title: max(share.get(each.name, 0.0), each.record) for each in hypotheses})


def _shown(share: float | None) -> str:
    return "no sign" if share is None else f"{share:.0%}"


def _days(window: Window, evidence: Evidence, at: int, name: str) -> bytes:
    day = days.day_of(window.project)
    parts = [("the gate's days", evidence.held), ("served before", evidence.earlier), ("now", evidence.now)]
    lines = []
    for title, part in parts:
        known = np.isfinite(part.whole[:, at])
        moments = [day.start(int(number)) for number in part.numbers[known]]
        lines.append((title, moments, part.whole[known, at]))
    return plots.by_day(lines, name)
