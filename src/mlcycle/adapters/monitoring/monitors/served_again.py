"""Rows that were served, scored again from today's warehouse by the model that served them."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import Field

from mlcycle.adapters.datasets.point_in_time import joined_rows
from mlcycle.adapters.monitoring.base import Monitor, Params
from mlcycle.adapters.monitoring.window import Reference, State, Window
from mlcycle.adapters.warehouse import served
from mlcycle.adapters.warehouse.served import Scoring
from mlcycle.domain.monitors import Measurement
from mlcycle.domain.partitions import Partition
from mlcycle.domain.served_again import Again, differing, measurement
from mlcycle.ledger import models

if TYPE_CHECKING:
    import pyarrow as pa


class Sampled(Params):
    """``partitions`` of the window are looked at, the oldest, the newest and some between.

    ``tolerance``: of the predictions' size and spread, what counts as rounding.
    """

    partitions: Annotated[int, Field(ge=1, le=100)] = 3
    tolerance: Annotated[float, Field(gt=0)] = 1e-4


class ServedAgain(Monitor):
    """Pages where a served row gets another answer today and no correction explains it."""

    Parameters = Sampled
    title = "served rows get another answer today"
    order = 90
    needs_champion = True

    def measure(  # noqa: D102
        self, window: Window, reference: Reference, state: State
    ) -> Iterable[Measurement] | str:
        span = list(window.first.to(window.last))
        with window.cursor() as cursor:
            scorings = served.first_scorings(cursor, window.project.name, span, window.moment)
        count = min(self.params.partitions, len(scorings))
        chosen = [scorings[at] for at in np.unique(np.linspace(0, len(scorings) - 1, count).astype(int))]
        found = [item for item in (self._again(window, scoring) for scoring in chosen) if item is not None]
        return [measurement(found)] if found else "no served rows with their inputs in the window"

    def _again(self, window: Window, scoring: Scoring) -> Again | None:
        """A scoring's kept rows against today's; None where none were kept."""
        import pyarrow.compute as pc

        before = served.kept(window.artifacts, window.project, scoring)
        if before is None:
            return None
        rows, definitions = before
        partition = Partition.parse(scoring.partition, window.project.unit)
        with window.cursor() as cursor:
            version = models.get(cursor, window.project.name, scoring.version)
            corrected, late = served.deliveries_since(cursor, window.project, partition, scoring.scored_at)
        model = window.load(version)
        project = window.project.reading(model.card.categorical, model.card.numeric, model.card.text)
        there = None
        for chunk in joined_rows(window.warehouse, project, partition.start, partition.end, labels=False):
            there = chunk.filter(pc.is_in(chunk["entity_key"], value_set=rows["entity_key"].combine_chunks()))
        now = _aligned(rows, there, project.inputs.all)
        inputs = {name: int(_differ(rows[name], now[name]).sum()) for name in project.inputs.all}
        gone = np.asarray(now["(gone)"])
        predicted = np.asarray(model.predict(now.select(project.inputs.all).to_pandas()), dtype=np.float64)
        other = differing(rows["(prediction)"].to_numpy(), predicted, self.params.tolerance) | gone
        today = served.definitions(window.project)
        changed = [f"view {view}" for view, was in definitions.items() if today.get(view, was) != was]
        return Again(
            *(scoring.partition, rows.num_rows, int(other.sum()), {k: v for k, v in inputs.items() if v}),
            *(corrected, late, changed),
        )


def _aligned(rows: "pa.Table", there: "pa.Table | None", inputs: list[str]) -> "pa.Table":
    """Today's rows in the order of the served ones; nulls, and ``(gone)``, where one is no more."""
    import pyarrow as pa

    keys = _keys(rows)
    places = {key: at for at, key in enumerate(_keys(there))} if there is not None else {}
    at = pa.array([places.get(key) for key in keys], pa.int64())
    columns: dict[str, Any] = {
        name: there[name].take(at) if there is not None else pa.nulls(len(keys), rows[name].type)
        for name in inputs
    }
    return pa.table({**columns, "(gone)": at.is_null()})


def _keys(rows: "pa.Table") -> list[tuple[Any, Any]]:
    return list(zip(rows["event_time"].to_pylist(), rows["entity_key"].to_pylist(), strict=True))


def _differ(before: "pa.ChunkedArray", now: "pa.ChunkedArray") -> Any:
    """Where a value is another one, beyond the order in which a sum was taken."""
    import pyarrow as pa

    if pa.types.is_floating(before.type):
        a, b = (np.asarray(column.cast(pa.float64()).to_numpy()) for column in (before, now))
        return ~np.isclose(a, b, rtol=1e-9, atol=1e-12, equal_nan=True)
    return np.array([was != value for was, value in zip(before.to_pylist(), now.to_pylist(), strict=True)])
