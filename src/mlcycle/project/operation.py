"""What is watched, who is told, and when the platform may ask for a retrain by itself."""

from typing import Annotated, Any, Literal

from pydantic import Field, JsonValue, model_validator

from mlcycle.domain.durations import Duration, Span
from mlcycle.project.part import Name, Part


class Watched(Part):
    """One monitor of the project. What is not said is the monitor's own default.

    ``severity`` is that of what it finds wrong, ``retrain`` lets it ask for a retrain then.
    """

    params: dict[Name, JsonValue] = {}
    enabled: bool = True
    severity: Literal["info", "warn", "page"] | None = None
    retrain: bool | None = None


#: How a file of before monitors had names says their parameters: key -> monitors, parameter.
FLAT: dict[str, tuple[tuple[str, ...], str]] = {
    "volume_ratio": (("volume",), "ratio"),
    "missing_increase": (("missing",), "increase"),
    "drift_effect": (("drift",), "effect"),
    "drift_fdr": (("drift",), "rate"),
    "drift_persistence": (("drift",), "persistence"),
    "performance_increase": (("performance", "estimate"), "increase"),
    "performance_min_rows": (("performance",), "min_rows"),
}


class Monitors(Part):
    """What is watched on every partition; a window of this length reaches back from it.

    Every monitor there is runs; ``watch`` says by name what is other than its default. ``sample`` is
    how many rows of a window are compared with as many of the training data.
    """

    window: Span
    sample: Annotated[int, Field(ge=100)] = 20_000
    watch: dict[Name, Watched] = {}

    @model_validator(mode="before")
    @classmethod
    def _flat_keys(cls, data: Any) -> Any:
        """Read the keys of an older file: ``drift_effect: 0.3`` is ``watch.drift.params.effect``."""
        if not isinstance(data, dict) or not FLAT.keys() & data.keys():
            return data
        given = {key: value for key, value in data.items() if key not in FLAT}
        said = dict(given.get("watch") or {})
        for key in FLAT.keys() & data.keys():
            monitors, parameter = FLAT[key]
            for name in monitors:
                own = dict(said.get(name) or {})
                said[name] = {**own, "params": {parameter: data[key], **(own.get("params") or {})}}
        return {**given, "watch": said}


class Channel(Part):
    """Where alerts go. ``secret: HOOK`` stands in the variable ``MLCYCLE_SECRET_<PROJECT>__HOOK``."""

    kind: Literal["log", "webhook", "email"]
    url: str = ""  # webhook
    to: str = ""  # email
    host: str = ""  # email: SMTP server, host:port
    secret: Annotated[str, Field(pattern=r"^$|^[A-Z][A-Z0-9_]{0,59}$")] = ""
    min_severity: Literal["info", "warn", "page"] = "warn"

    @model_validator(mode="before")
    @classmethod
    def _secrets_are_the_projects(cls, given: Any) -> Any:
        if isinstance(given, dict) and "secret_env" in given:
            word = str(given["secret_env"]).removeprefix("MLCYCLE_SECRET_") or "NAME"
            raise ValueError(
                f"secret_env is no more, a secret is its project's own: write secret: {word} and put its "
                f"value into MLCYCLE_SECRET_<PROJECT>__{word}"
            )
        return given


class Alerts(Part):
    """Delivery of alerts."""

    channels: list[Channel] = Field(default=[Channel(kind="log")], min_length=1)


class Retrain(Part):
    """When the platform may ask for a retrain by itself."""

    cooldown: Duration  # after the last accepted request
    budget: Annotated[int, Field(ge=0)]  # accepted requests within ``per``
    per: Span
    schedule: Annotated[str, Field(pattern=r"^$|^[\d*/, A-Za-z-]+$")] = ""  # cron, UTC
