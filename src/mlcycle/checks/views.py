"""The SQL of feature views, each mistake with the line of its own file."""

from collections.abc import Iterator

from psycopg2.extensions import cursor as Cursor

from mlcycle.domain import sql_guard, sql_names
from mlcycle.project import FeatureView, Project

#: (view, line of its SQL, what is wrong)
Problem = tuple[str, int, str]
TIME_LIMIT = 10_000  # milliseconds; an EXPLAIN of no rows takes some


def sql_problems(project: Project, cursor: Cursor | None = None) -> list[Problem]:
    """What is wrong with the project's views: by the parser, and by a server where its cursor is given."""
    found: list[Problem] = []
    for name, view in project.features.items():
        if view.python:
            continue
        wrong = [*_by_the_parser(project, view)]
        if not wrong and cursor is not None:
            wrong = [*_by_the_server(project, name, cursor)]
        found += [(name, line, reason) for line, reason in wrong]
    return found


def _by_the_parser(project: Project, view: FeatureView) -> Iterator[tuple[int, str]]:
    if wrong := sql_guard.problem(view.sql, view.reads):
        yield wrong
        return
    tables = {name: list(project.source.tables[name].read_columns) for name in view.reads}
    yield from sql_names.problems(view.sql, tables, [*view.entities, "event_timestamp", *view.columns])


def _by_the_server(project: Project, name: str, cursor: Cursor) -> Iterator[tuple[int, str]]:
    from mlcycle.adapters.features.view_sql import explained

    cursor.execute("savepoint view")
    cursor.execute("set local statement_timeout = %s", (TIME_LIMIT,))
    wrong = explained(cursor, project, name)
    cursor.execute("rollback to savepoint view")
    if wrong:
        yield wrong
