"""FAULTS rows 10 and 19: a monitor that dies, whichever it is, and receivers that are away for a while.

Row 29, leaks, lies with the check itself: ``tests/unit/domain/leakage`` and ``tests/contract/test_dataset.py``.
"""

# ruff: noqa: F811 - fixtures that are imported

from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from typing import Any

import pytest

from mlcycle.adapters.monitoring import registry
from mlcycle.adapters.monitoring import watch as watching
from mlcycle.contract import Result, Status
from mlcycle.project import Project
from tests.conftest import Platform, free_port
from tests.contract.test_alert import Tell, alert, column, tell, with_channels  # noqa: F401
from tests.contract.test_monitor import Watch, life, lived, watch  # noqa: F401
from tests.raw_data import short_flights
from tests.receivers import mailbox, webhook

DAY = "2013-02-27"
QUIET = ("report", "earnings", "why")  # what fails to make a page wakes nobody


def everything() -> Project:
    """The flights with every monitor there is."""
    document = short_flights()
    document["monitors"]["watch"] = {
        **{name: {} for name in registry.names()},
        "recommendations": {"params": {"item": "dest"}},  # there is none without
    }
    return Project.model_validate(document)


def statuses(life: Platform) -> dict[str, set[str]]:
    """By monitor how its measurements of the day ended."""
    found: dict[str, set[str]] = {}
    for monitor, status in life.owner().query(
        "select monitor, status from ledger.monitor_result where partition = %s", (DAY,)
    ):
        found.setdefault(monitor, set()).add(status)
    return found


def check_10(before: dict[str, set[str]], life: Platform, result: Result, dead: Sequence[str]) -> None:
    """Each that died is told of, ends no alert, and takes none of the others with it."""
    assert result.status is Status.OK, result.message
    values: Any = result.values
    after, told = statuses(life), {each["key"]: each for each in values["alerts"]}
    for name in dead:
        level = registry.kind(name).failure
        assert after[name] == {level}
        key = f"error:{name}" if level == "error" else name
        assert "could not be measured: RuntimeError: its sensor fell off" in told[key]["body"]
        assert told[key]["severity"] == ("page" if level == "error" else level)
        assert name not in values["ok"] or name in values["held"]
    living = set(before) - set(dead) - {"why"}  # which walks what the others found
    assert {name: after.get(name) for name in living} == {name: before[name] for name in living}


@pytest.mark.parametrize("part", [0, 1])
def test_10_every_second_monitor_dies_and_each_is_an_alert(
    life: Platform, watch: Watch, monkeypatch: pytest.MonkeyPatch, part: int
) -> None:
    project = everything()
    assert watch(DAY, project).status is Status.OK
    before, dead = statuses(life), registry.names()[part::2]
    _kill(monkeypatch, dead)
    check_10(before, life, watch(DAY, project), dead)


def test_10_the_checker_sees_a_death_that_counts_as_a_good_answer(
    life: Platform, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = everything()
    assert watch(DAY, project).status is Status.OK
    before, dead = statuses(life), ["drift", "performance"]
    _kill(monkeypatch, dead)
    guarded = watching._measure

    def unguarded(watcher: registry.Watcher, *window: Any) -> Any:
        return [] if watcher.name in dead else guarded(watcher, *window)

    monkeypatch.setattr(watching, "_measure", unguarded)
    with pytest.raises((AssertionError, KeyError)):
        check_10(before, life, watch(DAY, project), dead)


def _kill(monkeypatch: pytest.MonkeyPatch, names: Sequence[str]) -> None:
    def measure(*_: object) -> None:
        raise RuntimeError("its sensor fell off")

    for name in names:
        monkeypatch.setattr(registry.kind(name), "measure", measure)


class Receivers:
    """Four receivers, one of each kind, and the channels that lead to them."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.ports = {kind: free_port() for kind in ("webhook", "slack", "pagerduty", "email")}
        url = {kind: f"http://127.0.0.1:{port}/alerts" for kind, port in self.ports.items()}
        monkeypatch.setenv("MLCYCLE_SECRET_FLIGHTS__SLACK", url["slack"])
        monkeypatch.setenv("MLCYCLE_SECRET_FLIGHTS__PAGER", "r0uting")
        self.channels: list[dict[str, str]] = [
            {"kind": "webhook", "url": url["webhook"]},
            {"kind": "slack", "secret": "SLACK"},
            {"kind": "pagerduty", "secret": "PAGER", "url": url["pagerduty"]},
            {"kind": "email", "to": "ops@example.test", "host": f"127.0.0.1:{self.ports['email']}"},
        ]
        self._running = ExitStack()

    def answer(self) -> None:
        """From now on each is there."""
        enter = self._running.enter_context
        self.hooks = {kind: enter(webhook(port)) for kind, port in self.ports.items() if kind != "email"}
        self.box = enter(mailbox(self.ports["email"]))

    def close(self) -> None:
        self._running.close()

    @property
    def got(self) -> dict[str, list[object]]:
        """What each was told, in order."""
        bodies = {kind: [body for _, body in hook.got] for kind, hook in self.hooks.items()}
        return {
            "webhook": [(body["state"], body["keys"]) for body in bodies["webhook"]],
            "slack": [body["text"] for body in bodies["slack"]],
            "pagerduty": [(body["event_action"], body["dedup_key"]) for body in bodies["pagerduty"]],
            "email": [mail["Subject"] for mail in self.box],
        }


@pytest.fixture
def receivers(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receivers]:
    """Nobody answers yet."""
    found = Receivers(monkeypatch)
    yield found
    found.close()


def test_19_receivers_of_every_kind_that_were_away_are_told_all_in_order_and_not_twice(
    platform: Platform, tell: Tell, receivers: Receivers
) -> None:
    project = with_channels(*receivers.channels)
    few, missing = alert("volume", "page", "few rows"), alert("missing", "page", "values missing")
    tell(project, "2013-03-01", column("wind", "page"), column("rain", "page"))
    tell(project, "2013-03-02", column("wind", "page"), few, ok=["drift"])
    waiting = tell(project, "2013-03-03", column("gust", "page"), ok=["volume"], held=["drift:wind"])
    assert waiting.status is Status.OK
    assert waiting.metrics["waiting"] > 0
    receivers.answer()
    tell(project, "2013-03-04", missing)
    assert tell(project, "2013-03-05").status is Status.SKIPPED
    lines = [
        "[page] inputs drift (wind, rain, gust)",  # what joined meanwhile is one message with the others
        "[resolved] inputs drift (rain)",
        "[page] few rows",
        "[resolved] few rows",
        "[page] values missing",
    ]
    assert receivers.got == {
        "webhook": [
            ("open", ["drift:wind", "drift:rain", "drift:gust"]),
            ("resolved", ["drift:rain"]),
            ("open", ["volume"]),
            ("resolved", ["volume"]),
            ("open", ["missing"]),
        ],
        "slack": lines,
        "email": lines,
        "pagerduty": [
            ("trigger", "mlcycle/flights/drift"),
            ("trigger", "mlcycle/flights/volume"),
            ("resolve", "mlcycle/flights/volume"),
            ("trigger", "mlcycle/flights/missing"),
        ],
    }
    assert platform.owner().query("select distinct state from ledger.delivery") == [("delivered",)]
