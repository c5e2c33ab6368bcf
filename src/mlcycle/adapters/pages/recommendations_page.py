"""The page of what is recommended as a whole: over time against its limits, and how well by popularity."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mlcycle.adapters.pages import html, plots
from mlcycle.domain.interval import Spread
from mlcycle.domain.recommendations import FIGURES, Shown, Verdict

if TYPE_CHECKING:
    from mlcycle.adapters.monitoring.window import Window

CONFIDENCE = 0.9

#: By bucket a figure, None where it is not defined, and how sure it is.
Accuracy = Mapping[str, tuple[float | None, Spread | None]]


def render(
    window: "Window",
    params: Any,
    windows: Mapping[int, Shown],
    verdicts: Sequence[Verdict],
    accuracy: Accuracy,
) -> bytes:
    """One HTML page.

    Args:
        window: what is watched.
        params: of the monitor.
        windows: figures by how many whole windows after this one they are; 0 is this one.
        verdicts: of this window, none where too few are known.
        accuracy: on the labelled window.
    """
    project, now = window.project, windows[0]
    length = project.monitors.window
    limits = {each.name: each for each in verdicts}
    pictures = []
    for name, (title, _) in FIGURES.items():
        numbers = sorted(windows)
        moments = [window.last.end + number * length for number in numbers]
        values = np.array([getattr(windows[number], name) for number in numbers])
        pictures.append((title, plots.trace(moments, values, title, limits.get(name))))
    worse = [FIGURES[each.name][0] for each in verdicts if each.worse]
    rows = [
        [
            FIGURES[each.name][0],
            f"{each.now:.3f}",
            f"{each.usual:.3f}",
            f"{each.limit:.3f}",
            "told" if each.worse else "as usual",
        ]
        for each in verdicts
    ]
    how = f"the {params.top} highest predictions of each {' and '.join(params.group)}"
    sections = [
        html.Section(
            "Over time",
            f"Each point is a window. A candidate is a row, its item {params.item!r}; recommended is "
            f"{how if params.group else 'what was acted on'}. The head are the items that make "
            f"{params.head:.0%} of training's interactions.",
            pictures,
            ["figure", "now", "usual", "limit", ""],
            rows,
        )
    ]
    if told := [(name, value, sure) for name, (value, sure) in accuracy.items() if value is not None]:
        what = "precision of what was recommended" if params.group else "AUC"
        bounds = [(name, value, *_bounds(value, spread)) for name, value, spread in told]
        sections.append(
            html.Section(
                "By popularity",
                f"The {what} on the last labelled days, by how popular the item was in training; "
                f"{CONFIDENCE:.0%} intervals over days where there are enough.",
                [(what, plots.intervals(bounds, what[0].upper() + what[1:]))],
                ["items", what, "interval"],
                [[name, f"{value:.3f}", _between(spread)] for name, value, spread in told],
            )
        )
    return html.render(
        f"{project.name}: what it recommends",
        f"{now.recommended:,} recommendations of {now.catalogue:,} items, "
        f"{window.first.key} to {window.last.key}",
        sections,
        verdict="narrows" if worse else "as usual" if verdicts else "not judged yet",
        good=bool(verdicts) and not worse,
        points=[summary(now, accuracy)],
    )


def summary(now: Shown, accuracy: Accuracy) -> str:
    """In a line."""
    words = (
        f"{now.diversity:.1%} of {now.catalogue:,} items are recommended, Gini {now.gini:.2f}, "
        f"{now.tail_share:.1%} of recommendations outside the head"
    )
    told = ", ".join(f"{name} {value:.3f}" for name, (value, _) in accuracy.items() if value is not None)
    return f"{words}; by popularity: {told}" if told else words


def _bounds(value: float, spread: Spread | None) -> tuple[float, float]:
    return spread.interval(CONFIDENCE) if spread else (value, value)


def _between(spread: Spread | None) -> str:
    if spread is None:
        return "too few days"
    low, high = spread.interval(CONFIDENCE)
    return f"{low:.3f} to {high:.3f}"
