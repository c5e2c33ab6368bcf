"""What was recommended, counted by item on the server: memory does not grow with rows, nor with items.

A row of the entity table is a candidate. It is recommended where it is among the ``top`` predictions of its
group in its partition, or, without groups, where it was acted on. Names of columns are checked against the
project and quoted.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray
from psycopg2.extensions import cursor as Cursor

from mlcycle.adapters.warehouse.keys import entity_key, quoted
from mlcycle.domain.partitions import Partition
from mlcycle.domain.recommendations import BUCKETS, Shown
from mlcycle.domain.tasks import task_of
from mlcycle.domain.unit import Unit
from mlcycle.project import Project

Array = NDArray[np.float64]

BINS = 1000  # of probabilities, for the area under the curve


@dataclass(frozen=True)
class Recommending:
    """How rows become recommendations.

    ``head`` of the interactions from ``learnt`` on (start, end) make an item popular: rows whose label came
    true, of a number all labelled rows.
    """

    item: str
    group: tuple[str, ...]
    top: int
    head: float
    learnt: tuple[datetime, datetime]


def shown(
    cursor: Cursor, project: Project, how: Recommending, first: Partition, last: Partition, moment: datetime
) -> Shown | None:
    """What the window's first predictions, made until ``moment``, recommended; None for nothing."""
    cursor.execute("set local enable_nestloop = off")  # see predictions.scored
    cursor.execute(
        f"""with {_rows(project, how)}, {_popularity(project, how)},
             items as (
                 select r.item, count(*) filter (where r.chosen) as told,
                        coalesce(max(b.bucket), 'tail') as bucket
                 from candidate r left join bucket b on b.item = r.item group by r.item),
             ranked as (select *, row_number() over (order by told, item) as place from items)
             select count(*), sum(told), count(*) filter (where told > 0),
                    sum(place * told), sum(told) filter (where bucket <> 'head'),
                    count(*) filter (where bucket <> 'head'),
                    count(*) filter (where bucket <> 'head' and told > 0)
             from ranked""",
        _params(project, how, first, last, moment),
    )
    found = [float(value or 0) for value in cursor.fetchone() or ()]
    cursor.execute("set local enable_nestloop to default")
    items, told, some, placed, outside, tail, tail_told = found
    if not told:
        return None
    return Shown(
        catalogue=int(items),
        recommended=int(told),
        diversity=some / items,
        gini=2 * placed / (items * told) - (items + 1) / items,
        tail_share=outside / told,
        tail_items=tail_told / tail if tail else 0.0,
    )


def by_popularity(
    cursor: Cursor,
    project: Project,
    how: Recommending,
    first: Partition,
    last: Partition,
    moment: datetime,
    *,
    as_of: datetime,
    day: Unit,
) -> dict[str, Array]:
    """By bucket the counts of its days for ``recommendations.precision`` (groups) or ``auc`` (none).

    Labels known at ``as_of``, by days of this unit.
    """
    choice = "chosen" if how.group else "true"
    place = "0" if how.group else f"least({BINS} - 1, floor(prediction * {BINS}))::int"
    cursor.execute("set local enable_nestloop = off")
    cursor.execute(
        f"""with {_rows(project, how)}, {_popularity(project, how)}
             select coalesce(b.bucket, 'tail'),
                    extract(epoch from date_trunc(%(day)s, r.event_time, %(zone)s))::bigint as day,
                    {place} as bin, count(*), count(*) filter (where l.label > 0.5)
             from candidate r
             join serving.label l on l.project = %(project)s and l.event_time = r.event_time
                  and l.entity_key = r.entity_key and l.known_at <= %(as_of)s
                  and l.event_time >= %(start)s and l.event_time < %(end)s
             left join bucket b on b.item = r.item
             where {choice} group by 1, 2, 3""",
        {**_params(project, how, first, last, moment), "as_of": as_of, "day": str(day), "zone": day.zone},
    )
    rows = cursor.fetchall()
    cursor.execute("set local enable_nestloop to default")
    numbers = sorted({row[1] for row in rows})
    at = {number: place for place, number in enumerate(numbers)}
    found: dict[str, Array] = {}
    for bucket in BUCKETS:
        counts = np.zeros((len(numbers), 1 if how.group else BINS, 2))
        for name, number, bin_, count, true in rows:
            if name == bucket:
                counts[at[number], bin_] = (count, true) if how.group else (count - true, true)
        found[bucket] = counts
    return found


def _rows(project: Project, how: Recommending) -> str:
    """``candidate``: item, time, key, prediction and whether it was recommended."""
    table, time = quoted("raw", f"{project.name}__{project.entity.table}"), project.entity_table.event_time
    event, item = quoted("e", time), quoted("e", how.item)
    chosen = "coalesce(served.acted, served.prediction >= %(threshold)s)"
    if how.group:
        within = ", ".join(quoted("e", name) for name in how.group)
        chosen = f"""row_number() over (partition by served.partition, {within}
            order by served.prediction desc, served.event_time, served.entity_key) <= %(top)s"""
    return f"""served as (
            select distinct on (p.event_time, p.entity_key)
                   p.event_time, p.entity_key, p.prediction, p.acted, s.partition
            from serving.prediction_log p
            join serving.scoring s on s.project = p.project and s.scoring_id = p.scoring_id
            where p.project = %(project)s and p.event_time >= %(start)s and p.event_time < %(end)s
              and s.partition between %(first)s and %(last)s and s.scored_at <= %(moment)s
            order by p.event_time, p.entity_key, p.scoring_id),
        candidate as (
            select {item}::text as item, served.event_time, served.entity_key, served.prediction,
                   {chosen} as chosen
            from served join {table} e on {event} = served.event_time
                 and {entity_key(project, "e")} = served.entity_key
                 and {event} >= %(start)s and {event} < %(end)s
            where {item} is not null)"""


def _popularity(project: Project, how: Recommending) -> str:
    """``bucket`` of items in training: the head, the middle (half of the other interactions), the tail."""
    table, time = quoted("raw", f"{project.name}__{project.entity.table}"), project.entity_table.event_time
    event, item = quoted("e", time), quoted("e", how.item)
    counts = "and l.label > 0.5" if task_of(project.label.task).probabilities else ""
    return f"""popular as (
            select {item}::text as item, count(*) as interactions
            from {table} e join serving.label l
              on l.project = %(project)s and l.event_time = {event}
                 and l.entity_key = {entity_key(project, "e")}
                 and l.event_time >= %(learnt_from)s and l.event_time < %(learnt_until)s {counts}
            where {event} >= %(learnt_from)s and {event} < %(learnt_until)s and {item} is not null
            group by 1),
        bucket as (
            select item, case when above < %(head)s then 'head'
                              when above < (1 + %(head)s) / 2 then 'middle' else 'tail' end as bucket
            from (select item,
                         (sum(interactions) over more - interactions) / sum(interactions) over () as above
                  from popular window more as (order by interactions desc, item)) ranked)"""


def _params(
    project: Project, how: Recommending, first: Partition, last: Partition, moment: datetime
) -> dict[str, Any]:
    return {
        "project": project.name,
        "start": first.start,
        "end": last.end,
        "first": first.key,
        "last": last.key,
        "moment": moment,
        "threshold": project.value.threshold,
        "top": how.top,
        "head": how.head,
        "learnt_from": how.learnt[0],
        "learnt_until": how.learnt[1],
    }
