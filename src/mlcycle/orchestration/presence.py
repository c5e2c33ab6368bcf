"""What Airflow's side asks the ledger: the partition of a run that nobody gave one, a decision already made.

A person may start a stage without a partition key. The warehouse knows the present then: the
newest partition of the entity table that was published before the run was made. Asked with the
run's own moment, the answer is the same for every task of the run and every retry.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any

from mlcycle.domain import dsn as dsns
from mlcycle.errors import ConfigError, InputError, Unavailable
from mlcycle.ledger import attempts, batches
from mlcycle.project import Project


def newest_partition(project: Project, moment: datetime) -> str:
    """Key of the newest partition published by this moment.

    Raises InputError if there is none, Unavailable or ConfigError where the ledger cannot be read.
    """
    with _ledger("it finds the partition of a run without a key") as cursor:
        newest = batches.newest(cursor, project, project.entity.table, by=moment)
    if newest is None:
        raise InputError(
            f"project {project.name!r} has no published partition yet: ingest one, "
            "or name a partition in the form"
        )
    return newest.key


def decided(work: str) -> bool:
    """A person's decision on this piece of work is in the ledger.

    Raises Unavailable or ConfigError where the ledger cannot be read.
    """
    with _ledger("it finds what a person decided") as cursor:
        return attempts.published(cursor, work, "decision") is not None


@contextmanager
def _ledger(why: str) -> Iterator[Any]:
    import psycopg2
    import psycopg2.errors

    dsn = os.environ.get("MLCYCLE_DSN_SERVE", "")
    if not dsn:
        raise ConfigError(f"MLCYCLE_DSN_SERVE is not set: {why}")
    dsns.check("MLCYCLE_DSN_SERVE", dsn)
    try:
        connection = psycopg2.connect(dsn, connect_timeout=10, options="-c statement_timeout=10000")
    except psycopg2.ProgrammingError:
        raise dsns.not_one("MLCYCLE_DSN_SERVE") from None
    except psycopg2.OperationalError as error:
        raise Unavailable(f"the warehouse does not answer: {' '.join(str(error).split())}") from None
    try:
        with connection.cursor() as cursor:
            yield cursor
    except (
        psycopg2.errors.UndefinedTable,
        psycopg2.errors.InvalidSchemaName,
        psycopg2.errors.UndefinedColumn,
    ):
        raise ConfigError(
            "MLCYCLE_DSN_SERVE names a warehouse without this version's ledger: run `mlcycle migrate`"
        ) from None
    except psycopg2.OperationalError as error:
        raise Unavailable(f"the warehouse stopped answering: {' '.join(str(error).split())}") from None
    finally:
        connection.close()
