"""The local platform's configuration: where its state lies, its ports, its secrets.

Everything the platform keeps is below one state folder (mode 0700). Ports and the home folder are
remembered there; secrets are generated once into a file only its owner can read.
"""

import base64
import hashlib
import json
import os
import secrets
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mlcycle.cycle import ALL_ROLES
from mlcycle.domain.model_signature import new_key
from mlcycle.domain.step_secrets import SIGNING_KEY
from mlcycle.errors import ConfigError
from mlcycle.local.postgres import Postgres

HOST = "127.0.0.1"
SOCKET_FOLDER_BYTES = 80  # the kernel takes 107 bytes for a socket's whole path
DATABASES = ("mlcycle", "airflow", "mlflow", "evidently")  # the last three belong to a role of that name
#: Steps that work with SQL and files alone: the platform forks them from a server without the ML
#: libraries, which is quicker the less it holds. Another step would import what it misses.
LIGHT_STEPS = ("extract", "publish", "absent", "features", "labels", "alert", "request_retrain")
USERS = {"admin": "admin", "engineer": "op", "viewer": "viewer"}  # people in Airflow, and their roles


@dataclass(frozen=True)
class Port:
    """A port the platform listens on: its default, and what people call what is behind it."""

    default: int
    title: str


PORTS = {
    "airflow": Port(8080, "Airflow"),
    "mlflow": Port(5000, "MLflow"),
    "evidently": Port(8000, "Evidently"),
    "postgres": Port(5433, "PostgreSQL"),
    "world": Port(8100, "the source systems of the demo"),
}


@dataclass(frozen=True)
class Platform:
    """One local platform. ``home`` holds dags/, plugins/ and projects/."""

    state: Path
    home: Path
    ports: Mapping[str, int]
    secrets: Mapping[str, str] = field(repr=False)

    @property
    def postgres(self) -> Postgres:
        """The platform's database server."""
        return Postgres(self.state / "postgres", self.ports["postgres"], self.secrets["postgres"])

    @property
    def logs(self) -> Path:
        """Folder with one log file for each service."""
        return self.state / "logs"

    @property
    def socket(self) -> Path:
        """The step server's Unix socket."""
        return self.sockets / "steps.sock"

    @property
    def light_socket(self) -> Path:
        """The Unix socket of the step server without ML libraries."""
        return self.sockets / "light-steps.sock"

    @property
    def sockets(self) -> Path:
        """Folder of the Unix sockets: below the state folder, or a private one in the system's temporary
        folder where that would be longer than a socket's name may be.
        """
        near = self.state / "run"
        if len(str(near)) <= SOCKET_FOLDER_BYTES:
            return near
        digest = hashlib.sha256(str(self.state).encode()).hexdigest()[:16]
        return Path(tempfile.gettempdir()) / f"mlcycle-{os.getuid()}-{digest}"

    def url(self, name: str) -> str:
        """Where a service answers over HTTP."""
        return f"http://{HOST}:{self.ports[name]}"

    def dsn(self, database: str) -> str:
        """URL of a database as the role that owns it; mlcycle's own owner is the superuser."""
        if database == "mlcycle":
            return self.postgres.dsn(database)
        return self.postgres.dsn(database, database, self.secrets[f"database_{database}"])


def state_folder(given: Path | None = None) -> Path:
    """The state folder: as given, else $MLCYCLE_STATE, else ``.mlcycle`` below the current folder."""
    return Path(given or os.environ.get("MLCYCLE_STATE") or ".mlcycle").absolute()


def configure(
    state: Path, *, home: Path | None = None, ports: Mapping[str, int | None] | None = None
) -> Platform:
    """Settle the configuration and remember it: what is given, else the environment, else what was
    remembered, else the default. Raises ConfigError.
    """
    before = _remembered(state)
    try:
        state.mkdir(parents=True, exist_ok=True)
        state.chmod(0o700)
        for name in ("logs", "run", "artifacts"):
            (state / name).mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise ConfigError(f"the state folder {state} cannot be used: {error.strerror}") from None
    found_home = (home or _path(before.get("home")) or _default_home()).absolute()
    if not (found_home / "projects").is_dir():
        raise ConfigError(f"{found_home} has no projects/ folder: name the right one with --home")
    settled = _ports(ports or {}, before.get("ports", {}))
    write_private(state / "config.json", json.dumps({"home": str(found_home), "ports": settled}, indent=1))
    known = _secrets(state) if (state / "secrets.json").exists() else {}
    if (complete := {**_generate(), **known}) != known:  # a newer mlcycle may have one role more
        write_private(state / "secrets.json", json.dumps(complete, indent=1))
    platform = Platform(state, found_home, settled, _secrets(state))
    platform.sockets.mkdir(mode=0o700, exist_ok=True)
    owner = platform.sockets.stat()
    if owner.st_uid != os.getuid() or owner.st_mode & 0o077:
        raise ConfigError(
            f"{platform.sockets} is not private to this user: remove it, or choose another --state"
        )
    return platform


def is_configured(state: Path) -> bool:
    """A platform was configured here, whether it runs or not."""
    return (state / "config.json").exists() and (state / "secrets.json").exists()


def load(state: Path) -> Platform:
    """The platform that was configured here. Raises ConfigError if there is none."""
    state = state.absolute()
    before = _remembered(state)
    if not before or not is_configured(state):
        raise ConfigError(
            f"there is no platform in {state}: start one with mlcycle up, "
            "or name another warehouse by MLCYCLE_DSN_SERVE and its siblings"
        )
    return Platform(state, Path(before["home"]), before["ports"], _secrets(state))


