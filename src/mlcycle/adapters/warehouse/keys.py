"""An entity's key in SQL: the text that ``domain.entity_key.encode`` gives in Python."""

from mlcycle.project import Project


def quoted(*parts: str) -> str:
    """An SQL identifier out of its parts."""
    return ".".join('"{}"'.format(part.replace('"', '""')) for part in parts)


def entity_key(project: Project, alias: str) -> str:
    """The key of a row of the entity table as SQL, null where a column is: never a shorter key.

    A moment is written in UTC whatever the session's time zone.
    """
    table = project.entity_table
    return " || '|' || ".join(_part(quoted(alias, name), table.columns[name]) for name in table.key)


def _part(column: str, kind: str) -> str:
    if kind in ("integer", "boolean"):  # their text holds neither character
        return f"{column}::text"
    text = f"(({column} at time zone 'UTC')::text || '+00')" if kind == "timestamp" else f"{column}::text"
    return rf"replace(replace({text}, '\', '\\'), '|', '\|')"
