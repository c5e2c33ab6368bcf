"""Fixtures: an embedded PostgreSQL for the whole run, and a fresh warehouse in it for each test."""

import os
import secrets
import socket
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psycopg2
import pytest
from hypothesis import HealthCheck, settings

from mlcycle.adapters.warehouse.connection import Warehouse
from mlcycle.cycle import ALL_ROLES
from mlcycle.ledger.migrate import migrate
from mlcycle.local.config import PORTS
from mlcycle.local.postgres import Postgres
from mlcycle.settings import Settings
from tests.postgres_server import temporary

ROOT = Path(__file__).parent.parent

# The same examples everywhere: what passed here passes on the busiest machine. ``--hypothesis-profile=search``
# looks for new ones.
ANY_MACHINE = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("search", ANY_MACHINE)
settings.register_profile("repeatable", ANY_MACHINE, derandomize=True)
settings.load_profile("repeatable")


#: Files of few tests that take minutes each. Given out by their number, as xdist does, they would end a run alone.
LONG = (
    "integration/test_steps_elsewhere.py",
    "contract/test_trained_exports.py",
    "contract/test_first_champion.py",
    "contract/test_text.py",
    "contract/test_calibrate.py",
    "contract/test_model_elsewhere.py",
    "contract/test_exported_program.py",
    "contract/test_cross_validated.py",
    "contract/test_tune_killed.py",
)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Long files first, then those of many tests; within a file nothing moves."""
    held = Counter(item.path for item in items)
    long = {ROOT / "tests" / name for name in LONG}
    items.sort(key=lambda item: (item.path not in long, -held[item.path], str(item.path)))


#: Below those that systems give to connections as they come, each once a process, from another start in each.
PORTS_TO_TRY = (20_000 + (os.getpid() * 37 + at) % 12_000 for at in range(12_000))


def free_port() -> int:
    """A TCP port that nobody listens on just now, and that was not given before."""
    for port in PORTS_TO_TRY:
        with socket.socket() as probe:
            try:
                probe.bind(("127.0.0.1", port))
            except OSError:
                continue
            return port
    raise AssertionError("no port is free")


def free_ports() -> dict[str, int]:
    """A free TCP port for everything the platform listens on."""
    return {name: free_port() for name in PORTS}


@pytest.fixture(scope="session")
def postgres(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Postgres]:
    """A running PostgreSQL server."""
    with temporary(tmp_path_factory.mktemp("postgres"), free_port()) as server:
        yield server


@dataclass(frozen=True)
class Platform:
    """What the steps of one test live in."""

    server: Postgres
    database: str
    passwords: dict[str, str]
    folder: Path

    def settings(self, role: str = "train", **changes: object) -> Settings:
        """Settings of a step of this role."""
        values = {
            "warehouse_dsn": self.server.dsn(self.database, f"mlcycle_{role}", self.passwords[role]),
            "artifacts_url": f"file://{self.folder}/artifacts",
            "source_url": f"file://{self.folder}/source",
            "allowed_receivers": "*",
            "scratch": self.folder / "scratch",
            "threads": 1,
            **changes,
        }
        return Settings.model_validate(values)

    def owner(self) -> Warehouse:
        """A connection that sees everything: what checkers read with."""
        return Warehouse(Settings(warehouse_dsn=self.server.dsn(self.database), artifacts_url="file:///"))


@pytest.fixture(scope="session")
def _template(postgres: Postgres) -> dict[str, str]:
    passwords = {role: secrets.token_urlsafe(12) for role in ALL_ROLES}
    postgres.create_database("template_mlcycle")
    migrate(postgres.dsn("template_mlcycle"), passwords)
    return passwords


@contextmanager
def fresh(server: Postgres, passwords: dict[str, str], folder: Path) -> Iterator[Platform]:
    """A migrated warehouse of its own, dropped afterwards. The roles are the server's: all share them."""
    database = f"test_{secrets.token_hex(6)}"
    connection = psycopg2.connect(server.dsn("postgres"))
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(f"create database {database} template template_mlcycle")
    yield Platform(server, database, passwords, folder)
    with connection.cursor() as cursor:
        cursor.execute(f"drop database {database} with (force)")
    connection.close()


@pytest.fixture
def platform(postgres: Postgres, _template: dict[str, str], tmp_path: Path) -> Iterator[Platform]:
    """A fresh, migrated warehouse and an empty artifact store."""
    with fresh(postgres, _template, tmp_path) as platform:
        yield platform


@pytest.fixture(scope="module")
def module_platform(
    postgres: Postgres, _template: dict[str, str], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Platform]:
    """The same for a whole module, whose tests work on copies of what was lived in it."""
    with fresh(postgres, _template, tmp_path_factory.mktemp("module")) as platform:
        yield platform