def airflow_login(state: Path) -> dict[str, str]:
    """The running platform's Airflow, and its admin's login, as ``AirflowApi.from_env`` reads them."""
    platform = load(state)
    return {
        "MLCYCLE_AIRFLOW_API_URL": platform.url("airflow"),
        "MLCYCLE_AIRFLOW_USER": "admin",
        "MLCYCLE_AIRFLOW_PASSWORD": platform.secrets["airflow_admin"],
    }


def platform_env(state: Path) -> dict[str, str]:
    """Environment variables of those who start steps on this platform: the fields of
    :class:`mlcycle.settings.Settings`, a DSN for each role, and where the runner finds things.
    """
    platform = load(state)
    state = platform.state
    roles = {
        f"MLCYCLE_DSN_{role.upper()}": platform.postgres.dsn(
            "mlcycle", f"mlcycle_{role}", platform.secrets[f"role_{role}"]
        )
        for role in ALL_ROLES
    }
    # A platform of an earlier release has none until its next `up`: its models are not signed until then.
    signing = platform.secrets.get("model_signing", "")
    return {
        **roles,
        **({SIGNING_KEY: signing} if signing else {}),
        "MLCYCLE_STATE": str(state),
        "MLCYCLE_PROJECTS": str(platform.home / "projects"),
        "MLCYCLE_RUNNER": "process",
        **_containers(state),
        "MLCYCLE_STEP_SOCKET": str(platform.socket),
        "MLCYCLE_LIGHT_STEP_SOCKET": str(platform.light_socket),
        "MLCYCLE_LIGHT_STEPS": ",".join(LIGHT_STEPS),
        "MLCYCLE_ARTIFACTS_URL": f"file://{state}/artifacts",
        "MLCYCLE_SCRATCH": str(state / "scratch"),
        "MLCYCLE_PACKAGES": str(state / "packages"),
        "MLCYCLE_MLFLOW_URL": platform.url("mlflow"),
        "MLCYCLE_EVIDENTLY_URL": platform.url("evidently"),
        "MLCYCLE_EVIDENTLY_SECRET": platform.secrets["evidently"],
        "MLCYCLE_SOURCE_URL": platform.url("world"),
        "MLCYCLE_AIRFLOW_URL": platform.url("airflow"),
        "MLCYCLE_ALLOWED_SOURCES": "*",  # the machine of whoever writes the projects
        "MLCYCLE_ALLOWED_RECEIVERS": "*",
    }


def _containers(state: Path) -> dict[str, str]:
    """What steps in containers need on this machine, and what a person says otherwise: the same addresses,
    the artifact store's folder, and the user who owns it.
    """
    said = (
        "MLCYCLE_RUNNER",
        "MLCYCLE_IMAGE",
        "MLCYCLE_PROJECT_IMAGES",
        "MLCYCLE_DOCKER_",
        "DOCKER_",
        "MLCYCLE_MODEL_",
    )
    return {
        "MLCYCLE_INSTANCE": hashlib.sha256(str(state).encode()).hexdigest()[:12],
        "MLCYCLE_DOCKER_NETWORK": "host",
        "MLCYCLE_DOCKER_VOLUMES": f"{state}/artifacts:{state}/artifacts",
        "MLCYCLE_DOCKER_USER": f"{os.getuid()}:{os.getgid()}",
        **{name: value for name, value in os.environ.items() if name.startswith(said)},
    }


def _remembered(state: Path) -> dict[str, Any]:
    path = state / "config.json"
    try:
        data = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise ConfigError(f"{path} cannot be read ({error}): remove it to start with defaults") from None
    return dict(data)


def _secrets(state: Path) -> dict[str, str]:
    return dict(json.loads((state / "secrets.json").read_text()))


def _path(text: str | None) -> Path | None:
    return Path(text) if text else None


def _default_home() -> Path:
    """The current folder if it is a home, else the checkout this package was installed from."""
    here = Path.cwd()
    if (here / "dags").is_dir() and (here / "projects").is_dir():
        return here
    return Path(__file__).parents[3]


def _ports(given: Mapping[str, int | None], remembered: Mapping[str, int]) -> dict[str, int]:
    settled: dict[str, int] = {}
    for name, port in PORTS.items():
        variable = f"MLCYCLE_PORT_{name.upper()}"
        chosen = given.get(name) or os.environ.get(variable) or remembered.get(name) or port.default
        if not str(chosen).isdecimal() or not 0 < int(chosen) < 65536:
            raise ConfigError(f"{variable}: {chosen!r} is not a port: give a number from 1 to 65535")
        settled[name] = int(chosen)
        twin = next((other for other, used in settled.items() if used == int(chosen) and other != name), None)
        if twin:
            raise ConfigError(f"port {chosen} is given to both {twin} and {name}: change one of them")
    return settled


def _generate() -> dict[str, str]:
    passwords = ("postgres", "evidently", "metrics", *(f"role_{role}" for role in ALL_ROLES))
    databases = (f"database_{name}" for name in DATABASES[1:])
    users = (f"airflow_{user}" for user in USERS)
    return {
        **{name: secrets.token_urlsafe(18) for name in (*passwords, *databases, *users)},
        "jwt": secrets.token_urlsafe(64),
        "session": secrets.token_urlsafe(48),
        "fernet": base64.urlsafe_b64encode(secrets.token_bytes(32)).decode(),
        "model_signing": new_key(),
    }


def write_private(path: Path, text: str) -> None:
    """Replace a file whole; nobody else can read it at any moment."""
    staged = path.with_name(path.name + ".part")
    staged.unlink(missing_ok=True)
    with os.fdopen(os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
        file.write(text)
    staged.replace(path)
