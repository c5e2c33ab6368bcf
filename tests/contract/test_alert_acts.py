"""What people do about alerts, on a real ledger and real receivers: acts, escalation, silence, the end told."""

# ruff: noqa: F811 - a fixture that is imported

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from datetime import timedelta
from pathlib import Path
from typing import Any

import psycopg2
import psycopg2.errors
import pytest

from mlcycle.adapters.warehouse.connection import Warehouse
from mlcycle.contract import Origin, Result, Status
from mlcycle.errors import InputError
from mlcycle.ledger import alert_acts
from mlcycle.ledger.alert_acts import Act
from mlcycle.project import Project
from mlcycle.steps.runtime import run_step
from tests.conftest import Platform, free_port
from tests.contract.test_alert import Tell, alert, column, tell  # noqa: F401
from tests.raw_data import FLIGHTS, request
from tests.receivers import Hook, webhook

Do = Callable[..., str]
HOUR = timedelta(hours=1)


@pytest.fixture
def hook() -> Iterator[Hook]:
    """Who is told first."""
    with webhook(free_port()) as receiver:
        yield receiver


@pytest.fixture
def boss() -> Iterator[Hook]:
    """Who is told of pages that nobody acknowledged."""
    with webhook(free_port()) as receiver:
        yield receiver


@pytest.fixture
def do(platform: Platform) -> Do:
    """Act as the console and the command line do: with the role ``serve``."""

    def act(action: str, name: str, actor: str = "ana", **fields: Any) -> str:
        with closing(Warehouse(platform.settings("serve"))) as warehouse, warehouse.transaction() as cursor:
            return alert_acts.act(cursor, "flights", Act(action, name, actor, **fields))

    return act


@pytest.fixture
def tick(platform: Platform) -> Callable[[Project], Result]:
    """A run of ``flights_alerts``: no monitor, what is due is told."""
    runs = iter(range(1000))

    def run(project: Project) -> Result:
        origin = Origin(dag_id="flights_alerts", run_id="r", task_id="alert")
        asked = request("alert", project, "2013-03-01", work=f"tick-{next(runs)}", origin=origin)
        return run_step(asked.model_copy(update={"partitions": None}), platform.settings(timeout=2.0))

    return run


Tick = Callable[[Project], Result]


def flights(hook: Hook, boss: Hook | None = None, **channel: Any) -> Project:
    alerts: dict[str, Any] = {"channels": [{"kind": "webhook", "url": hook.url, **channel}]}
    if boss is not None:
        alerts["escalate"] = {"after": "30 minutes", "channels": [{"kind": "webhook", "url": boss.url}]}
    return Project.model_validate({**FLIGHTS.document(), "alerts": alerts})


def told(hook: Hook) -> list[tuple[str, str]]:
    return [(body["state"], body["key"]) for _, body in hook.got]


def later(platform: Platform, minutes: int = 31) -> None:
    """Let time pass: what happened lies further back."""
    for table, column_name in (
        ("alert", "opened_at"),
        ("alert", "paged_at"),
        ("alert_act", "acted_at"),
        ("alert_act", "until"),
    ):
        platform.owner().query(
            f"update ledger.{table} set {column_name} = {column_name} - %s returning 1",
            (timedelta(minutes=minutes),),
        )


def test_a_page_that_nobody_acknowledged_is_escalated_once(
    platform: Platform,
    tell: Tell,
    tick: Tick,
    hook: Hook,
    boss: Hook,
) -> None:
    project = flights(hook, boss)
    tell(project, "2013-03-01", alert("volume", "page"), alert("drift", "warn"))
    assert tick(project).status is Status.SKIPPED  # in time
    assert boss.got == []
    later(platform)
    assert "1 escalated" in tick(project).message
    assert told(boss) == [("escalated", "volume")]
    assert boss.got[0][1]["text"].startswith("[page, not acknowledged] inputs drift")
    tick(project)
    tell(project, "2013-03-02", alert("volume", "page"))
    later(platform)
    tick(project)
    assert len(boss.got) == 1
    tell(project, "2013-03-03", ok=["volume"])
    assert told(boss)[1:] == [("resolved", "volume")]  # who was called in vain is told that it is over
    assert told(hook)[-1] == ("resolved", "volume")


