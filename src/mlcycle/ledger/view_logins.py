"""The logins that feature views' SQL runs under: one a view, with rights on what it declares alone.

The server makes and keeps them (``ledger.view_login``, migration 0004); see docs/decisions/view-isolation.md.
"""

from psycopg2.extensions import cursor as Cursor

from mlcycle.project import Project

GROUP = "mlcycle_view"  # no login; holds what all of them need to have


def of_view(cursor: Cursor, project: Project, view: str) -> tuple[str, str]:
    """User and password of a view's login, its rights brought in line with what the view reads now.

    A table that is not there yet is left out. Costs one query where nothing has changed.
    """
    cursor.execute(
        "select login, password from ledger.view_login(%s, %s, %s)",
        (project.name, view, project.features[view].reads),
    )
    login, password = cursor.fetchone() or ("", "")
    return str(login), str(password)
