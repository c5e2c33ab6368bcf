"""DSNs with a password that ends too early are refused before anything shows it."""

from collections.abc import Callable

import pytest

from mlcycle.adapters.warehouse.connection import connect
from mlcycle.console.overview import reading
from mlcycle.domain.dsn import check
from mlcycle.errors import ConfigError
from mlcycle.ledger.migrate import credentials
from mlcycle.orchestration.presence import decided
from mlcycle.settings import Settings


@pytest.mark.parametrize(
    "dsn",
    [
        "postgresql://u:p%40s%2Fs@h:5432/db",
        "postgres://u:p:s?s#s@h/db?sslmode=require",
        "postgresql://u:p@h1:5432,h2:5433/db",
        "postgresql://u:p@[::1]:5432/db",
        "postgresql://u@%2Frun%2Fpostgresql/db?options=-c%20a@b",
        "postgresql:///db",
        "postgresql://h?user=a@b",
        "host=h password='a/b@c' dbname=d",
    ],
    ids=["encoded", "signs that end nothing", "hosts", "IPv6", "socket", "database alone", "query", "words"],
)
def test_what_is_read_as_meant_is_taken(dsn: str) -> None:
    check("MLCYCLE_DSN_OWNER", dsn)


@pytest.mark.parametrize(
    "dsn",
    [
        "postgresql://u:hush/x@127.0.0.1:1/db",
        "postgresql://u:12/hush@127.0.0.1:1/db",
        "postgresql://u:p@hush@127.0.0.1:1/db",
        "postgresql://u:p@hush/x@127.0.0.1:1/db",
        "one hush two",
    ],
    ids=["slash", "slash after digits", "at", "at and slash", "no DSN"],
)
@pytest.mark.parametrize("where", ["step", "console", "presence", "migrate"])
def test_no_error_of_a_connection_shows_a_part_of_the_password(
    dsn: str, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLCYCLE_DSN_SERVE", dsn)
    connections: dict[str, Callable[[], object]] = {
        "step": lambda: connect(
            Settings.model_validate({"warehouse_dsn": dsn, "artifacts_url": "file:///a"})
        ),
        "console": lambda: reading().__enter__(),
        "presence": lambda: decided("work"),
        "migrate": lambda: credentials({f"MLCYCLE_DSN_{role}": dsn for role in ROLES}),
    }
    with pytest.raises(ConfigError) as caught:
        connections[where]()
    assert "hush" not in caught.value.message
    assert caught.value.message.startswith("MLCYCLE_")


ROLES = ("OWNER", "INGEST", "TRAIN", "PROMOTE", "SERVE", "KEEP")