def test_an_acknowledged_page_is_not_escalated_until_it_is_another_matter(
    platform: Platform,
    tell: Tell,
    tick: Tick,
    hook: Hook,
    boss: Hook,
    do: Do,
) -> None:
    project = flights(hook, boss)
    tell(project, "2013-03-01", alert("volume", "warn"))
    assert do("acknowledge", "volume", reason="I look") == "volume: acknowledged"
    tell(project, "2013-03-02", alert("volume", "page"))  # graver than what she has seen
    later(platform)
    do("acknowledge", "volume")
    tick(project)
    assert boss.got == []
    tell(project, "2013-03-03", ok=["volume"])
    tell(project, "2013-03-04", alert("volume", "page"))  # again: nobody has seen this one
    later(platform)
    tick(project)
    assert told(boss) == [("escalated", "volume")]
    rows = platform.owner().query(
        "select action, actor, severity, reason from ledger.alert_act order by act_id"
    )
    assert rows == [("acknowledge", "ana", "warn", "I look"), ("acknowledge", "ana", "page", "")]


def test_an_acknowledgement_that_comes_while_the_receiver_is_away_calls_it_off(
    platform: Platform,
    tell: Tell,
    tick: Tick,
    hook: Hook,
    boss: Hook,
    do: Do,
) -> None:
    project = flights(hook, boss)
    tell(project, "2013-03-01", alert("volume", "page"))
    later(platform)
    boss.answer = 503
    assert tick(project).metrics["waiting"] == 1
    do("acknowledge", "volume")
    boss.answer = 200
    assert tick(project).status is Status.SKIPPED
    assert boss.got == []


def test_a_silenced_alert_is_counted_and_goes_out_when_the_silence_ends(
    platform: Platform,
    tell: Tell,
    tick: Tick,
    hook: Hook,
    boss: Hook,
    do: Do,
) -> None:
    project = flights(hook, boss)
    tell(project, "2013-02-28", alert("late:weather"))
    hook.got.clear()
    assert "none is open now" in do("silence", "drift", reason="new sensor", lasting=HOUR)
    quiet = tell(project, "2013-03-01", column("wind", "page"), column("rain"))
    assert quiet.metrics["silenced"] == 2
    assert "2 silenced" in quiet.message
    assert (quiet.metrics["opened"], quiet.metrics["delivered"], quiet.metrics["waiting"]) == (2, 0, 0)
    later(platform, 45)
    tick(project)
    assert (hook.got, boss.got) == ([], [])
    later(platform, 16)
    assert tick(project).metrics["delivered"] == 1
    assert [body["keys"] for _, body in hook.got] == [["drift:wind", "drift:rain"]]
    assert boss.got == []  # since when it could be heard counts
    later(platform)
    tick(project)
    assert told(boss) == [("escalated", "drift:wind")]


def test_what_is_over_while_it_is_silenced_is_told_to_nobody(
    platform: Platform,
    tell: Tell,
    tick: Tick,
    hook: Hook,
    do: Do,
) -> None:
    project = flights(hook)
    tell(project, "2013-03-01", column("rain"))
    do("silence", "drift", reason="new sensor", lasting=HOUR)
    tell(project, "2013-03-02", column("rain"), column("wind"))
    tell(project, "2013-03-03", ok=["drift"])
    later(platform, 61)
    tick(project)
    assert told(hook) == [("open", "drift:rain"), ("resolved", "drift:rain")]
    left = platform.owner().query("select last_error from ledger.delivery where state = 'given_up'")
    assert left == [("over while it was silenced",)]


