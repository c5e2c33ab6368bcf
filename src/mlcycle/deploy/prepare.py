"""``mlcycle prepare``: all databases of a deployment at this version, before a service starts.

Safe to run again, and several at once. What a newer version has migrated is refused before anything is
changed.
"""

import time
from collections.abc import Callable, Mapping

from mlcycle.deploy import airflow_db, databases
from mlcycle.domain import dsn as dsns
from mlcycle.errors import ConfigError, Unavailable
from mlcycle.ledger import migrate as ledger

AIRFLOW = "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"
READER = "MLCYCLE_DSN_SERVE"  # any of the ledger's roles would do
AGAIN = 1.0  # seconds between two looks

Say = Callable[[str], None]


def prepare(env: Mapping[str, str], say: Say) -> None:
    """Bring everything up to date.

    Args:
        env: ``MLCYCLE_DSN_OWNER`` and a DSN for each role; ``AIRFLOW__DATABASE__SQL_ALCHEMY_CONN``; where
            ``MLCYCLE_DSN_ADMIN`` is set, the databases that these, ``MLFLOW_BACKEND_STORE_URI`` and
            ``EVIDENTLY_DATABASE_URL`` name are made first, with their owners. ``MLCYCLE_GPUS``: how many
            GPUs training may use at once, those of this machine if it is not set.
        say: gets a line for each part.
    """
    gpus = _gpus(env)
    if env.get(databases.ADMIN):
        made = databases.create(env[databases.ADMIN], databases.named(env))
        say(f"databases made: {', '.join(made)}" if made else "databases are there")
    airflow = _airflow_dsn(env)
    airflow_db.is_up_to_date(airflow)  # a newer one is refused before the ledger is touched
    before, now = ledger.migrate(*ledger.credentials(env))
    say(f"the ledger is at version {now}" + ("" if before == now else f", before: {before or 'nothing'}"))
    airflow_db.migrate()
    airflow_db.keep_gpu_pool(airflow, gpus)
    say("Airflow's database is up to date")


def wait(env: Mapping[str, str], seconds: float, say: Say) -> None:
    """Return once the ledger and Airflow's database are at this version.

    Raises ConfigError where one of them is newer, Unavailable where it takes longer.
    """
    if not env.get(READER):
        raise ConfigError(f"{READER} is not set: write it like {dsns.FORM}")
    deadline, told = time.monotonic() + seconds, ""
    while True:
        missing = _missing(env)
        if not missing:
            return
        if missing != told:
            say(f"waits: {missing}")
            told = missing
        if time.monotonic() > deadline:
            raise Unavailable(f"not ready after {seconds:g} s: {missing}; see what mlcycle prepare says")
        time.sleep(AGAIN)


def _missing(env: Mapping[str, str]) -> str:
    """What is not at this version yet."""
    try:
        if not ledger.is_up_to_date(env[READER]):
            return "the ledger is not up to date yet"
        if not airflow_db.is_up_to_date(_airflow_dsn(env)):
            return "Airflow's database is not up to date yet"
    except Unavailable as error:
        return error.message
    return ""


def _airflow_dsn(env: Mapping[str, str]) -> str:
    """Airflow's database as libpq spells it. Raises ConfigError."""
    url = env.get(AIRFLOW, "")
    if not url:
        raise ConfigError(f"{AIRFLOW} is not set: write it like {dsns.FORM}")
    return databases.libpq(url)


def _gpus(env: Mapping[str, str]) -> int:
    said = env.get("MLCYCLE_GPUS", "")
    if said and not said.isdecimal():
        raise ConfigError(f"MLCYCLE_GPUS: {said!r} is not a number of GPUs")
    return int(said) if said else airflow_db.count_gpus()
