"""How long each kind of thing is kept: the defaults, written down once."""

from collections.abc import Mapping
from datetime import timedelta
from typing import Self

from pydantic import BaseModel, ConfigDict, model_validator

from mlcycle.domain.durations import Duration, format_duration
from mlcycle.settings import read

PREFIX = "MLCYCLE_KEEP_"
DAY = timedelta(days=1)

#: What work under way, a retry or the next monitoring may still need.
LEAST = {"staging": DAY, "attempts": 7 * DAY, "predictions": 60 * DAY, "monitoring": 60 * DAY}


class Keep(BaseModel):
    """Durations by kind; each is ``MLCYCLE_KEEP_<KIND>``, written like ``90 days``."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    staging: Duration = 7 * DAY  # deliveries as they came, and what validation made of them
    reports: Duration = 90 * DAY  # pages of validation and drift; others live as long as their model
    quarantine: Duration = 90 * DAY  # bad rows in the warehouse
    attempts: Duration = 30 * DAY  # tries of steps and what they published
    predictions: Duration = 400 * DAY  # and labels
    monitoring: Duration = 400 * DAY  # what monitors measured
    alerts: Duration = 400 * DAY  # that are closed
    models: Duration = 90 * DAY  # that no champion ever was
    datasets: Duration = 90 * DAY  # since one was last used, where no champion learnt from it
    runs: Duration = 180 * DAY  # in MLflow and in Evidently's UI
    searches: Duration = 180 * DAY  # trials of a search, since its last one
    events: Duration = 90 * DAY  # of a queue, once landed, since the partition's last one
    airflow: Duration = 90 * DAY  # Airflow's own rows

    @model_validator(mode="after")
    def _long_enough(self) -> Self:
        for kind, least in {**dict.fromkeys(type(self).model_fields, DAY), **LEAST}.items():
            if getattr(self, kind) < least:
                raise ValueError(f"{PREFIX}{kind.upper()} is less than {format_duration(least)}")
        return self

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> "Keep":
        """Read what the environment says. Raises ConfigError, one line, for a name or value that is wrong."""
        return read(cls, PREFIX, env)
