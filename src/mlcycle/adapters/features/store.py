"""Feast on the warehouse: its registry in schema ``features``, its online store in schema ``online``.

The configuration is made in memory from the step's own settings; no secret is written to disk.
"""

from typing import TYPE_CHECKING, Any

from psycopg2.extensions import parse_dsn

from mlcycle.adapters.features import definitions as definitions
from mlcycle.adapters.features.library import load_feast
from mlcycle.adapters.features.registry import open_store
from mlcycle.adapters.warehouse.connection import Warehouse, is_cut
from mlcycle.adapters.warehouse.session_lock import holding
from mlcycle.errors import Unavailable
from mlcycle.ledger import features as ledger
from mlcycle.project import Project
from mlcycle.settings import Settings

if TYPE_CHECKING:
    import feast
    from feast.repo_config import RepoConfig

REGISTRY_SCHEMA = "features"
ONLINE_SCHEMA = "online"


def repo_config(settings: Settings, project: Project, *, may_write: bool = False) -> "RepoConfig":
    """Feast's configuration for one project, for the database role of these settings."""
    load_feast()
    from feast.repo_config import RepoConfig

    login = _login(settings)
    return RepoConfig(
        project=definitions.feast_project(project),
        provider="local",
        registry={
            "registry_type": "sql",
            "path": _registry_url(login),
            "cache_ttl_seconds": 600,
            "schema_mode": "auto" if may_write else "skip",
            "sqlalchemy_config_kwargs": {"echo": False, "pool_pre_ping": True},
        },
        online_store={"type": "postgres", "db_schema": ONLINE_SCHEMA, **login},
        offline_store={"type": "postgres", "db_schema": REGISTRY_SCHEMA, **login},
        entity_key_serialization_version=3,
    )


def store(settings: Settings, project: Project) -> "feast.FeatureStore":
    """The feature store as serving and people read it; its definitions were applied by ``ensure``."""
    return open_store(repo_config(settings, project))


def command_env(settings: Settings, project: Project, *, may_write: bool) -> dict[str, str]:
    """The variables of ``feature_repo/feature_store.yaml``: ``repo_config`` for Feast's own commands."""
    login = _login(settings)
    return {
        "FEAST_PROJECT": definitions.feast_project(project),
        "FEAST_REGISTRY": _registry_url(login),
        "FEAST_SCHEMA_MODE": "auto" if may_write else "skip",
        **{f"FEAST_{name.upper()}": str(value) for name, value in login.items()},
        "FEAST_USAGE": "False",
        "PGTZ": "UTC",
    }


def ensure(warehouse: Warehouse, settings: Settings, project: Project) -> bool:
    """Apply the project's definitions unless the ledger says that they are applied.

    Call with the project's online store locked, and no transaction open. Returns whether it applied.

    Raises:
        Unavailable: the registry does not answer, or another session has just made the same in it.
    """
    import psycopg

    wanted = definitions.digest(project)
    with warehouse.transaction() as cursor:
        if ledger.applied_definitions(cursor, project.name) == wanted:
            return False
    import sqlalchemy

    try:
        _ensure_registry(warehouse, settings)
        found = store(settings, project)
        found.registry.cache_mode = "none"  # else Feast reads all of it again after each object it writes
        keep = definitions.everything(project)
        found.apply(keep, objects_to_delete=_gone(found, keep), partial=False)
    except (sqlalchemy.exc.DBAPIError, psycopg.Error) as error:
        if is_cut(error) or isinstance(getattr(error, "orig", error), psycopg.errors.UniqueViolation):
            reason = " ".join(str(getattr(error, "orig", error)).split())
            raise Unavailable(f"the feature registry: {reason}; it will be tried again") from error
        raise
    with warehouse.transaction() as cursor:
        ledger.record_definitions(cursor, project.name, wanted)
    return True


def _ensure_registry(warehouse: Warehouse, settings: Settings) -> None:
    """Create the registry's tables once for all projects: Feast looks and creates without a lock."""
    import sqlalchemy
    from feast.infra.registry.sql import metadata

    def missing() -> set[str]:
        there = warehouse.query("select tablename from pg_tables where schemaname = %s", (REGISTRY_SCHEMA,))
        return set(metadata.tables) - {name for (name,) in there}

    if not missing():
        return
    with holding(settings, "feature registry"):
        if missing():
            engine = sqlalchemy.create_engine(_registry_url(_login(settings)), poolclass=sqlalchemy.NullPool)
            metadata.create_all(engine)


def _gone(found: "feast.FeatureStore", keep: list[Any]) -> list[Any]:
    """Objects that the registry holds and the project no longer has."""
    names = {(type(item).__name__, item.name) for item in keep}
    there: list[Any] = [
        *found.list_feature_services(),
        *found.list_batch_feature_views(),
        *found.list_data_sources(),
        *(entity for entity in found.list_entities() if entity.name != "__dummy"),
    ]
    return [item for item in there if (type(item).__name__, item.name) not in names]


def _login(settings: Settings) -> dict[str, Any]:
    dsn = parse_dsn(settings.warehouse_dsn.get_secret_value())
    return {
        "host": dsn.get("host", "127.0.0.1"),
        "port": int(dsn.get("port", 5432)),
        "database": dsn.get("dbname", ""),
        "user": dsn.get("user", ""),
        "password": dsn.get("password", ""),
        "sslmode": dsn.get("sslmode", "prefer"),
    }


def _registry_url(login: dict[str, Any]) -> str:
    from sqlalchemy import URL

    url = URL.create(
        "postgresql+psycopg",
        login["user"],
        login["password"],
        login["host"],
        login["port"],
        login["database"],
        {"options": f"-c search_path={REGISTRY_SCHEMA}", "sslmode": login["sslmode"]},
    )
    return url.render_as_string(hide_password=False)
