"""A deployment whose databases ``mlcycle prepare`` makes, on a server that somebody else has made."""

import os
import subprocess
import sys
from pathlib import Path

import psycopg2

from mlcycle.cycle import ALL_ROLES
from mlcycle.local.postgres import Postgres

PASSWORD = "a'b%2Fc"
AIRFLOW = "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"


def environment(server: Postgres, home: Path) -> dict[str, str]:
    """A deployment's environment; ``home`` is Airflow's."""
    services = {
        AIRFLOW: server.dsn("airflow", "airflow", PASSWORD).replace("://", "+psycopg2://"),
        "MLFLOW_BACKEND_STORE_URI": server.dsn("mlflow", "mlflow", PASSWORD).replace("://", "+psycopg2://"),
        "MLCYCLE_DSN_OWNER": server.dsn("warehouse", "dba", PASSWORD),
        "MLCYCLE_DSN_ADMIN": server.dsn("postgres"),
    }
    roles = {
        f"MLCYCLE_DSN_{name.upper()}": server.dsn("warehouse", f"mlcycle_{name}", "pw") for name in ALL_ROLES
    }
    return {**os.environ, **services, **roles, "AIRFLOW_HOME": str(home), "MLCYCLE_GPUS": "3"}


def command(*arguments: str) -> list[str]:
    """``mlcycle prepare`` as this checkout's."""
    return [sys.executable, "-m", "mlcycle", "prepare", *arguments]


def prepare(env: dict[str, str], *arguments: str) -> "subprocess.CompletedProcess[str]":
    """Run it to its end."""
    return subprocess.run(command(*arguments), env=env, capture_output=True, text=True, check=False)


def ask(server: Postgres, database: str, query: str) -> list[tuple[object, ...]]:
    """What a query, or several statements, answer the server's superuser."""
    connection = psycopg2.connect(server.dsn(database), options="-c timezone=UTC")
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(query)
            return cursor.fetchall() if cursor.description else []
    finally:
        connection.close()
