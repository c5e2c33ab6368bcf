"""Work on the platform's databases before anything uses them; each part is safe to repeat."""

import os
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from mlcycle.cycle import ALL_ROLES
from mlcycle.errors import ConfigError, MlcycleError
from mlcycle.local.config import DATABASES, Platform, load

#: Says how many slots this module has set: another number, or other words, are a person's and stay.
GPU_POOL_WORDS = (
    "NVIDIA GPUs found at the platform's start: {}. A candidate with resources.gpu waits here for its slots. "
    "Slots that a person sets are kept."
)


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
        command = [sys.executable, "-m", "mlcycle.local.launch", "airflow", "db", "migrate"]
        done = subprocess.run(command, check=False, stdin=subprocess.DEVNULL)
        if done.returncode:
            raise ConfigError(f"airflow db migrate ended with {done.returncode}: see above")
        marker.write_text(release)
    keep_gpu_pool(platform.dsn("airflow"), count_gpus())


def count_gpus(devices: Path = Path("/dev")) -> int:
    """NVIDIA GPUs that this machine, or this container, has."""
    return sum(re.fullmatch(r"nvidia\d+", path.name) is not None for path in devices.glob("nvidia*"))


def keep_gpu_pool(dsn: str, gpus: int) -> None:
    """Give Airflow's pool ``gpu`` a slot for each GPU, unless a person has changed it.

    A task whose pool does not exist is left out by the scheduler, with a line in its log alone; one that
    waits for a slot says so on its page. ``airflow pools set`` does the same in 4 s.
    """
    import psycopg2

    connection = psycopg2.connect(dsn)
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute(
                """insert into slot_pool (pool, slots, description, include_deferred)
                   values ('gpu', %(gpus)s, replace(%(words)s, '{}', %(gpus)s::text), false)
                   on conflict (pool) do update
                   set slots = excluded.slots, description = excluded.description
                   where slot_pool.description = replace(%(words)s, '{}', slot_pool.slots::text)""",
                {"gpus": gpus, "words": GPU_POOL_WORDS},
            )
    finally:
        connection.close()


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
