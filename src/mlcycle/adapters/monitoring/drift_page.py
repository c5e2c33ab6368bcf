"""What stands above Evidently's part of the drift page: every column's effect against its null."""

from collections.abc import Sequence

from mlcycle.adapters.pages import html, plots
from mlcycle.domain.monitors import Measurement

SHOWN = ("drift", "dependence", "values")


def columns(found: Sequence[Measurement]) -> list[tuple[str, float, float, float]]:
    """Each column's effect, what is usual of it, and its limit."""
    return [
        (item.subject, item.value, float(item.details["usual"]), item.threshold)
        for item in found
        if item.monitor == "drift" and item.value is not None and item.threshold and "usual" in item.details
    ]


def above(title: str, found: Sequence[Measurement], against: str) -> str:
    """A picture of the columns' effects, and a table of what else the monitors of the inputs found wrong."""
    measured = columns(found)
    wrong = [item for item in found if item.monitor in SHOWN and item.status != "ok"]
    rows = [[item.subject or "all", item.monitor, item.message] for item in wrong]
    text = against if rows or not measured else f"{against} Nothing is beyond its limit."
    plot = plots.effects(measured) if measured else None
    return html.above(title, text, plot, ["input", "monitor", "what it found"], rows)
