"""For how many rows a labelled one stands, where its label is known because of what was decided of it."""

from datetime import datetime
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from mlcycle.adapters.warehouse.arrow import read_table
from mlcycle.domain.inverse_propensity import weights
from mlcycle.project import Project

if TYPE_CHECKING:
    import pyarrow as pa

Array = NDArray[np.float64]


def row_weights(
    cursor: Cursor, project: Project, rows: "pa.Table", *, undrawn: float, made_until: datetime | None = None
) -> Array | None:
    """(rows,) the inverse of the probability with which each was decided so that its label is known.

    By the first decision that was served for it, which is what people acted on. None where labels depend on
    no decision, or no share of decisions is drawn.

    Args:
        cursor: reads.
        project: says what a label needs.
        rows: ``event_time`` and ``entity_key``, a chunk that is sorted by time.
        undrawn: the weight of rows of which nothing was drawn, or that were decided the other way.
        made_until: decisions made later, by the clock, are not seen; None sees all.
    """
    import pyarrow as pa

    needs = project.value.label_needs
    if not project.value.weighs or not rows.num_rows:
        return None
    moment = pa.timestamp("us", tz="UTC")
    times = rows["event_time"].cast(moment)
    found = read_table(
        cursor,
        sql.SQL(
            """select event_time, entity_key, propensity from (
                   select distinct on (p.event_time, p.entity_key)
                          p.event_time, p.entity_key, p.acted, p.propensity
                   from serving.prediction_log p
                   join serving.scoring s on s.project = p.project and s.scoring_id = p.scoring_id
                   where p.project = %(project)s and p.event_time between %(first)s and %(last)s
                     and (%(made_until)s::timestamptz is null or s.scored_at <= %(made_until)s)
                   order by p.event_time, p.entity_key, p.scoring_id) served
               where acted = %(acted)s and propensity is not null"""
        ),
        {
            "project": project.name,
            "first": times[0].as_py(),
            "last": times[-1].as_py(),
            "acted": needs == "positive",
            "made_until": made_until,
        },
        pa.schema([("event_time", moment), ("entity_key", pa.string()), ("propensity", pa.float64())]),
    )
    stands = weights(found["propensity"].to_numpy()).tolist()
    keys = zip(found["event_time"].cast(pa.int64()).to_pylist(), found["entity_key"].to_pylist(), strict=True)
    by_row = dict(zip(keys, stands, strict=True))
    wanted = zip(times.cast(pa.int64()).to_pylist(), rows["entity_key"].to_pylist(), strict=True)
    return np.array([by_row.get(key, undrawn) for key in wanted], dtype=np.float64)
