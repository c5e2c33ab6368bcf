"""Ways from the command line to the platform: its settings, its steps, its ledger, its Airflow."""

import os
import sys
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlcycle.contract import PartitionRange, Request, Result

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from psycopg2.extensions import cursor as Cursor

    from mlcycle.ledger.attempts import Left
    from mlcycle.settings import Settings
    from mlcycle.stage_run import LastLeft


def platform_env(state: Path) -> dict[str, str]:
    """Settings of the local platform, with this process's own environment above them; that alone where
    there is no local platform and the environment names a warehouse.
    """
    from mlcycle.local.config import is_configured, platform_env

    if not is_configured(state) and any(name.startswith("MLCYCLE_DSN_") for name in os.environ):
        return dict(os.environ)
    return {**platform_env(state), **os.environ}


def airflow_env(state: Path) -> dict[str, str]:
    """Which Airflow, and who asks it: the local platform's, what this process's environment says above it."""
    from mlcycle.local.config import airflow_login, is_configured

    return {**(airflow_login(state) if is_configured(state) else {}), **os.environ}


def owner_settings(state: Path) -> "Settings":
    """The warehouse as its owner: the local platform's, else the one that MLCYCLE_DSN_OWNER names.

    Raises ConfigError where there is neither.
    """
    from mlcycle.domain.dsn import FORM
    from mlcycle.errors import ConfigError
    from mlcycle.ledger.migrate import OWNER
    from mlcycle.local.config import is_configured, load
    from mlcycle.settings import Settings

    dsn = os.environ.get(OWNER) or (load(state).dsn("mlcycle") if is_configured(state) else "")
    if not dsn:
        raise ConfigError(f"{OWNER} is not set: only the warehouse's owner may do this; write it like {FORM}")
    artifacts = platform_env(state).get("MLCYCLE_ARTIFACTS_URL", "")
    return Settings.model_validate({"warehouse_dsn": dsn, "artifacts_url": artifacts})


def executor(state: Path, env: dict[str, str]) -> "Callable[[Request], Result]":
    """How steps are started here: as tasks start them while the platform is up, else in this process."""
    from mlcycle.local.commands import running

    if running(state.absolute()) is not None:
        from mlcycle.orchestration.runners.here import through_runner

        return through_runner(env, log=lambda line: print(line, file=sys.stderr))
    from mlcycle.stage_run import in_this_process

    return in_this_process(env)


def last_left(env: dict[str, str], project: str) -> "LastLeft":
    """Finds what steps of the project last left, in the ledger."""
    from mlcycle.adapters.warehouse.connection import Warehouse
    from mlcycle.ledger import attempts
    from mlcycle.settings import Settings, step_env

    def find(step: str, variant: str, partitions: PartitionRange | None) -> "Left | None":
        warehouse = Warehouse(Settings.from_env(step_env(env, "serve")), name="mlcycle:run")
        try:
            with warehouse.transaction() as cursor:
                return attempts.left_by(cursor, project, step, variant, partitions)
        finally:
            warehouse.close()

    return find


@contextmanager
def ledger(state: Path) -> "Iterator[Cursor]":
    """A cursor of the role that people read the ledger with; it may add acts on alerts."""
    from mlcycle.adapters.warehouse.connection import Warehouse
    from mlcycle.settings import Settings, step_env

    warehouse = Warehouse(Settings.from_env(step_env(platform_env(state), "serve")), name="mlcycle:alerts")
    try:
        with warehouse.transaction() as cursor:
            yield cursor
    finally:
        warehouse.close()


def select(state: Path, query: str, params: tuple[Any, ...] | None = None) -> list[dict[str, Any]]:
    """Rows of one SELECT on the warehouse, in a read-only transaction."""
    from mlcycle.adapters.warehouse.connection import select_read_only
    from mlcycle.settings import Settings, step_env

    settings = Settings.from_env(step_env(platform_env(state), "serve"))
    return select_read_only(settings, query, params)


def address(env: "Mapping[str, str]", link: str) -> str:
    """Where a browser finds a report: by the console where Airflow is known, else where it lies."""
    from urllib.parse import quote

    if base := env.get("MLCYCLE_AIRFLOW_URL", "").rstrip("/"):
        return f"{base}/mlcycle/{quote(link)}"
    return f"{env.get('MLCYCLE_ARTIFACTS_URL', '').rstrip('/')}/{link}"
