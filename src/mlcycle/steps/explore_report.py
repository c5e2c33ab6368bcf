"""A report before the first model: what the rows say, what is wrong with them, and what to do about it.

Nothing is trained that is kept, nothing is registered. Of the rows to judge on only the inputs are looked at.
"""

import json
from bisect import bisect_left
from datetime import datetime
from typing import Any, Final

from mlcycle.adapters.exploring import rows as reading
from mlcycle.adapters.pages import exploring_page
from mlcycle.contract import Output
from mlcycle.domain.partitions import Partition
from mlcycle.errors import InputError
from mlcycle.ledger import batches, datasets
from mlcycle.project import Project
from mlcycle.settings import Settings
from mlcycle.steps.alone import alone
from mlcycle.steps.context import StepContext
from mlcycle.steps.exploring import document_of

MOST: Final = 300_000  # rows


def here(
    project: Project, settings: Settings, first: str = "", last: str = ""
) -> tuple[dict[str, Any], Output]:
    """The report, asked for by a person: its document, and where its page lies in the artifact store.

    Args:
        project: whose.
        settings: of the role that trains.
        first: key of the first partition; by default as far back as training looks.
        last: key of the last one; by default the newest.

    Raises InputError where there is no labelled row.
    """
    with alone(project, settings, "explore") as context:
        start, end, holdout = _window(context, first, last)
        found = reading.read(context.warehouse, reading.wide(project), start, end, MOST)
        cut = bisect_left(found.keys, Partition(holdout, project.unit).key)
        document = document_of(project, found, cut, context.progress)
        place = f"reports/{project.name}/explore/page"
        page = context.artifacts.put(f"{place}.html", exploring_page.render(document))
        context.artifacts.put(f"{place}.json", json.dumps(document, indent=1).encode())
        return document, page


def _window(context: StepContext, first: str, last: str) -> tuple[datetime, datetime, datetime]:
    """Start, end, and where the rows to judge on begin."""
    project = context.project
    with context.warehouse.reading() as cursor:
        newest = batches.newest(cursor, project, project.entity.table)
        if newest is None:
            raise InputError(f"table {project.entity.table!r} holds no partition yet: run ingest first")
        until = Partition.parse(last, project.unit) if last else newest
        try:
            bounds = datasets.split_windows(cursor, project, until.end)
        except InputError:
            bounds = None
    begin = Partition.parse(first, project.unit) if first else None
    if bounds is None:  # too little for the project's own splits: a fifth of what there is
        begin = begin or Partition.parse(project.source.start, project.unit)
        count = len(list(begin.to(until)))
        return begin.start, until.end, until.shift(1 - max(1, count // 5)).start
    start, holdout = begin.start if begin else bounds["train"].start, bounds["holdout"]
    if start >= holdout.start:
        raise InputError(
            f"{first} lies among the rows to judge on, which begin {holdout.start:%Y-%m-%d}: say an "
            "earlier one"
        )
    return start, holdout.end, holdout.start
