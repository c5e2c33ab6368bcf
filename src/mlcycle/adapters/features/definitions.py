"""A project's features in Feast's words: entities, sources, views and one service, out of its file.

Feast names an online table ``<project>_<view>``, which two projects could share (``a`` with ``b_c``,
``a_b`` with ``c``). So a project is called ``<name>_`` there: its tables are ``<name>__<view>``, as
everywhere else in the warehouse.
"""

import hashlib
import json
from typing import TYPE_CHECKING, Any

from mlcycle.adapters.features.library import load_feast
from mlcycle.project import Project

if TYPE_CHECKING:
    import feast

SERVICE = "model_inputs"  # the feature service that serving asks


def feast_project(project: Project) -> str:
    """The project's name in Feast."""
    return f"{project.name}_"


def digest(project: Project) -> str:
    """What the definitions depend on; they are applied again where it changes."""
    tables = {name: table.columns[key] for name, table, key in _entity_columns(project)}
    views = {name: view.model_dump(mode="json") for name, view in project.features.items()}
    facts = [1, tables, views, project.inputs.model_dump(), project.scope.goal, project.scope.owner]
    return hashlib.sha256(json.dumps(facts, sort_keys=True).encode()).hexdigest()


def entities(project: Project) -> "dict[str, feast.Entity]":
    """An entity for each column that a view is keyed by."""
    load_feast()
    import feast

    kinds = {
        "text": feast.ValueType.STRING,
        "integer": feast.ValueType.INT64,
        "double": feast.ValueType.DOUBLE,
        "boolean": feast.ValueType.BOOL,
        "timestamp": feast.ValueType.UNIX_TIMESTAMP,
    }
    return {
        name: feast.Entity(name=name, join_keys=[name], value_type=kinds[table.columns[key]])
        for name, table, key in _entity_columns(project)
    }


def views(project: Project) -> "dict[str, feast.FeatureView]":
    """The project's feature views, each on its table in the warehouse."""
    load_feast()
    import feast
    from feast import types
    from feast.infra.offline_stores.contrib.postgres_offline_store.postgres_source import PostgreSQLSource

    column = {"text": types.String, "integer": types.Int64, "double": types.Float64}
    column |= {"boolean": types.Bool, "timestamp": types.UnixTimestamp}
    known = entities(project)
    found = {}
    for name, view in project.features.items():
        keys = {key: project.entity_table.columns[key] for key in view.entities}
        fields = {**keys, **view.columns}
        found[name] = feast.FeatureView(
            name=name,
            entities=[known[key] for key in view.entities],
            schema=[feast.Field(name=field, dtype=column[kind]) for field, kind in fields.items()],
            ttl=view.ttl,
            source=PostgreSQLSource(
                name=f"{project.name}__{name}",
                query=f'select * from features."{project.name}__{name}"',
                timestamp_field="event_timestamp",
                created_timestamp_column="created_timestamp",
            ),
            description=_first_comment(view.sql) or str(view.python or ""),
            owner=project.scope.owner,
        )
    return found


def everything(project: Project) -> list[Any]:
    """All objects of the project, as ``feast apply`` takes them."""
    load_feast()
    import feast

    found = views(project)
    used = [
        view for name, view in found.items() if set(project.features[name].columns) & set(project.inputs.all)
    ]
    wanted = [
        view[[column for column in project.features[view.name].columns if column in project.inputs.all]]
        for view in used
    ]
    service = feast.FeatureService(name=SERVICE, features=wanted, description=project.scope.goal)
    sources = [view.batch_source for view in found.values()]
    home = feast.Project(name=feast_project(project), description=project.scope.goal)
    return [home, *entities(project).values(), *sources, *found.values(), service]


def _entity_columns(project: Project) -> list[tuple[str, Any, str]]:
    names = dict.fromkeys(key for view in project.features.values() for key in view.entities)
    return [(name, project.entity_table, name) for name in names]


def _first_comment(text: str) -> str:
    lines = []
    for line in text.splitlines():
        if not line.startswith("--"):
            break
        lines.append(line.removeprefix("--").strip())
    return " ".join(lines)
