"""The assets that connect a project's DAGs.

Their names are all that one DAG knows of another. An asset's URI is a name too: no DAG reads it.
"""

from airflow.sdk import Asset


def asset(project: str, kind: str, part: str = "") -> Asset:
    """The asset of a kind (``raw``, ``features``, ``champion``), or one part of it (a table's ``raw``)."""
    path = "/".join(filter(None, (project, kind, part)))
    return Asset(name=path, uri=f"mlcycle://{path}", group="mlcycle")
