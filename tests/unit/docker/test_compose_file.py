"""docker-compose.yml and its secrets, without an engine: what must agree with the code, and who gets what."""

import base64
import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from mlcycle.cycle import ALL_ROLES
from mlcycle.domain.dsn import check
from mlcycle.domain.model_signature import new_key, public_line, signer
from mlcycle.housekeeping.keep import Keep
from mlcycle.local.config import USERS
from mlcycle.local.environment import TUNING
from tests.conftest import ROOT

COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES: dict[str, Any] = COMPOSE["services"]
OWNERS = {"MLCYCLE_DSN_ADMIN", "MLCYCLE_DSN_OWNER"}


def make(folder: Path, *, umask: int = 0o077) -> str:
    command = [sys.executable, str(ROOT / "docker" / "make_secrets.py"), str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, umask=umask, check=False)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    make(tmp_path / "secrets")
    return tmp_path / "secrets"


def files(folder: Path) -> dict[str, str]:
    return {path.name: path.read_text() for path in folder.iterdir() if path.is_file()}


def test_secrets_are_their_owner_s_and_containers_can_read_each(folder: Path) -> None:
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir() if path.is_file()} == {0o444}
    assert {path.stat().st_mode & 0o777 for path in folder.iterdir() if path.is_dir()} == {0o755}


def test_what_is_there_stays_and_what_is_missing_is_added(folder: Path) -> None:
    before = files(folder)
    (folder / "MLCYCLE_DSN_KEEP").unlink()
    told = make(folder)
    after = files(folder)
    assert "1 made" in told
    assert after.keys() == before.keys()
    assert {name for name in before if before[name] != after[name]} == {"MLCYCLE_DSN_KEEP"}


def test_no_two_secrets_are_the_same_and_none_is_shown(folder: Path) -> None:
    told = make(folder.parent / "others")
    values = list(files(folder).values()) + list(files(folder.parent / "others").values())
    assert len(set(values)) == len(values)
    assert not any(value.strip() in told for value in files(folder.parent / "others").values())


def test_secrets_agree_with_one_another_and_with_the_code(folder: Path) -> None:
    found = {name: text.strip() for name, text in files(folder).items()}
    assert f":{found['POSTGRES_PASSWORD']}@" in found["MLCYCLE_DSN_ADMIN"]
    people = json.loads(found["MLCYCLE_AIRFLOW_PASSWORDS"])
    assert list(people) == list(USERS)
    assert people["admin"] == found["MLCYCLE_AIRFLOW_PASSWORD"]
    for role in ALL_ROLES:
        assert f"//mlcycle_{role}:" in found[f"MLCYCLE_DSN_{role.upper()}"]
        check(f"MLCYCLE_DSN_{role.upper()}", found[f"MLCYCLE_DSN_{role.upper()}"])
    key = found["MLCYCLE_MODEL_SIGNING_KEY"]
    assert public_line(key) == public_line(f"\n{key}\n") != public_line(new_key())
    assert signer(key).key.curve.name == "secp256r1"
    user, _, digest = found["gate_users"].partition(":{SSHA}")
    raw = base64.b64decode(digest)
    assert user == "mlcycle"
    assert hashlib.sha1(found["gate_password"].encode() + raw[20:]).digest() == raw[:20]


def test_every_secret_of_the_compose_file_is_made(folder: Path) -> None:
    named = {name: one["file"].rpartition("/")[2] for name, one in COMPOSE["secrets"].items()}
    assert all(name == file for name, file in named.items())
    assert set(files(folder)) - set(named) == {"gate_password"}  # a person's alone
    assert set(named) <= set(files(folder))


def given(service: str) -> set[str]:
    """The secrets a service gets."""
    listed = SERVICES[service].get("secrets", [])
    return {one if isinstance(one, str) else one["source"] for one in listed}


def test_each_service_gets_the_secrets_it_needs_and_no_others() -> None:
    assert {name for name in SERVICES if given(name) & OWNERS} == {"prepare"}
    roles = {f"MLCYCLE_DSN_{role.upper()}" for role in ALL_ROLES}
    assert {name for name in SERVICES if given(name) & roles} == {
        "prepare",
        "scheduler",
        "api-server",
        "demo",
    }
    assert given("api-server") & roles == given("demo") & roles == {"MLCYCLE_DSN_SERVE"}
    assert roles <= given("scheduler")
    assert {name for name in SERVICES if "MLCYCLE_MODEL_SIGNING_KEY" in given(name)} == {"scheduler"}
    assert given("mlflow") == {"MLFLOW_BACKEND_STORE_URI"}
    assert given("step") == given("socket-proxy") == given("world") == set()


def test_the_way_to_the_engine_is_the_scheduler_s_alone() -> None:
    assert [name for name, one in SERVICES.items() if "engine" in (one.get("networks") or [])] == [
        "scheduler",
        "socket-proxy",
    ]
    socket = [name for name, one in SERVICES.items() if "docker.sock" in json.dumps(one.get("volumes", []))]
    assert socket == ["socket-proxy"]
    closed = {name for name, one in COMPOSE["networks"].items() if (one or {}).get("internal")}
    assert closed == {"airflow", "engine", "steps"}


@pytest.mark.parametrize("name", SERVICES)
def test_a_service_has_no_rights_that_it_does_not_need(name: str) -> None:
    service = SERVICES[name]
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert "privileged" not in service
    assert name == "gpus" or service["mem_limit"]
    assert service["logging"]
    for port in service.get("ports", []):
        assert port.startswith("${MLCYCLE_LISTEN:-127.0.0.1}:")


def test_airflow_is_tuned_as_on_the_local_platform() -> None:
    env = SERVICES["scheduler"]["environment"]
    default = {name: str(env[name]).removeprefix("${MLCYCLE_PARALLELISM:-").rstrip("}") for name in TUNING}
    assert default == TUNING
    people = ",".join(f"{user}:{role}" for user, role in USERS.items())
    assert env["AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS"] == people


def test_housekeeping_can_be_told_how_long_to_keep_each_kind() -> None:
    # Airflow's own rows are kept by Airflow's own tool (docs/deploy.md).
    kinds = {f"MLCYCLE_KEEP_{name.upper()}" for name in Keep.model_fields if name != "airflow"}
    passed = {name for name in SERVICES["scheduler"]["environment"] if name.startswith("MLCYCLE_KEEP_")}
    assert passed == kinds
