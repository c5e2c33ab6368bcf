"""Partitions that were never delivered: noticed, declared absent, looked for again, taken after all.

A gap's row says how it stands, ``ledger.gap_event`` how it came to. Whether a partition holds data
is told by ``ledger.batch`` alone: a gap whose partition was published is none, whatever its row says.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import Any

from psycopg2.extensions import cursor as Cursor
from psycopg2.extras import execute_values

from mlcycle.domain import gaps
from mlcycle.domain.partitions import Partition
from mlcycle.ledger import alerts
from mlcycle.project import Project

AT_ONCE = 24  # partitions that one run looks for besides its own
BY_FILE = "declared in the project file"
LATEST = "9999"  # later than any partition's key

OVERVIEW = """
select project, count(*), min(partition), max(partition) from ledger.gap g
where state = 'missing' and not exists (
    select from ledger.batch b
    where b.project = g.project and b.table_name = g.table_name and b.partition = g.partition
      and b.current)
group by project order by project
"""


def behind(cursor: Cursor, project: Project, table: str, before: Partition) -> list[Partition]:
    """Partitions of a table that an earlier run should have brought, to be looked for now, in order.

    From the table's first published partition, or ``catch_up`` back, whichever is later; besides
    them every gap within reach. What was delivered and stopped is a person's matter, no gap.
    At most ``AT_ONCE`` that are new and as many again, so that an outage is made good at a bounded rate.
    """
    source, unit = project.source, project.unit
    start = Partition.parse(source.start, unit)
    reach = max(start, Partition.containing(before.start - source.catch_up, unit))
    if reach >= before:
        return []
    earliest = _earliest(cursor, project.name, table)
    delivered = _delivered(cursor, project.name, table, reach, before)
    noted = _rows(cursor, project.name, table, reach, before)
    candidates = [
        partition
        for partition in reach.to(before.shift(-1))
        if partition.key not in delivered
        and (partition.key in noted or (earliest is not None and partition.key > earliest))
    ]
    looked_at = {key: looked for key, (_, _, looked) in noted.items()}
    return gaps.first_looked_for(candidates, looked_at, AT_ONCE)


def absent(cursor: Cursor, project: Project, table: str, keys: Sequence[str]) -> set[str]:
    """Those of the keys that a person or the project file declares absent."""
    unit, spans = project.unit, project.source.absent
    by_file = {key for key in keys if gaps.within(Partition.parse(key, unit), spans)}
    cursor.execute(
        """select partition from ledger.gap
           where project = %s and table_name = %s and partition = any(%s)
             and state = 'absent' and reason <> %s""",
        (project.name, table, list(keys), BY_FILE),
    )
    return by_file | {key for (key,) in cursor.fetchall()}


def note(
    cursor: Cursor, project: str, table: str, looked: Mapping[str, str], declared: Iterable[str], actor: str
) -> list[str]:
    """Note partitions that were looked for and not found; those that are missing from now on.

    ``looked`` says by key why a partition could not be had, ``declared`` which of them are declared
    absent, ``actor`` who looked.
    """
    absent_keys = set(declared)
    before = _states(cursor, project, table, looked)
    fresh = []
    for key, why in looked.items():
        state = "absent" if key in absent_keys else "missing"
        was, reason = before.get(key, ("", ""))
        if was == state:
            cursor.execute(
                """update ledger.gap set looked_at = now()
                   where project = %s and table_name = %s and partition = %s""",
                (project, table, key),
            )
            continue
        fresh += [key] if state == "missing" else []
        text = why if state == "missing" else (reason if was == "absent" else BY_FILE)
        _put(cursor, project, table, [key], state, text, actor)
    return fresh


def taken(cursor: Cursor, project: str, table: str, key: str) -> None:
    """Close a partition's gap, missing or declared, because it was delivered."""
    cursor.execute(
        """update ledger.gap set state = 'delivered', reason = 'delivered after all'
           where project = %s and table_name = %s and partition = %s and state <> 'delivered'""",
        (project, table, key),
    )
    if cursor.rowcount:
        _tell(cursor, project, table, [key], "delivered", "the source", "delivered after all")


def open_keys(cursor: Cursor, project: str, table: str, keys: Sequence[str]) -> set[str]:
    """Those of the keys that have a gap which a delivery would close."""
    cursor.execute(
        """select partition from ledger.gap
           where project = %s and table_name = %s and partition = any(%s) and state <> 'delivered'""",
        (project, table, list(keys)),
    )
    return {key for (key,) in cursor.fetchall()}


def alerted(cursor: Cursor, project: str, table: str) -> bool:
    """Whether an alert of the table's late deliveries is open."""
    cursor.execute(
        "select exists (select from ledger.alert where project = %s and key = %s and state = 'open')",
        (project, alert_key(table)),
    )
    return cursor.fetchone() == (True,)


