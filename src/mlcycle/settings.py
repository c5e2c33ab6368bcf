"""Settings of a step: read once at the entry point, frozen, passed down.

Everything comes from ``MLCYCLE_*`` environment variables, so that the same step runs as a
process, a container or a pod. Secrets are held as ``SecretStr`` and never printed.
"""

from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError

from mlcycle.errors import ConfigError

PREFIX = "MLCYCLE_"

#: Libraries that call home unless told not to. onnxruntime does from its import on, and keeps a
#: thread and a database below the home folder for it.
QUIET = {
    "DO_NOT_TRACK": "1",
    "SCARF_ANALYTICS": "false",
    "GX_ANALYTICS_ENABLED": "false",
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "FEAST_USAGE": "False",
    "ORT_DISABLE_TELEMETRY": "1",
}
SECRETS = PREFIX + "SECRET_"  # of a project's alert channels; not settings


class Settings(BaseModel):
    """Where a step finds the world outside it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    warehouse_dsn: SecretStr  # libpq DSN or URL of the step's own role
    artifacts_url: str  # any fsspec URL: file:///..., s3://bucket/prefix
    mlflow_url: str = ""
    evidently_url: str = ""
    evidently_secret: SecretStr = SecretStr("")
    source_url: str = ""  # what {source} stands for in a project's source URL
    airflow_url: str = ""  # for links to people only
    threads: int = 0  # compute threads of a step; 0 means all cores
    timeout: float = 30.0  # seconds a service may take to answer
    scratch: Path | None = None  # where steps stage; the system's temporary folder by default

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> "Settings":
        """Read the settings out of environment variables.

        Unknown ``MLCYCLE_*`` names are errors, so that a typing mistake is not a silent default.
        Raises ConfigError, one line naming the variables.
        """
        given = {
            name.removeprefix(PREFIX).lower(): value
            for name, value in env.items()
            if name.startswith(PREFIX) and not name.startswith(SECRETS) and value != ""
        }
        try:
            return cls.model_validate(given)
        except ValidationError as error:
            problems = "; ".join(
                f"{PREFIX}{'_'.join(map(str, item['loc'])).upper()}: {item['msg']}"
                for item in error.errors(include_input=False)
            )
            raise ConfigError(f"settings: {problems}") from None

    def as_env(self) -> dict[str, str]:
        """The settings as environment variables: what ``from_env`` reads back."""
        values: dict[str, str] = {}
        for name in type(self).model_fields:
            value = getattr(self, name)
            text = value.get_secret_value() if isinstance(value, SecretStr) else str(value or "")
            if text:
                values[PREFIX + name.upper()] = text
        return values


def scratch_base(given: Path | None) -> Path | None:
    """Where temporary folders go, made if need be; None is the system's temporary folder."""
    if given is not None:
        given.mkdir(parents=True, exist_ok=True)
    return given


def step_env(env: Mapping[str, str], role: str) -> dict[str, str]:
    """The environment of one step, made from its starter's: the settings with the DSN of ``role``
    alone, the object store's own variables, for the role ``train`` the secrets of alert channels, and
    nothing of Airflow's.

    ``MLCYCLE_DSN_<ROLE>`` holds each role's DSN on the starter's side.
    """
    dsn = env.get(f"{PREFIX}DSN_{role.upper()}", "")
    if not dsn:
        raise ConfigError(f"{PREFIX}DSN_{role.upper()} is not set: steps of role {role!r} need it")
    fields = {PREFIX + name.upper() for name in Settings.model_fields}
    passed = {name: value for name, value in env.items() if name in fields}
    for name in ("PATH", "LANG", "LC_ALL", "TZ", "TMPDIR", "SSL_CERT_FILE", "NVIDIA_VISIBLE_DEVICES"):
        if name in env:
            passed[name] = env[name]
    shared = ("AWS_", SECRETS) if role == "train" else ("AWS_",)
    passed.update({name: value for name, value in env.items() if name.startswith(shared)})
    return {**QUIET, **passed, f"{PREFIX}WAREHOUSE_DSN": dsn}
