"""Work on the platform's databases before anything uses them; each part is safe to repeat."""

import os
import sys
from importlib.metadata import version
from pathlib import Path

from mlcycle.cycle import ALL_ROLES
from mlcycle.deploy import airflow_db
from mlcycle.errors import MlcycleError
from mlcycle.local.config import DATABASES, Platform, load


def databases(platform: Platform) -> None:
    """Create each database; all but mlcycle's belong to a role of their own name."""
    for name in DATABASES:
        password = platform.secrets.get(f"database_{name}")
        platform.postgres.create_database(name, owner=name if password else None, password=password)


def warehouse(platform: Platform) -> None:
    """Bring the ledger and the warehouse's schemas up to date."""
    from mlcycle.ledger.migrate import migrate

    passwords = {role: platform.secrets[f"role_{role}"] for role in ALL_ROLES}
    migrate(platform.dsn("mlcycle"), passwords)


def airflow(platform: Platform) -> None:
    """Bring Airflow's database up to date, once for each version of Airflow, and keep its pool of GPUs."""
    marker = platform.state / "airflow" / "migrated"
    release = version("apache-airflow-core")
    if not marker.exists() or marker.read_text() != release:
        airflow_db.migrate()
        marker.write_text(release)
    airflow_db.keep_gpu_pool(platform.dsn("airflow"), airflow_db.count_gpus())


def main() -> int:
    """Do what the argument names on the platform that $MLCYCLE_PLATFORM names."""
    work = {"databases": databases, "warehouse": warehouse, "airflow": airflow}
    try:
        work[sys.argv[1]](load(Path(os.environ["MLCYCLE_PLATFORM"])))
    except MlcycleError as error:
        print(error.message, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
