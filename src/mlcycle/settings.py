"""Settings of a step: read once at the entry point, frozen, passed down.

Everything comes from ``MLCYCLE_*`` environment variables, so that the same step runs as a
process, a container or a pod. Secrets are held as ``SecretStr`` and never printed.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, TypeVar

from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError, field_validator

from mlcycle.domain import allowed, model_signature, step_secrets
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
#: Settings, and variables of the object store, that are secrets: references where a step is a container.
SECRET_VARIABLES = frozenset(
    {PREFIX + "WAREHOUSE_DSN", PREFIX + "EVIDENTLY_SECRET", step_secrets.SIGNING_KEY}
    | {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"}
)
_PASSWORD = re.compile(r"://[^/\s,@]*:[^/\s,@]*@")  # in a URL, or in one of a list
#: Begins the name of the folder in scratch that outlives an attempt.
CHECKPOINTS = "checkpoints-"


_Model = TypeVar("_Model", bound=BaseModel)


def read(kind: type[_Model], prefix: str, env: Mapping[str, str]) -> _Model:
    """A model out of the variables that begin with a prefix; an empty one counts as not set.

    Raises ConfigError, one line that names each variable that is wrong or unknown.
    """
    given = {
        name.removeprefix(prefix).lower(): value
        for name, value in env.items()
        if name.startswith(prefix) and value != ""
    }
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        problems = []
        for item in error.errors(include_input=False):
            named = [f"{prefix}{'_'.join(map(str, item['loc'])).upper()}:"] if item["loc"] else []
            problems.append(" ".join([*named, item["msg"].removeprefix("Value error, ")]))
        raise ConfigError(f"settings: {'; '.join(problems)}") from None


class Settings(BaseModel):
    """Where a step finds the world outside it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    warehouse_dsn: SecretStr  # libpq DSN or URL of the step's own role
    artifacts_url: str  # any fsspec URL: file:///..., s3://bucket/prefix
    mlflow_url: str = ""
    evidently_url: str = ""
    evidently_secret: SecretStr = SecretStr("")
    mlflow_external_url: str = ""  # where people reach the two, if steps reach them elsewhere
    evidently_external_url: str = ""
    source_url: str = ""  # what {source} stands for in a project's source URL
    allowed_sources: str = ""  # places that source.url may name, beside those below source_url
    allowed_receivers: str = ""  # places that alert channels may name; * is anywhere, in both
    airflow_url: str = ""  # for links to people only
    threads: int = 0  # compute threads of a step; 0 means all cores
    timeout: float = 30.0  # seconds a service may take to answer
    scratch: Path | None = None  # where steps stage; the system's temporary folder by default
    checkpoints: Path | None = None  # where trainings keep their state between tries; in scratch by default
    packages: Path | None = None  # where projects' own packages lie (docs/own-code.md)
    model_signing_key: SecretStr = SecretStr("")  # PEM; of steps that train alone (docs/signatures.md)
    model_public_keys: str = ""  # that models may be signed by: PEM, or its base64 with commas between
    model_signatures: Literal["", "required"] = ""  # required: a model that is not signed is refused

    @field_validator("allowed_sources", "allowed_receivers")
    @classmethod
    def _are_places(cls, text: str) -> str:
        allowed.entries(text)
        return text

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> "Settings":
        """Read the settings out of environment variables.

        Unknown ``MLCYCLE_*`` names are errors, so that a typing mistake is not a silent default.
        Raises ConfigError, one line naming the variables.
        """
        given = {name: value for name, value in env.items() if not name.startswith(step_secrets.PREFIX)}
        return read(cls, PREFIX, given)

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


@dataclass(frozen=True)
class StepEnvironment:
    """The environment of one step, what is secret apart from what is not.

    A process gets both (``variables``). A container gets ``plain`` and, for each name in ``secrets``, a
    reference to the secret that ``references`` names on the starter's side.
    """

    plain: dict[str, str]
    secrets: dict[str, str] = field(repr=False)
    references: dict[str, str]

    @property
    def variables(self) -> dict[str, str]:
        """All of it, with the secrets' values."""
        return {**self.plain, **self.secrets}


def step_environment(env: Mapping[str, str], role: str, secret_names: Iterable[str] = ()) -> StepEnvironment:
    """The environment of one step, made from its starter's: the settings with the DSN of ``role``
    alone, the object store's own variables, the secrets named and no others, and nothing of Airflow's.

    Args:
        env: the starter's; ``MLCYCLE_DSN_<ROLE>`` holds each role's DSN.
        role: the step's.
        secret_names: variables of the project's secrets that the step gets
            (:func:`mlcycle.domain.step_secrets.secret_names`). One that is not set is left out: the step
            says what it lacks.
    """
    variable = f"{PREFIX}DSN_{role.upper()}"
    if not env.get(variable):
        raise ConfigError(f"{variable} is not set: steps of role {role!r} need it")
    own = {name: name for name in secret_names if name in env}
    given = _passed_on(env)
    shared = {name: name for name, value in given.items() if _is_secret(name, value)}
    references = {**shared, **own, f"{PREFIX}WAREHOUSE_DSN": variable}
    return StepEnvironment(
        plain=plain_environment(env),
        secrets={name: env[there] for name, there in references.items()},
        references=references,
    )


def plain_environment(env: Mapping[str, str]) -> dict[str, str]:
    """The part of a step's environment that anybody may see: no secret, no address with a password in it."""
    given = {**_passed_on(env), **_public_keys(env)}
    return {**QUIET, **{name: value for name, value in given.items() if not _is_secret(name, value)}}


def _public_keys(env: Mapping[str, str]) -> dict[str, str]:
    """The keys that every step trusts: whoever holds the private one need not name its public one."""
    private, variable = env.get(step_secrets.SIGNING_KEY), PREFIX + "MODEL_PUBLIC_KEYS"
    if not private:
        return {}
    own, others = model_signature.public_line(private), env.get(variable, "")
    return {variable: ",".join(filter(None, [own, others]))}


def _passed_on(env: Mapping[str, str]) -> dict[str, str]:
    # A step is given the key that signs by name: the role's other steps do without.
    passed = {PREFIX + name.upper() for name in Settings.model_fields} - {step_secrets.SIGNING_KEY}
    passed |= {"PATH", "LANG", "LC_ALL", "TZ", "TMPDIR", "SSL_CERT_FILE", "NVIDIA_VISIBLE_DEVICES"}
    return {name: value for name, value in env.items() if name in passed or name.startswith("AWS_")}


def _is_secret(name: str, value: str) -> bool:
    return name in SECRET_VARIABLES or _PASSWORD.search(value) is not None


def step_env(env: Mapping[str, str], role: str) -> dict[str, str]:
    """What a process of this role needs that has no secrets of a project's own."""
    return step_environment(env, role).variables
