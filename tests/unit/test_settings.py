"""Settings: what a step is told, and what is kept from it."""

import pytest

from mlcycle.cycle import ROLES
from mlcycle.domain.model_signature import new_key, public_line
from mlcycle.domain.step_secrets import secret_names
from mlcycle.errors import ConfigError
from mlcycle.settings import QUIET, Settings, step_env, step_environment
from tests.raw_data import FLIGHTS

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


HOOKS = {
    "MLCYCLE_SECRET_FLIGHTS__HOOK": "hook",
    "MLCYCLE_SECRET_FLIGHTS__UNUSED": "unused",
    "MLCYCLE_SECRET_FLIGHTS_TOO__HOOK": "another project's",
}


def with_secret(word: str) -> dict[str, object]:
    channels = [{"kind": "log"}, {"kind": "webhook", "url": "https://h/x", "secret": word}]
    document = {**FLIGHTS.document(), "alerts": {"channels": channels}}
    return type(FLIGHTS).model_validate(document).document()


@pytest.mark.parametrize(
    ("step", "word", "expected"),
    [
        pytest.param("alert", "HOOK", ["MLCYCLE_SECRET_FLIGHTS__HOOK"], id="its own"),
        pytest.param("alert", "", [], id="none named"),
        pytest.param("evaluate", "HOOK", [], id="another step"),
        pytest.param("score", "HOOK", [], id="another step of the same role"),
        pytest.param("alert", "TOO__HOOK", ["MLCYCLE_SECRET_FLIGHTS__TOO__HOOK"], id="a word like another's"),
    ],
)
def test_a_step_gets_the_secrets_of_its_own_project_and_step(
    step: str, word: str, expected: list[str]
) -> None:
    starter = {**STARTER, **HOOKS, "MLCYCLE_DSN_TRAIN": "postgresql://train:pw@h/d"}
    names = secret_names(with_secret(word), step)
    assert names == expected
    env = step_environment(starter, "train", names)
    given = {name for name in env.variables if name.startswith("MLCYCLE_SECRET_")}
    assert given == {*expected} & {*HOOKS}
    assert not [name for name in step_env(starter, "train") if name.startswith("MLCYCLE_SECRET_")]


def test_the_key_that_signs_models_is_of_the_steps_that_train_and_its_public_one_of_all() -> None:
    private, before = new_key(), public_line(new_key())
    starter = {
        **STARTER,
        "MLCYCLE_DSN_TRAIN": "postgresql://train:pw@h/d",
        "MLCYCLE_MODEL_SIGNING_KEY": private,
        "MLCYCLE_MODEL_PUBLIC_KEYS": before,
    }
    holders = set()
    for step, role in ROLES.items():
        if role == "train":
            env = step_environment(starter, role, secret_names(FLIGHTS.document(), step))
            holders |= {step} if private in env.secrets.values() else set()
            assert private not in env.plain.values()
            assert Settings.from_env(env.variables).model_public_keys == f"{public_line(private)},{before}"
    assert holders == {"train", "refit", "fit_shadow"}
    assert private not in step_env(starter, "promote").values()


def test_the_secret_of_an_escalation_is_given_too() -> None:
    escalate = {"after": "30 minutes", "channels": [{"kind": "pagerduty", "secret": "PAGER"}]}
    project = {"name": "flights", "alerts": {"channels": [{"kind": "log"}], "escalate": escalate}}
    assert secret_names(project, "alert") == ["MLCYCLE_SECRET_FLIGHTS__PAGER"]
    assert secret_names({"name": "flights", "alerts": {"channels": [], "escalate": None}}, "alert") == []


def test_what_is_secret_stands_apart_and_names_where_it_comes_from() -> None:
    starter = {**STARTER, **HOOKS, "AWS_SECRET_ACCESS_KEY": "cloud", "MLCYCLE_EVIDENTLY_SECRET": "pages"}
    env = step_environment(starter, "ingest", ["MLCYCLE_SECRET_FLIGHTS__HOOK"])
    assert env.references == {
        "MLCYCLE_WAREHOUSE_DSN": "MLCYCLE_DSN_INGEST",
        "MLCYCLE_EVIDENTLY_SECRET": "MLCYCLE_EVIDENTLY_SECRET",
        "MLCYCLE_SECRET_FLIGHTS__HOOK": "MLCYCLE_SECRET_FLIGHTS__HOOK",
        "AWS_SECRET_ACCESS_KEY": "AWS_SECRET_ACCESS_KEY",
    }
    assert env.secrets == {name: starter[there] for name, there in env.references.items()}
    assert not {*env.plain.values()} & {*env.secrets.values()}
    assert "hook" not in repr(env)
    assert env.variables == {**env.plain, **env.secrets}


def test_the_way_secrets_were_written_is_answered_with_the_new_one() -> None:
    channel = {"kind": "webhook", "url": "https://h/x", "secret_env": "MLCYCLE_SECRET_HOOK"}
    with pytest.raises(
        ValueError, match=r"write secret: HOOK and put its value into MLCYCLE_SECRET_<PROJECT>__HOOK"
    ):
        type(FLIGHTS).model_validate({**FLIGHTS.document(), "alerts": {"channels": [channel]}})


def test_a_wrong_place_is_named_with_its_setting() -> None:
    env = {**step_env(STARTER, "ingest"), "MLCYCLE_ALLOWED_SOURCES": "exports.example"}
    with pytest.raises(ConfigError, match=r"MLCYCLE_ALLOWED_SOURCES: .*'exports.example': not scheme://"):
        Settings.from_env(env)
