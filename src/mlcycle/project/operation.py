"""What is watched, who is told, and when the platform may ask for a retrain by itself."""

from datetime import timedelta
from typing import Annotated, Any, Literal, Self

from pydantic import AfterValidator, Field, JsonValue, model_validator

from mlcycle.domain.durations import Duration, Span
from mlcycle.domain.web_link import check_link
from mlcycle.project.misfit import Misfit
from mlcycle.project.part import Name, Part, written_as

Owner = Annotated[str, Field(max_length=200)]  # a person or a team, as people call them
Link = Annotated[str, Field(max_length=500), AfterValidator(check_link)]


class Watched(Part):
    """One monitor of the project. What is not said is the monitor's own default.

    ``severity`` is that of what it finds wrong, ``retrain`` lets it ask for a retrain then. ``owner`` and
    ``runbook`` stand in its alerts in place of those of ``alerts``.
    """

    params: dict[Name, JsonValue] = {}
    enabled: bool = True
    severity: Literal["info", "warn", "page"] | None = None
    retrain: bool | None = None
    owner: Owner = ""
    runbook: Link = ""


#: How a file of before monitors had names says their parameters: key -> monitors, parameter.
FLAT: dict[str, tuple[tuple[str, ...], str]] = {
    "volume_ratio": (("volume",), "ratio"),
    "missing_increase": (("missing",), "increase"),
    "drift_effect": (("drift",), "effect"),
    "drift_fdr": (("drift",), "level"),
    "drift_persistence": (("drift",), "persistence"),
    "performance_increase": (("performance", "estimate"), "increase"),
    "performance_min_rows": (("performance",), "min_rows"),
}


class Monitors(Part):
    """What is watched on every partition; a window of this length reaches back from it.

    ``watch`` says by name what is other than a monitor's default; some run only where they are named.
    ``sample`` is how many rows of a window are looked at. ``reference`` is with what a window is compared:
    the four windows before it (``trailing``), all the champion was trained on (``training``), the same weeks
    of the year before (``season``) or of every other year (``calendar``) of the training data.
    """

    window: Span
    sample: Annotated[int, Field(ge=100)] = 20_000
    reference: Literal["trailing", "training", "season", "calendar"] = "trailing"
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


PAGERDUTY = "https://events.pagerduty.com/v2/enqueue"


class Channel(Part):
    """Where alerts go. ``secret: HOOK`` stands in the variable ``MLCYCLE_SECRET_<PROJECT>__HOOK``.

    It is a webhook's bearer token, ``user:password`` of mail, all of a Slack webhook's URL, or the routing
    key of a PagerDuty integration. ``resolved`` tells whether the channel is told of an alert's end.
    """

    kind: Literal["log", "webhook", "email", "slack", "pagerduty"]
    url: str = ""  # webhook; of pagerduty where it is another than its own
    to: str = ""  # email
    host: str = ""  # email: SMTP server, host:port
    secret: Annotated[
        str,
        written_as(
            r"^$|^[A-Z][A-Z0-9_]{0,59}$", "the name of a secret: capitals, digits and underscores, like HOOK"
        ),
    ] = ""
    min_severity: Literal["info", "warn", "page"] = "warn"
    resolved: bool | None = None  # every kind but the log, where nothing is said

    @model_validator(mode="before")
    @classmethod
    def _secrets_are_the_projects(cls, given: Any) -> Any:
        if isinstance(given, dict) and "secret_env" in given:
            word = str(given["secret_env"]).removeprefix("MLCYCLE_SECRET_") or "NAME"
            raise Misfit(
                f"secret_env is no more, a secret is its project's own: write secret: {word} and put its "
                f"value into MLCYCLE_SECRET_<PROJECT>__{word}",
                "secret_env",
            )
        return given

    @model_validator(mode="after")
    def _what_is_secret_is_no_setting(self) -> Self:
        holds = {"slack": "the webhook's URL", "pagerduty": "the integration's routing key"}.get(self.kind)
        if holds and not self.secret:
            raise Misfit(
                f"a {self.kind} channel needs a secret, {holds}: write secret: NAME and put its value into "
                "MLCYCLE_SECRET_<PROJECT>__NAME",
                "kind",
            )
        if self.kind == "slack" and self.url:
            raise Misfit(
                "a slack channel's URL is a secret: put it where secret says, and leave url out", "url"
            )
        return self

    @property
    def tells_end(self) -> bool:
        """Whether the channel is told that an alert is over."""
        return self.kind != "log" if self.resolved is None else self.resolved


class Escalation(Part):
    """Who is told of a page that nobody acknowledged ``after`` so long."""

    after: Span
    channels: list[Channel] = Field(min_length=1)


class Alerts(Part):
    """Delivery of alerts: whose they are, what to do about them, who is told.

    A run that has not ended ``deadline`` after it was queued is one.
    """

    channels: list[Channel] = Field(default=[Channel(kind="log")], min_length=1)
    owner: Owner = ""
    runbook: Link = ""
    escalate: Escalation | None = None
    deadline: Span = timedelta(days=1)


class Retrain(Part):
    """When the platform may ask for a retrain by itself.

    With ``asks: shadow`` a monitor's wish, or ``shadow_every`` of the data's own time, trains the champion's
    recipe beside it; only where that is better with ``confidence`` a retrain is asked for. With ``page`` a
    monitor's wish is enough. What all training may use within ``per`` is ``budget_hours`` of a core, or of a
    GPU where one is asked for, and ``budget_money`` by ``value.prices``.
    """

    cooldown: Duration  # after the last accepted request
    budget: Annotated[int, Field(ge=0)]  # accepted requests within ``per``
    per: Span
    asks: Literal["shadow", "page"] = "shadow"
    shadow_every: Span = timedelta(days=28)
    confidence: Annotated[float, Field(ge=0.5, lt=1)] = 0.95
    budget_hours: Annotated[float, Field(gt=0)] | None = None
    budget_money: Annotated[float, Field(gt=0)] | None = None
    schedule: Annotated[
        str, written_as(r"^$|^[\d*/, A-Za-z-]+$", "a cron expression: write it like 0 3 * * 1")
    ] = ""  # cron, UTC; domain.cron checks it

    @model_validator(mode="after")
    def _attempts_are_kept(self) -> Self:
        if (self.budget_hours or self.budget_money) and self.per > timedelta(days=365):
            raise Misfit(
                "retrain.per is more than 365 days: budgets of hours and money go back a year", "per"
            )
        return self
