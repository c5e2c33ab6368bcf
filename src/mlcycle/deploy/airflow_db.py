"""Airflow's own database: brought up to date by Airflow, refused where it is newer than this Airflow."""

import importlib.util
import re
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

from mlcycle.errors import ConfigError, Unavailable

#: Says how many slots this module has set: another number, or other words, are a person's and stay.
GPU_POOL_WORDS = (
    "NVIDIA GPUs found at the platform's start: {}. A candidate with resources.gpu waits here for its slots. "
    "Slots that a person sets are kept."
)
_REVISION = re.compile(r"^(down_)?revision(?:: [^=]+)? = ([^\n]+)", re.MULTILINE)


def migrate() -> None:
    """Bring the database that Airflow's configuration names up to date; safe several at once."""
    command = [sys.executable, "-m", "mlcycle.launch", "airflow", "db", "migrate"]
    done = subprocess.run(command, check=False, stdin=subprocess.DEVNULL)
    if done.returncode:
        raise ConfigError(
            f"airflow db migrate ended with {done.returncode}, see above; what it had migrated is kept: "
            "mend that, and run mlcycle prepare again"
        )


def is_up_to_date(dsn: str) -> bool:
    """Whether the database is at this Airflow's version.

    Raises ConfigError where it is at one that this Airflow does not know, Unavailable where none answers.
    """
    import psycopg2

    known, newest = revisions()
    try:
        connection = psycopg2.connect(dsn, connect_timeout=10, application_name="mlcycle:prepare")
    except psycopg2.OperationalError as error:
        raise Unavailable(f"Airflow's database does not answer: {' '.join(str(error).split())}") from None
    try:
        with connection, connection.cursor() as cursor:
            cursor.execute("select to_regclass('alembic_version') is not null")
            if cursor.fetchone() != (True,):
                return False
            cursor.execute("select version_num from alembic_version")
            found = {row[0] for row in cursor.fetchall()}
    finally:
        connection.close()
    if unknown := sorted(found - known):
        raise ConfigError(
            f"Airflow's database has revision {unknown[0]}, which Airflow {version('apache-airflow-core')} "
            "does not know: a newer one has migrated it; take that image again, or restore a backup"
        )
    return found == {newest}


def revisions() -> tuple[set[str], str]:
    """The revisions that the installed Airflow knows, and the newest, as its migrations say; not imported."""
    spec = importlib.util.find_spec("airflow")
    if spec is None or spec.origin is None:
        raise ConfigError("Airflow is not installed here: run this in the image mlcycle-airflow")
    known: set[str] = set()
    followed: set[str] = set()
    for path in (Path(spec.origin).parent / "migrations" / "versions").glob("*.py"):
        for down, value in _REVISION.findall(path.read_text(encoding="utf-8")):
            (followed if down else known).update(re.findall(r"[\"']([0-9a-z]+)[\"']", value))
    (newest,) = known - followed
    return known, newest


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
