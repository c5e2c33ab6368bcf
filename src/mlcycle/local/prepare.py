"""Work on the platform's databases before anything uses them; each part is safe to repeat."""

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from mlcycle.cycle import ALL_ROLES
from mlcycle.errors import ConfigError, MlcycleError
from mlcycle.local.config import DATABASES, Platform, load


def databases(platform: Platform) -> None:
    """Create each database; all but mlcycle's belong to a role of their own name."""
    for name in DATABASES:
        password = platform.secrets.get(f"database_{name}")
        platform.postgres.create_database(name, owner=name if password else None, password=password)


def warehouse(platform: Platform) -> None:
    """Bring the ledger and the warehouse's schemas up to date."""
    from mlcycle.adapters.ledger.migrate import migrate

    passwords = {role: platform.secrets[f"role_{role}"] for role in ALL_ROLES}
    migrate(platform.dsn("mlcycle"), passwords)


def airflow(platform: Platform) -> None:
    """Bring Airflow's database up to date; done once for each version of Airflow."""
    marker = platform.state / "airflow" / "migrated"
    release = version("apache-airflow-core")
    if marker.exists() and marker.read_text() == release:
        return
    command = [sys.executable, "-m", "mlcycle.local.launch", "airflow", "db", "migrate"]
    done = subprocess.run(command, check=False, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise ConfigError(f"airflow db migrate ended with {done.returncode}: see above")
    marker.write_text(release)


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
