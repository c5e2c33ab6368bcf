"""Rows of the last partition against the others of the window."""

from collections.abc import Iterable
from typing import Annotated

from pydantic import Field

from mlcycle.adapters.monitoring.base import Monitor, Params
from mlcycle.adapters.monitoring.window import Reference, State, Window
from mlcycle.domain import monitors
from mlcycle.domain.monitors import Measurement
from mlcycle.ledger import batches


class Ratio(Params):
    """``ratio``: rows of a partition against the median of the window's others, from and to."""

    ratio: tuple[Annotated[float, Field(ge=0)], Annotated[float, Field(gt=0)]] = (0.5, 2.0)


class Volume(Monitor):
    """Pages where a partition has far fewer or far more rows than its neighbours."""

    Parameters = Ratio
    title = "row count is unusual"
    order = 10
    needs_champion = False

    def measure(  # noqa: D102
        self, window: Window, reference: Reference, state: State
    ) -> Iterable[Measurement] | str:
        project = window.project
        with window.cursor() as cursor:
            rows = batches.rows(cursor, project.name, project.entity.table, window.first, window.last)
        own = rows.pop(window.last.key, None)
        if own is None:
            why = f"{project.entity.table} has no published partition {window.last.key}"
            return [monitors.failed("volume", why)]
        found = monitors.volume(own, list(rows.values()), self.params.ratio)
        return [found] if found else "fewer than 3 other partitions in the window"