def test_a_silence_is_taken_back_by_name(
    platform: Platform,
    tell: Tell,
    tick: Tick,
    hook: Hook,
    do: Do,
) -> None:
    project = flights(hook)
    tell(project, "2013-02-28", alert("volume"))
    do("silence", "drift:wind", reason="new sensor", lasting=HOUR)
    tell(project, "2013-03-01", column("wind"), column("rain"))
    assert [body["keys"] for _, body in hook.got[1:]] == [["drift:rain"]]  # of a key, not of its matter
    with pytest.raises(InputError, match="'drift' of flights is not silenced: silenced are drift:wind"):
        do("unsilence", "drift")
    assert do("unsilence", "drift:wind") == "drift:wind: no longer silenced"
    tick(project)
    assert [body["keys"] for _, body in hook.got[2:]] == [["drift:wind"]]
    with pytest.raises(InputError, match="nothing is"):
        do("unsilence", "drift:wind")


def test_the_end_is_told_once_to_who_was_told_though_the_step_dies_before_it_could_note_it(
    platform: Platform,
    tell: Tell,
    tick: Tick,
    hook: Hook,
) -> None:
    project = flights(hook)
    tell(project, "2013-03-01", column("wind"), column("rain"), alert("volume", "info"))
    assert told(hook) == [("open", "drift")]  # nobody was told of the least of them
    hook.got.clear()

    def die() -> None:
        hook.meanwhile = lambda: None
        platform.owner().query(
            """select pg_terminate_backend(pid) from pg_stat_activity
               where datname = current_database() and application_name = 'mlcycle:alert'"""
        )

    hook.meanwhile = die
    cut = tell(project, "2013-03-02", ok=["drift", "volume"])
    assert cut.status is Status.FAILED
    again = tick(project)
    assert again.metrics["delivered"] == 1
    tick(project)
    assert [(body["state"], body["keys"]) for _, body in hook.got] == [
        ("resolved", ["drift:wind", "drift:rain"])
    ] * 2
    assert len({headers["Idempotency-Key"] for headers, _ in hook.got}) == 1
    assert tick(project).status is Status.SKIPPED


def test_a_receiver_that_was_away_hears_of_the_beginning_and_then_of_the_end(
    platform: Platform, tell: Tell, tick: Tick, hook: Hook
) -> None:
    project = flights(hook)
    hook.answer = 503
    tell(project, "2013-03-01", alert())
    assert tell(project, "2013-03-02", ok=["drift"]).metrics["waiting"] == 2
    hook.answer = 200
    tick(project)
    assert told(hook) == [("open", "drift"), ("resolved", "drift")]


def test_a_channel_may_not_want_to_hear_of_the_end(platform: Platform, tell: Tell, hook: Hook) -> None:
    project = flights(hook, resolved=False)
    tell(project, "2013-03-01", alert())
    over = tell(project, "2013-03-02", ok=["drift"])
    assert told(hook) == [("open", "drift")]
    assert "warning" not in over.message


def test_two_who_act_at_once_are_one_acknowledgement(
    platform: Platform, tell: Tell, hook: Hook, do: Do
) -> None:
    tell(flights(hook), "2013-03-01", column("wind"), column("rain"))
    with ThreadPoolExecutor(8) as pool:
        said = list(pool.map(lambda n: do("acknowledge", "drift", f"person {n}"), range(8)))
    assert said.count("drift:wind, drift:rain: acknowledged") == 1
    first = platform.owner().query("select distinct actor from ledger.alert_act")
    assert len(first) == 1
    assert said.count(f"drift is acknowledged by {first[0][0]} already") == 7
    assert platform.owner().query("select count(*) from ledger.alert_act") == [(2,)]


def test_an_alert_has_the_owner_it_was_assigned_to(
    platform: Platform, tell: Tell, hook: Hook, do: Do
) -> None:
    document = flights(hook).document()
    document["alerts"] = {**document["alerts"], "owner": "ops", "runbook": "https://wiki.example/alerts"}
    project = Project.model_validate(document)
    tell(project, "2013-03-01", alert())
    assert do("assign", "drift", owner="bo") == "drift: assigned to bo"
    assert do("assign", "drift", owner="bo") == "drift is bo's already"
    do("assign", "drift", owner="cy")
    tell(project, "2013-03-02", alert(severity="page"))
    owners = [(body["owner"], body["runbook"]) for _, body in hook.got]
    assert owners == [("ops", "https://wiki.example/alerts"), ("cy", "https://wiki.example/alerts")]


