"""Projects without a file that people have put out of sight: not listed, not measured, all still there.

Who takes a project away for good uses :mod:`mlcycle.ledger.removal`. One whose file is there is shown anyway.
"""

from psycopg2.extensions import cursor as Cursor


def names(cursor: Cursor) -> set[str]:
    """Projects that were forgotten."""
    cursor.execute("select project from ledger.forgotten")
    return {name for (name,) in cursor.fetchall()}


def known(cursor: Cursor, project: str) -> bool:
    """Whether the ledger has heard of a project: it was ingested, or a step of it began."""
    cursor.execute(
        """select exists (select from ledger.batch where project = %(p)s)
               or exists (select from ledger.attempt where project = %(p)s)
               or exists (select from ledger.champion where project = %(p)s)
               or exists (select from ledger.alert where project = %(p)s)""",
        {"p": project},
    )
    return cursor.fetchone() == (True,)


def forget(cursor: Cursor, project: str, actor: str, reason: str) -> bool:
    """Put a project out of sight; whether it was in sight before."""
    cursor.execute(
        "insert into ledger.forgotten (project, actor, reason) values (%s, %s, %s) on conflict do nothing",
        (project, actor, reason),
    )
    return bool(cursor.rowcount)


def recall(cursor: Cursor, project: str) -> bool:
    """Show it again; whether it had been forgotten."""
    cursor.execute("delete from ledger.forgotten where project = %s", (project,))
    return bool(cursor.rowcount)
