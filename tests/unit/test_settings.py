"""Settings: what a step is told, and what is kept from it."""

import pytest

from mlcycle.errors import ConfigError
from mlcycle.settings import QUIET, Settings, step_env

STARTER = {
    "MLCYCLE_DSN_INGEST": "postgresql://ingest:secret@h/d",
    "MLCYCLE_DSN_PROMOTE": "postgresql://promote:other@h/d",
    "MLCYCLE_ARTIFACTS_URL": "s3://bucket",
    "MLCYCLE_RUNNER": "process",
    "AIRFLOW__API_AUTH__JWT_SECRET": "jwt",
    "AWS_ENDPOINT_URL": "http://127.0.0.1:9000",
    "HOME": "/somewhere",
    "PATH": "/bin",
}


def test_a_step_sees_its_own_role_alone_and_nothing_of_airflow() -> None:
    env = step_env(STARTER, "ingest")
    assert env == {
        "MLCYCLE_WAREHOUSE_DSN": "postgresql://ingest:secret@h/d",
        "MLCYCLE_ARTIFACTS_URL": "s3://bucket",
        "AWS_ENDPOINT_URL": "http://127.0.0.1:9000",
        "PATH": "/bin",
        **QUIET,
    }


def test_settings_read_back_and_hide_the_password() -> None:
    settings = Settings.from_env(step_env(STARTER, "promote"))
    assert Settings.from_env(settings.as_env()) == settings
    assert "other" not in repr(settings)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        pytest.param({"MLCYCLE_ARTIFACT_URL": "x"}, "MLCYCLE_ARTIFACT_URL", id="misspelt"),
        pytest.param({"MLCYCLE_THREADS": "many"}, "MLCYCLE_THREADS", id="not a number"),
        pytest.param({"MLCYCLE_ARTIFACTS_URL": ""}, "MLCYCLE_ARTIFACTS_URL: Field required", id="missing"),
    ],
)
def test_a_wrong_setting_is_named_in_one_line(change: dict[str, str], expected: str) -> None:
    with pytest.raises(ConfigError, match=expected) as caught:
        Settings.from_env({**step_env(STARTER, "ingest"), **change})
    assert "secret" not in caught.value.message


def test_a_role_without_a_dsn_is_named() -> None:
    with pytest.raises(ConfigError, match="MLCYCLE_DSN_SERVE is not set"):
        step_env(STARTER, "serve")