@pytest.mark.parametrize(
    ("act", "says"),
    [
        (("acknowledge", "drfit", {}), "flights has no open alert 'drfit': open are drift"),
        (("assign", "drift", {}), "assign it to whom"),
        (("silence", "drift", {"lasting": HOUR}), "say why"),
        (("silence", "drift", {"reason": "x"}), "say for how long"),
        (("silence", "drift", {"reason": "x", "lasting": timedelta(days=91)}), "90 days at most"),
        (("silence", " ", {"reason": "x", "lasting": HOUR}), "which alert"),
        (("close", "drift", {}), "is no act on an alert: there are acknowledge, assign"),
    ],
)
def test_an_act_that_cannot_be_is_one_line_and_no_row(
    platform: Platform,
    tell: Tell,
    do: Do,
    act: tuple[str, str, dict[str, Any]],
    says: str,
) -> None:
    tell(FLIGHTS, "2013-03-01", alert())
    action, name, fields = act
    with pytest.raises(InputError, match=says) as caught:
        do(action, name, **fields)
    assert "\n" not in caught.value.message
    assert platform.owner().query("select count(*) from ledger.alert_act") == [(0,)]


@pytest.mark.parametrize("role", ["ingest", "train", "promote", "serve", "keep"])
def test_acts_are_only_added_to_and_by_who_shows_them(
    platform: Platform, tell: Tell, do: Do, role: str
) -> None:
    tell(FLIGHTS, "2013-03-01", alert())
    do("acknowledge", "drift")
    insert = (
        "insert into ledger.alert_act (project, action, name, until, reason, actor) "
        "values ('flights', 'silence', 'x', now(), 'y', 'z')"
    )
    statements = ["update ledger.alert_act set actor = 'x'", "delete from ledger.alert_act"]
    statements += [insert] if role != "serve" else ["update ledger.delivery set state = 'given_up'"]
    for statement in statements:
        with (
            closing(psycopg2.connect(platform.settings(role).warehouse_dsn.get_secret_value())) as connection,
            connection.cursor() as cursor,
            pytest.raises(psycopg2.errors.InsufficientPrivilege),
        ):
            cursor.execute(statement)


def test_an_alert_s_acts_go_with_it_when_housekeeping_takes_it(
    platform: Platform, tell: Tell, do: Do
) -> None:
    from datetime import UTC, datetime

    from mlcycle.ledger import retention

    tell(FLIGHTS, "2013-03-01", alert())
    do("acknowledge", "drift")
    do("silence", "drift", reason="x", lasting=HOUR)
    tell(FLIGHTS, "2013-03-02", ok=["drift"])
    with closing(Warehouse(platform.settings("keep"))) as warehouse, warehouse.transaction() as cursor:
        assert retention.delete_alerts(cursor, datetime.now(UTC) + HOUR) > 1
    assert platform.owner().query("select action from ledger.alert_act") == [("silence",)]