def settle_alert(cursor: Cursor, project: str, table: str) -> None:
    """Close the table's alert of late deliveries once none is missing any more."""
    cursor.execute(
        """select exists (select from ledger.gap g
               where project = %s and table_name = %s and state = 'missing' and not exists (
                   select from ledger.batch b
                   where b.project = g.project and b.table_name = g.table_name
                     and b.partition = g.partition and b.current))""",
        (project, table),
    )
    if cursor.fetchone() == (False,):
        alerts.hold(cursor, project)
        alerts.close(cursor, project, [alert_key(table)], LATEST)


def alert_key(table: str) -> str:
    """Key of the alert that says that a table's deliveries are missing."""
    return f"late:{table}"


def declare(cursor: Cursor, project: str, table: str, keys: Sequence[str], actor: str, reason: str) -> None:
    """Say that these partitions will never be delivered: nobody waits for them, nobody is told."""
    _put(cursor, project, table, keys, "absent", reason, actor)
    settle_alert(cursor, project, table)


def undo(cursor: Cursor, project: str, table: str, keys: Sequence[str], actor: str, reason: str) -> list[str]:
    """Take declarations back: the partitions are missing again. Returns those that were declared."""
    declared = [key for key, (state, _) in _states(cursor, project, table, keys).items() if state == "absent"]
    _put(cursor, project, table, declared, "missing", reason, actor, action="undone")
    return declared


def missing(cursor: Cursor, project: Project, first: Partition, last: Partition) -> dict[str, list[str]]:
    """Gaps of each table between two partitions, both included, by table; a table's lag is allowed for."""
    found = {}
    for name, table in project.source.tables.items():
        start = Partition.parse(project.source.start, project.unit)
        begin = start if table.kind == "static" else max(first.shift(-table.lag), start)
        end = begin if table.kind == "static" else last.shift(-table.lag)
        keys = [partition.key for partition in begin.to(end)]
        if not keys:
            continue
        delivered = _delivered(cursor, project.name, name, begin, end.shift(1))
        noted = _rows(cursor, project.name, name, begin, end.shift(1))
        waited = [key for key, (state, _, _) in noted.items() if state == "missing"]
        declared = absent(cursor, project, name, [key for key in keys if key not in delivered])
        earliest = _earliest(cursor, project.name, name)
        keys = [key for key in keys if (earliest and key > earliest) or key in waited]
        found[name] = gaps.unfilled(keys, delivered, waited, declared)
    return found


def overview(cursor: Cursor) -> list[tuple[Any, ...]]:
    """Each project with gaps: project, how many partitions are missing, the first and the last of them."""
    cursor.execute(OVERVIEW)
    return cursor.fetchall()


def _earliest(cursor: Cursor, project: str, table: str) -> str | None:
    """The first partition that was ever delivered. Nothing before it is a gap: there the history begins."""
    cursor.execute(
        "select min(partition) from ledger.batch where project = %s and table_name = %s", (project, table)
    )
    row = cursor.fetchone()
    return row[0] if row else None


def _delivered(cursor: Cursor, project: str, table: str, first: Partition, before: Partition) -> set[str]:
    """Partitions of which something was delivered, published or stopped."""
    cursor.execute(
        """select distinct partition from ledger.batch
           where project = %s and table_name = %s and partition >= %s and partition < %s""",
        (project, table, first.key, before.key),
    )
    return {key for (key,) in cursor.fetchall()}


def _rows(
    cursor: Cursor, project: str, table: str, first: Partition, before: Partition
) -> dict[str, tuple[str, str, datetime]]:
    """Gaps between two partitions, the later left out: state, reason, when last looked for."""
    cursor.execute(
        """select partition, state, reason, looked_at from ledger.gap
           where project = %s and table_name = %s and partition >= %s and partition < %s""",
        (project, table, first.key, before.key),
    )
    return {key: (state, reason, looked) for key, state, reason, looked in cursor.fetchall()}


def _states(cursor: Cursor, project: str, table: str, keys: Iterable[str]) -> dict[str, tuple[str, str]]:
    cursor.execute(
        """select partition, state, reason from ledger.gap
           where project = %s and table_name = %s and partition = any(%s) order by partition for update""",
        (project, table, list(keys)),
    )
    return {key: (state, reason) for key, state, reason in cursor.fetchall()}


def _put(
    cursor: Cursor,
    project: str,
    table: str,
    keys: Sequence[str],
    state: str,
    reason: str,
    actor: str,
    action: str = "",
) -> None:
    execute_values(
        cursor,
        """insert into ledger.gap (project, table_name, partition, state, reason) values %s
           on conflict (project, table_name, partition) do update
               set state = excluded.state, reason = excluded.reason, looked_at = now()""",
        [(project, table, key, state, reason[:1000]) for key in keys],
    )
    _tell(cursor, project, table, keys, action or state, actor, reason)


def _tell(
    cursor: Cursor, project: str, table: str, keys: Sequence[str], action: str, actor: str, reason: str
) -> None:
    execute_values(
        cursor,
        "insert into ledger.gap_event (project, table_name, partition, action, actor, reason) values %s",
        [(project, table, key, action, actor, reason[:1000]) for key in keys],
    )
