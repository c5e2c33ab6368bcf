"""The console's pages as HTML. Plain and self-contained: no script, nothing fetched from elsewhere.

Airflow shows them in a sandboxed frame that lets no link out of it: links stay inside the frame, and a
runbook's address stands there to be copied.
"""

from collections.abc import Collection
from typing import Any
from urllib.parse import quote

from mlcycle.adapters.pages.templating import template
from mlcycle.console.links import address
from mlcycle.console.overview import Detail, Overview

SILENCES = ("1 hour", "4 hours", "1 day", "3 days", "1 week", "4 weeks")  # that the form offers
WIDTH, HEIGHT, WIDEST = 900, 80, 24.0  # of the bars, in the picture's own units


def projects_page(
    overviews: list[Overview],
    details: list[Detail] | None = None,
    *,
    error: str = "",
    reading: int = 0,
    acting: Collection[str] = (),
) -> str:
    """The first page: a line for each project, and under them what ``details`` holds.

    ``reading`` tells how many project files are still being read, ``acting`` on which projects' alerts
    who looks may act.
    """
    return template("console_projects.html.j2").render(
        overviews=overviews,
        details=[
            _shown(detail, f"projects/{quote(detail.overview.name)}" * (detail.overview.name in acting))
            for detail in details or []
        ],
        error=error,
        reading=reading,
        place=lambda name: f"projects/{quote(name)}",
    )


def project_page(
    detail: Detail, *, acting: bool = False, explored: str = "", said: str = "", error: str = ""
) -> str:
    """One project: its champion, tables, volume and open alerts; what came of an act on one.

    Args:
        detail: what is known of it.
        acting: whether who looks may act on alerts.
        explored: the report of ``mlcycle explore`` in the artifact store, where there is one.
        said: what came of an act.
        error: why it could not be.
    """
    act = quote(detail.overview.name) * acting
    return template("console_project.html.j2").render(
        detail=_shown(detail, act), explored=address(explored), said=said, error=error
    )


def problem_page(title: str, error: str) -> str:
    """A page that cannot be shown, and why."""
    return template("console_problem.html.j2").render(title=title, error=error)


def _shown(detail: Detail, act: str) -> dict[str, Any]:
    """``act`` is where the forms on alerts lead, relative to the page; none is drawn where it is empty."""
    return {
        "act": act,
        "silences": SILENCES,
        "overview": detail.overview,
        "facts": facts(detail.overview),
        "labelled": _labelled(detail.overview),
        "table": detail.table,
        "chart": _chart(detail.volumes),
        "tables": detail.tables,
        "alerts": [(alert, address(alert.link)) for alert in detail.alerts],
        "hidden": sum(detail.overview.alerts.values()) - detail.listed,
    }


def _labelled(overview: Overview) -> str:
    """Where people label the project's rows, relative to its own page; empty where labels are delivered."""
    project = overview.project
    return f"{quote(overview.name)}/labels" if project and project.label.source == "people" else ""


def facts(overview: Overview) -> dict[str, str]:
    """What is said of a project in a few words, by what it is about."""
    said = {"Last partition": overview.last_partition or "none yet"}
    champion = overview.champion
    if champion is None:
        said["Champion"] = "none yet"
    else:
        said["Champion"] = f"{champion.candidate}, version {champion.version}"
        said["Since"] = f"{champion.since:%Y-%m-%d %H:%M} UTC, {champion.action} no. {champion.seq}"
        measured = [(k, v) for k, v in sorted((champion.metrics or {}).items()) if isinstance(v, int | float)]
        said.update({name: _readable(value) for name, value in measured[:4]})
    if overview.gaps[0]:
        said["Missing deliveries"] = "{} ({} to {})".format(*overview.gaps)
    said["Open alerts"] = str(sum(overview.alerts.values()))
    return said


def _readable(value: float) -> str:
    """Four digits of a metric, all of an amount."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"


def _chart(volumes: list[tuple[str, int]]) -> dict[str, Any]:
    """Rows of each of the last partitions, as bars from zero."""
    top = max((rows for _, rows in volumes), default=0)
    step = min(WIDEST, WIDTH / max(len(volumes), 1))
    bars = [
        {
            "x": round(number * step, 1),
            "y": round(HEIGHT - HEIGHT * rows / (top or 1), 1),
            "width": round(step * 0.8, 1),
            "height": round(HEIGHT * rows / (top or 1), 1),
            "title": f"{key}: {rows:,} rows",
        }
        for number, (key, rows) in enumerate(volumes)
    ]
    span = (volumes[0][0], volumes[-1][0]) if volumes else ("", "")
    return {"width": WIDTH, "height": HEIGHT, "bars": bars, "top": top, "first": span[0], "last": span[1]}