def test_slack_and_pagerduty_get_what_they_take_by_secrets_alone(
    platform: Platform,
    tell: Tell,
    tick: Tick,
    hook: Hook,
    boss: Hook,
    do: Do,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("MLCYCLE_SECRET_FLIGHTS__SLACK", f"{hook.url}/T0/B0/s3cret")
    monkeypatch.setenv("MLCYCLE_SECRET_FLIGHTS__PAGER", "r0uting")
    listed = [{"kind": "slack", "secret": "SLACK"}, {"kind": "pagerduty", "secret": "PAGER", "url": boss.url}]
    project = Project.model_validate({**FLIGHTS.document(), "alerts": {"channels": listed}})
    first = tell(project, "2013-03-01", column("wind", "page"), column("rain"))
    do("acknowledge", "drift:wind")
    tick(project)  # rain is nobody's yet
    do("acknowledge", "drift:rain")
    tick(project)
    tell(project, "2013-03-02", column("rain"), ok=["drift"], held=["drift:rain"])
    tell(project, "2013-03-03", ok=["drift"])
    assert [body["event_action"] for _, body in boss.got] == ["trigger", "acknowledge", "resolve"]
    assert {body["dedup_key"] for _, body in boss.got} == {"mlcycle/flights/drift"}
    assert {body["routing_key"] for _, body in boss.got} == {"r0uting"}
    assert all("Authorization" not in headers for headers, _ in [*boss.got, *hook.got])
    heads = [body["text"] for _, body in hook.got]
    assert heads == [
        "[page] inputs drift (wind, rain)",
        "[resolved] inputs drift (wind)",
        "[resolved] inputs drift (rain)",
    ]
    kept = (
        str(platform.owner().query("select channel, last_error from ledger.delivery"))
        + first.model_dump_json()
    )
    assert "s3cret" not in kept
    assert "r0uting" not in kept


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("http://127.0.0.1:1/T0/s3cret", "adds http://127.0.0.1:1 to MLCYCLE_ALLOWED_RECEIVERS"),
        ("s3cret", "the slack channel's url is not one: it is the value of its secret"),
        ("ftp://h.example/s3cret", "the slack channel's url is not one"),
    ],
)
def test_a_secret_address_goes_nowhere_that_is_not_allowed_and_is_not_said(
    platform: Platform, monkeypatch: pytest.MonkeyPatch, value: str, says: str
) -> None:
    monkeypatch.setenv("MLCYCLE_SECRET_FLIGHTS__SLACK", value)
    document = {**FLIGHTS.document(), "alerts": {"channels": [{"kind": "slack", "secret": "SLACK"}]}}
    from mlcycle.contract import Handover

    asked = request(
        "alert",
        Project.model_validate(document),
        "2013-03-01",
        inputs={"monitor": [Handover(values={"alerts": [alert()]})]},
    )
    result = run_step(asked, platform.settings(allowed_receivers="https://hooks.slack.com"))
    assert says in result.message
    assert "s3cret" not in result.model_dump_json()


def test_the_command_line_acts_in_the_name_of_the_machine_s_user(
    platform: Platform, tell: Tell, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from typer.testing import CliRunner

    from mlcycle.cli import app

    tell(FLIGHTS, "2013-03-01", column("wind", "page"), alert("volume"))
    settings = platform.settings("serve")
    monkeypatch.setenv("MLCYCLE_DSN_SERVE", settings.warehouse_dsn.get_secret_value())
    monkeypatch.setenv("MLCYCLE_ARTIFACTS_URL", settings.artifacts_url)
    monkeypatch.setenv("MLCYCLE_STATE", str(tmp_path / "none"))
    monkeypatch.setenv("LOGNAME", "dee")

    def run(*arguments: str) -> str:
        return CliRunner().invoke(app, arguments, catch_exceptions=False).output

    assert run("alert", "ack", "flights", "drift", "--reason", "I look") == "drift:wind: acknowledged\n"
    silence = ("alert", "silence", "flights", "volume", "--reason", "moved")
    assert "is not a duration" in run(*silence, "--for", "soon")
    assert "volume: silenced until" in run(*silence, "--for", "2 hours")
    assert run("alert", "unsilence", "flights", "volume") == "volume: no longer silenced\n"
    assert run("alert", "assign", "flights", "volume", "--to", "ops") == "volume: assigned to ops\n"
    listed = json.loads(run("alerts", "flights", "--json"))
    assert [(one["key"], one["owner"], one["acknowledged_by"]) for one in listed] == [
        ("drift:wind", "", "dee"),
        ("volume", "ops", ""),
    ]
    assert "acknowledged by dee" in run("alerts")
    assert run("alerts", "weather") == "no open alerts\n"
    assert {actor for (actor,) in platform.owner().query("select actor from ledger.alert_act")} == {"dee"}
