"""Airflow's pool of GPUs: made by the platform at its start, and a person's once it was changed."""

import secrets
from pathlib import Path

import pytest
import sqlalchemy

from mlcycle.deploy.airflow_db import count_gpus, keep_gpu_pool
from mlcycle.local.postgres import Postgres


@pytest.fixture
def dsn(postgres: Postgres) -> str:
    """A database with Airflow's own table of pools."""
    from airflow.models.pool import Pool
    from airflow.models.team import Team

    name = f"airflow_{secrets.token_hex(4)}"
    postgres.create_database(name)
    engine = sqlalchemy.create_engine(postgres.dsn(name))
    Pool.metadata.create_all(engine, tables=[Team.__table__, Pool.__table__])
    engine.dispose()
    return postgres.dsn(name)


def ask(dsn: str, statement: str) -> list[tuple[object, ...]]:
    engine = sqlalchemy.create_engine(dsn)
    with engine.begin() as connection:
        found = connection.execute(sqlalchemy.text(statement))
        rows = [tuple(row) for row in found] if found.returns_rows else []
    engine.dispose()
    return rows


def pool(dsn: str) -> tuple[int, str]:
    [(slots, description)] = ask(dsn, "select slots, description from slot_pool where pool = 'gpu'")
    assert isinstance(slots, int)
    return slots, str(description)


def test_the_pool_follows_the_number_of_gpus(dsn: str) -> None:
    for gpus in (0, 2, 2, 1):
        keep_gpu_pool(dsn, gpus)
        slots, description = pool(dsn)
        assert slots == gpus
        assert f"start: {gpus}. " in description


@pytest.mark.parametrize(
    "change", [pytest.param("slots = 7", id="slots"), pytest.param("description = 'mine'", id="words")]
)
def test_what_a_person_changed_stays(dsn: str, change: str) -> None:
    keep_gpu_pool(dsn, 1)
    ask(dsn, f"update slot_pool set {change} where pool = 'gpu'")
    before = pool(dsn)
    keep_gpu_pool(dsn, 2)
    assert pool(dsn) == before


def test_the_factory_asks_for_the_same_pool(dsn: str) -> None:
    from mlcycle.orchestration.stage_dag import GPU_POOL

    keep_gpu_pool(dsn, 1)
    assert ask(dsn, "select pool from slot_pool") == [(GPU_POOL,)]


def test_gpus_are_counted_and_their_control_devices_are_not(tmp_path: Path) -> None:
    for name in ("nvidia0", "nvidia1", "nvidia10", "nvidiactl", "nvidia-uvm", "nvidia-caps", "sda"):
        (tmp_path / name).touch()
    assert count_gpus(tmp_path) == 3
    assert count_gpus(tmp_path / "nowhere") == 0
