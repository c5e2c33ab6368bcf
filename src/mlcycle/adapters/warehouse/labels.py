"""The label in SQL: its value and its join, one way for datasets, for labelling and for people's queries.

A label is a finite number, a boolean, or a class; what the number or class is made of stands in the project
(``at_least``, ``positive``, ``classes``). Null, NaN and infinity are no label. Of many classes it is the
class's number from 0 on, and -1 of one that the project does not name: that is refused, not left out.
"""

from typing import Any

from psycopg2.extensions import cursor as Cursor

from mlcycle.adapters.warehouse.keys import entity_key, quoted
from mlcycle.domain.partitions import Partition
from mlcycle.domain.tasks import task_of
from mlcycle.errors import ConfigError, InputError
from mlcycle.ledger import partitioning
from mlcycle.project import Project

UNNAMED = "of a class that label.classes does not name: add it at the end of the list and train anew"
BINARY = "labels are not 0 and 1: set label.at_least (a number) or label.positive (a class) in the project"


def value(project: Project) -> str:
    """The label of a row ``l`` of the label table: double precision, null where there is none."""
    label = project.label
    column = quoted("l", label.column)
    kind = project.source.tables[label.table].columns[label.column]
    if label.classes:
        named = ", ".join(_literal(each) for each in label.classes)
        number = f"coalesce(array_position(array[{named}]::text[], {column}::text) - 1, -1)"
        return f"(case when {column} is not null then {number} end)::double precision"
    if kind == "boolean":
        return f"{column}::int::double precision"
    if label.positive is not None:
        return f"({column} = {_literal(label.positive)})::int::double precision"
    number = f"{column}::double precision"
    if kind == "double":
        number = f"case when abs({number}) < 'Infinity' then {number} end"  # NaN is above infinity
    if label.at_least is None:
        return number
    return f"({number} >= {label.at_least!r})::int::double precision"


def match(project: Project) -> str:
    """When a row ``l`` of the label table labels the row ``e`` of the entity table.

    For events from ``%(start)s`` on and before ``%(end)s``: that says nothing new of the rows, but
    lets the planner read the label table's window only. Raises ConfigError where the label table lacks
    a column of the entity's key.
    """
    label, table = project.label, project.source.tables[project.label.table]
    if missing := [name for name in project.entity_table.key if name not in table.columns]:
        raise ConfigError(
            f"label.table {label.table!r} lacks {', '.join(missing)}: labels are joined on the key of "
            f"{project.entity.table!r}"
        )
    moment, event = quoted("l", table.event_time), quoted("e", project.entity_table.event_time)
    same = [f"{quoted('l', name)} = {quoted('e', name)}" for name in project.entity_table.key]
    begin, end, due = (_ahead(project, each) for each in ("%(start)s", "%(end)s", event))
    return " and ".join([*same, f"{moment} = {due}", f"{moment} >= {begin}", f"{moment} <= {end}"])


def replace(cursor: Cursor, project: Project, partition: Partition) -> tuple[int, int]:
    """Replace a partition's labels by what the label table says now.

    Returns the rows labelled and the rows of the entity table without a label. Raises InputError where
    a class is neither 0 nor 1, or none of the project's.
    """
    cursor.execute(
        "select pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"labels:{project.name}/{partition.key}",)
    )
    partitioning.ensure(cursor, "serving.label", partition.start, partition.end)
    params: dict[str, Any] = {
        "project": project.name,
        "partition": partition.key,
        "start": partition.start,
        "end": partition.end,
        "known_at": project.label_known(partition.end),
    }
    cursor.execute(
        """delete from serving.label
           where project = %(project)s and event_time >= %(start)s and event_time < %(end)s""",
        params,
    )
    event = quoted("e", project.entity_table.event_time)
    entity, labels = (
        quoted("raw", f"{project.name}__{name}") for name in (project.entity.table, project.label.table)
    )
    cursor.execute(
        f"""with found as materialized (
                    select {entity_key(project, "e")} as key, {event} as event_time,
                           {value(project)} as label
                    from {entity} e left join {labels} l on {match(project)}
                    where {event} >= %(start)s and {event} < %(end)s),
                written as (
                    insert into serving.label (project, partition, entity_key, event_time, label, known_at)
                    select %(project)s, %(partition)s, key, event_time, label, %(known_at)s
                    from found where label is not null)
                select count(label), count(*) - count(label),
                       count(*) filter (where label not in (0, 1)),
                       {"count(*) filter (where label < 0)" if project.label.classes else "0"} from found""",
        params,
    )
    labelled, without, others, unknown = cursor.fetchone() or (0, 0, 0, 0)
    if others and task_of(project.label.task).probabilities:
        raise InputError(f"{others} of {labelled} labels of {partition.key}: {BINARY}")
    if unknown:
        raise InputError(f"{unknown} of {labelled} labels of {partition.key} are {UNNAMED}")
    return int(labelled), int(without)


def _ahead(project: Project, moment: str) -> str:
    """When the label of an event at this moment (an SQL expression) stands in the label table."""
    return project.unit.later_sql(f"{moment}::timestamptz", project.label.ahead)


def _literal(text: str) -> str:
    """Text as an SQL literal in a statement with parameters: a percent sign is written twice."""
    escaped = text.replace("'", "''").replace("%", "%%")
    return f"'{escaped}'"
