"""What people are told of a delivery that was stopped, a schema that changed, a step that failed for good."""

from collections.abc import Iterable, Mapping
from datetime import timedelta
from typing import Any

from mlcycle.domain.durations import format_duration

#: Steps without which the day's answers are missing or unwatched; of other steps the last good result serves.
DAILY = frozenset({"features", "materialize", "score", "labels", "monitor"})
DAILY_STAGES = frozenset({"ingest", "features", "score", "monitor"})
MOSTLY = 0.5  # of a column's values that are not of its type: then it is another type, not bad rows


def stopped_key(table: str) -> str:
    """Key of the alert that says that deliveries of a table were stopped."""
    return f"stopped:{table}"


def failed_key(step: str, variant: str = "") -> str:
    """Key of the alert that says that a step failed for good."""
    return f"failed:{step}.{variant}" if variant else f"failed:{step}"


def overdue_key(stage: str) -> str:
    """Key of the alert that says that a run of a stage should have ended."""
    return f"overdue:{stage}"


def schema_matter(table: str) -> str:
    """Matter of the alerts that say how a table's columns changed, one a column."""
    return f"schema:{table}"


def stopped(
    project: str, table: str, reasons: Mapping[str, str], link: str, *, whole: bool
) -> dict[str, Any]:
    """The alert of a table whose deliveries were stopped; ``reasons`` by partition, not empty.

    ``whole`` where nothing of the project can go on without the table.
    """
    newest = max(reasons)
    more = f" (and {len(reasons) - 1} more partitions)" if len(reasons) > 1 else ""
    return {
        "key": stopped_key(table),
        "severity": "page" if whole else "warn",
        "title": f"{project} {newest}: delivery stopped ({table})",
        "body": f"{table} of {newest} is not published{more}: {reasons[newest]}. What was published before "
        f"still serves. When the source has delivered again, clear the task {table}.extract of that run",
        "link": link,
        "matter": "stopped",
        "subject": table,
    }


def changed_columns(
    missing: Iterable[str], extra: Iterable[str], misfits: Mapping[str, int], rows: int
) -> dict[str, str]:
    """How a delivery's columns differ from the declared ones: by column, what became of it.

    Args:
        missing: declared columns that did not come.
        extra: columns that nobody declared.
        misfits: values that are not of their column's type, by column.
        rows: of the delivery.
    """
    found = dict.fromkeys(missing, "is gone") | dict.fromkeys(extra, "is new: nobody declared it")
    for column, count in misfits.items():
        if rows and count / rows >= MOSTLY:
            found[column] = f"has another type: {count} of {rows} values are not of the declared one"
    return found


def schema(
    project: str, partition: str, table: str, changes: Mapping[str, str], link: str, *, stops: bool
) -> list[dict[str, Any]]:
    """An alert for each changed column; ``stops`` where the change kept the delivery from being published."""
    return [
        {
            "key": f"{schema_matter(table)}:{column}",
            "severity": "warn" if stops else "info",
            "title": f"{project} {partition}: the schema of {table} changed ({column})",
            "body": f"{column} {what}",
            "link": link,
            "matter": schema_matter(table),
            "subject": column,
        }
        for column, what in sorted(changes.items())
    ]


def failed(
    project: str, stage: str, partition: str, step: str, variant: str, why: str, link: str, *, whole: bool
) -> dict[str, Any]:
    """The alert of a step that failed for good. ``whole`` where the project cannot go on without it."""
    name = f"{step}.{variant}" if variant else step
    of = f"{project} {partition}" if partition else project
    return {
        "key": failed_key(step, variant),
        "severity": "page" if whole or step in DAILY else "warn",
        "title": f"{of}: {stage} failed ({name})",
        "body": f"{name}: {why}",
        "link": link,
        "matter": f"failed:{stage}",
        "subject": name,
    }


def overdue(
    project: str, stage: str, partition: str, run: str, within: timedelta, link: str
) -> dict[str, Any]:
    """The alert of a run that did not end in time; ``within`` is the time that its project gives a run."""
    of = f"{project} {partition}" if partition else project
    return {
        "key": overdue_key(stage),
        "severity": "page" if stage in DAILY_STAGES else "warn",
        "title": f"{of}: {stage} should have ended",
        "body": f"{run} did not end within {format_duration(within)} and what it waits for: "
        "its tasks show whether one hangs, waits for a slot, or for a run before it",
        "link": link,
    }
