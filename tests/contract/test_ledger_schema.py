"""The ledger's schema and what each role may do in it."""

import psycopg2
import pytest

from mlcycle.adapters.warehouse.connection import Warehouse
from mlcycle.cycle import ALL_ROLES
from mlcycle.errors import ConfigError
from mlcycle.ledger.migrate import migrate
from tests.conftest import Platform


@pytest.mark.parametrize("role", ["ingest", "train", "serve"])
def test_only_promote_may_write_the_champion(platform: Platform, role: str) -> None:
    warehouse = Warehouse(platform.settings(role))
    with pytest.raises(ConfigError, match="permission denied for table champion"):
        warehouse.query(
            "insert into ledger.champion (project, seq, version, action, actor, reason) "
            "values ('p', 1, 1, 'promote', 'x', 'x')"
        )


@pytest.mark.parametrize("role", ALL_ROLES)
def test_no_role_reads_what_the_views_passwords_are_made_from(platform: Platform, role: str) -> None:
    with pytest.raises(ConfigError, match="permission denied for table view_key"):
        Warehouse(platform.settings(role)).query("select key from ledger.view_key")


def test_serve_reads_and_never_writes(platform: Platform) -> None:
    warehouse = Warehouse(platform.settings("serve"))
    assert warehouse.query("select count(*) from ledger.champion") == [(0,)]
    with pytest.raises(ConfigError, match="permission denied"):
        warehouse.query("delete from ledger.watermark")


def test_migrating_again_changes_nothing(platform: Platform) -> None:
    dsn = platform.server.dsn(platform.database)
    before = platform.owner().query("select version_num from ledger.schema_version")
    migrate(dsn, platform.passwords)
    assert platform.owner().query("select version_num from ledger.schema_version") == before


def test_a_server_that_does_not_answer_is_unavailable_in_one_line(platform: Platform) -> None:
    from mlcycle.errors import Unavailable

    settings = platform.settings().model_copy(
        update={"warehouse_dsn": psycopg2_secret("postgresql://a:b@127.0.0.1:1/x")}
    )
    with pytest.raises(Unavailable, match="does not answer") as caught:
        Warehouse(settings).query("select 1")
    assert "\n" not in caught.value.message


def psycopg2_secret(text: str):  # type: ignore[no-untyped-def]
    from pydantic import SecretStr

    assert psycopg2.extensions.parse_dsn(text)
    return SecretStr(text)
