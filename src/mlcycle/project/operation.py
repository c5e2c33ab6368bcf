"""What is watched, who is told, and when the platform may ask for a retrain by itself."""

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from mlcycle.domain.durations import Duration
from mlcycle.project.part import Fraction, Part


class Monitors(Part):
    """What is watched on every partition; a window reaches back from it.

    drift: a column drifts where its effect size reaches ``drift_effect`` and its p-value passes
    false-discovery control at ``drift_fdr``, ``drift_persistence`` partitions in a row.
    """

    window: Duration
    volume_ratio: tuple[float, float] = (0.5, 2.0)  # rows against the median of the window
    missing_increase: Fraction = 0.05
    drift_effect: Annotated[float, Field(gt=0)] = 0.2
    drift_fdr: Annotated[float, Field(gt=0, lt=1)] = 0.01
    drift_persistence: Annotated[int, Field(ge=1)] = 3
    sample: Annotated[int, Field(ge=100)] = 20_000
    performance_increase: Annotated[float, Field(gt=0)] = 0.1  # of the metric's loss, relative
    performance_min_rows: Annotated[int, Field(ge=1)] = 500


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
    per: Duration
    schedule: Annotated[str, Field(pattern=r"^$|^[\d*/, A-Za-z-]+$")] = ""  # cron, UTC
