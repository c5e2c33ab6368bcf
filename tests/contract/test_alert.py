"""The alert step against real receivers: dedup, order, an hour away, never twice, no monitor at all."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from mlcycle.adapters.artifacts.store import ArtifactStore
from mlcycle.adapters.pages import plots
from mlcycle.contract import Handover, Origin, Result, Status
from mlcycle.ledger import attempts
from mlcycle.project import Project
from mlcycle.steps.runtime import run_step
from tests.conftest import Platform, free_port
from tests.raw_data import FLIGHTS, request
from tests.receivers import Hook, mailbox, webhook

Tell = Callable[..., Result]


def alert(key: str = "drift", severity: str = "warn", title: str = "inputs drift") -> dict[str, str]:
    """An alert as the monitor step hands it over."""
    return {"key": key, "severity": severity, "title": title, "body": "wind_speed: effect 0.9", "link": ""}


def with_channels(*channels: dict[str, str]) -> Project:
    """The flights with these channels."""
    return Project.model_validate({**FLIGHTS.document(), "alerts": {"channels": list(channels)}})


@pytest.fixture
def hook() -> Iterator[Hook]:
    """A webhook receiver that is up."""
    with webhook(free_port()) as receiver:
        yield receiver


@pytest.fixture
def tell(platform: Platform) -> Tell:
    """Run the step with these alerts for a day."""
    runs = iter(range(1000))

    def run(project: Project, day: str, *alerts: dict[str, str], **fields: Any) -> Result:
        left = {name: fields.pop(name, []) for name in ("ok", "held")}
        handover = Handover(values={"alerts": list(alerts), **left})
        origin = Origin(dag_id=f"{project.name}_monitor", run_id="r", task_id="alert")
        values = {
            "inputs": {"monitor": [handover]},
            "origin": origin,
            "work": f"alert-{next(runs)}",
            **fields,
        }
        settings = platform.settings(**{"timeout": 2.0, **values.pop("settings", {})})
        return run_step(request("alert", project, day, **values), settings)

    return run


def test_a_finding_is_delivered_once_while_it_lasts_and_again_after_it_was_over(
    platform: Platform, tell: Tell, hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLCYCLE_SECRET_FLIGHTS__HOOK", "s3cret")
    project = with_channels({"kind": "webhook", "url": hook.url, "secret": "HOOK"})
    assert tell(project, "2013-03-01", alert()).metrics["delivered"] == 1
    tell(project, "2013-03-02", alert())
    tell(project, "2013-03-03", ok=["drift"])
    tell(project, "2013-03-04", alert())
    told = [(body["state"], body["first_partition"]) for _, body in hook.got]
    assert told == [("open", "2013-03-01"), ("resolved", "2013-03-01"), ("open", "2013-03-04")]
    assert hook.got[0][0]["Authorization"] == "Bearer s3cret"
    keys = [headers["Idempotency-Key"] for headers, _ in hook.got]
    assert len(set(keys)) == 3
    rows = platform.owner().query("select state, count, last_partition from ledger.alert order by alert_id")
    assert rows == [("closed", 2, "2013-03-02"), ("open", 1, "2013-03-04")]


def column(name: str, severity: str = "warn") -> dict[str, str]:
    """A drifting column's alert, as the monitor step hands it over."""
    told = alert(f"drift:{name}", severity, f"inputs drift ({name})")
    return {**told, "body": f"{name}: effect 0.9", "matter": "drift", "subject": name}


def test_a_column_that_joins_is_told_of_and_fifty_are_one_message(
    platform: Platform, tell: Tell, hook: Hook
) -> None:
    project = with_channels({"kind": "webhook", "url": hook.url})
    tell(project, "2013-03-01", column("wind"), column("rain"))
    tell(project, "2013-03-02", column("wind"), column("rain"))
    tell(project, "2013-03-03", column("wind"), column("distance"), ok=["drift"])
    first, over, joined = (body for _, body in hook.got)
    assert (over["state"], over["keys"], over["still_open"]) == (
        *("resolved", ["drift:rain"]),
        ["drift:wind", "drift:distance"],
    )
    assert (first["key"], first["keys"]) == ("drift", ["drift:wind", "drift:rain"])
    assert first["title"] == "inputs drift (wind, rain)"
    assert (joined["key"], joined["body"]) == (
        "drift:distance",
        "distance: effect 0.9\nstill open: wind",
    )
    rows = platform.owner().query("select key, state from ledger.alert order by alert_id")
    assert rows == [("drift:wind", "open"), ("drift:rain", "closed"), ("drift:distance", "open")]
    hook.got.clear()
    assert (
        tell(project, "2013-03-04", *(column(f"c{number}") for number in range(50))).metrics["opened"] == 50
    )
    ((_, many),) = hook.got
    assert len(many["keys"]) == 50
    assert many["title"].endswith("c11 and 38 more)")
    assert platform.owner().query("select count(*) from ledger.delivery where state <> 'delivered'") == [(0,)]


def test_a_column_closes_when_it_is_well_and_not_when_nobody_looked_or_could(
    platform: Platform, tell: Tell
) -> None:
    tell(FLIGHTS, "2013-03-01", column("wind"), column("rain"), column("gust"))
    open_ones = "select key from ledger.alert where state = 'open' order by alert_id"
    tell(FLIGHTS, "2013-03-02", ok=["volume"])
    assert len(platform.owner().query(open_ones)) == 3
    tell(FLIGHTS, "2013-03-03", column("wind"), ok=["drift"], held=["drift:wind", "drift:gust"])
    assert platform.owner().query(open_ones) == [("drift:wind",), ("drift:gust",)]


def test_an_alert_of_before_matters_had_subjects_closes_with_the_first_that_is_measured(
    platform: Platform, tell: Tell
) -> None:
    tell(FLIGHTS, "2013-03-01", alert())  # key drift, no matter
    tell(FLIGHTS, "2013-03-02", column("wind"), ok=["drift"])
    rows = platform.owner().query("select key, state from ledger.alert order by alert_id")
    assert rows == [("drift", "closed"), ("drift:wind", "open")]


def test_a_receiver_that_was_away_gets_everything_in_order_and_not_twice(
    platform: Platform, tell: Tell
) -> None:
    port = free_port()
    project = with_channels({"kind": "webhook", "url": f"http://127.0.0.1:{port}/alerts"})
    for day, key in (("01", "drift"), ("02", "volume"), ("03", "missing")):
        away = tell(project, f"2013-03-{day}", alert(key))
        assert away.status is Status.OK
        assert "webhook: ConnectError; the next run tries again" in away.message
    with webhook(port) as hook:
        hook.answer = 503
        assert tell(project, "2013-03-04").metrics == {"opened": 0, "closed": 0, "delivered": 0, "waiting": 3}
        hook.answer = 200
        back = tell(project, "2013-03-05", alert("performance", "page"))
        assert back.metrics["delivered"] == 4
        assert tell(project, "2013-03-06").status is Status.SKIPPED
        assert [body["key"] for _, body in hook.got] == ["drift", "volume", "missing", "performance"]
    assert platform.owner().query("select sum(tries) from ledger.delivery where state = 'delivered'") == [
        (8,)
    ]  # one alert was tried four times in vain


def test_an_alert_that_got_worse_is_told_again(tell: Tell, hook: Hook) -> None:
    project = with_channels({"kind": "webhook", "url": hook.url})
    for severity in ("warn", "page", "warn"):
        tell(project, "2013-03-01", alert(severity=severity))
    assert [body["severity"] for _, body in hook.got] == ["warn", "page"]
    assert len({headers["Idempotency-Key"] for headers, _ in hook.got}) == 2


def test_a_message_the_receiver_will_never_take_does_not_hold_up_the_next(tell: Tell, hook: Hook) -> None:
    project = with_channels({"kind": "webhook", "url": hook.url})
    hook.answer = 422
    assert "refused the message" in tell(project, "2013-03-01", alert()).message
    hook.answer = 200
    tell(project, "2013-03-02", alert("volume"))
    assert [body["key"] for _, body in hook.got] == ["volume"]


def test_mail_arrives_and_a_title_cannot_add_headers(tell: Tell) -> None:
    port = free_port()
    project = with_channels(
        {"kind": "email", "to": "ops@example.test", "host": f"127.0.0.1:{port}", "min_severity": "page"}
    )
    with mailbox(port) as box:
        tell(project, "2013-03-01", alert("drift", "warn"))
        tell(project, "2013-03-01", alert("volume", "page", "rows are few\r\nBcc: x@evil.test"))
    (mail,) = box
    assert mail["Subject"] == "[page] rows are few Bcc: x@evil.test"
    assert (mail["To"], mail["Bcc"]) == ("ops@example.test", None)
    assert mail["Message-ID"].startswith("<flights-")
    assert "wind_speed: effect 0.9" in mail.get_content()


PICTURE = "reports/flights/drift/2013-03-01-abc.html.png"


def pictured(platform: Platform, data: bytes) -> dict[str, str]:
    """An alert whose report has a picture."""
    ArtifactStore(platform.settings().artifacts_url).put(PICTURE, data)
    return {**alert(), "link": "reports/flights/drift/2013-03-01-abc.html", "picture": PICTURE}


def test_a_mail_shows_the_report_s_picture_and_a_webhook_leads_to_it(
    platform: Platform, tell: Tell, hook: Hook
) -> None:
    png = plots.effects([("wind_speed", 0.9, 0.1, 0.3)])
    port = free_port()
    with mailbox(port) as box:
        channels = [
            {"kind": "email", "host": f"127.0.0.1:{port}", "to": "ops@example.org"},
            {"kind": "webhook", "url": hook.url},
        ]
        where = {"airflow_url": "https://airflow.example/"}
        done = tell(with_channels(*channels), "2013-03-01", pictured(platform, png), settings=where)
        assert done.status is Status.OK, done.message
        tell(with_channels(*channels), "2013-03-02", ok=["drift"])
    mail, end = box
    (shown,) = [part for part in mail.walk() if part.get_content_type() == "image/png"]
    assert shown.get_payload(decode=True) == png
    assert shown.get_content_disposition() == "inline"
    (page,) = [part for part in mail.walk() if part.get_content_type() == "text/html"]
    assert f"cid:{shown['Content-ID'].strip('<>')}" in page.get_content()
    assert "wind_speed: effect 0.9" in mail.get_body(("plain",)).get_content()  # type: ignore[union-attr]
    assert not [part for part in end.walk() if part.get_content_type() == "image/png"]
    _, body = hook.got[0]
    assert body["picture"] == f"https://airflow.example/mlcycle/{PICTURE}"
    assert body["link"] == f"https://airflow.example/mlcycle/{PICTURE.removesuffix('.png')}"


def test_a_picture_that_is_gone_or_large_or_has_no_address_is_left_out(
    platform: Platform, tell: Tell, hook: Hook
) -> None:
    port = free_port()
    with mailbox(port) as box:
        mail = with_channels({"kind": "email", "host": f"127.0.0.1:{port}", "to": "ops@example.org"})
        tell(mail, "2013-03-01", pictured(platform, b"x" * 300_001))
        (platform.folder / "artifacts" / PICTURE).unlink()
        tell(mail, "2013-03-02", ok=["drift"])
        tell(mail, "2013-03-03", {**alert(), "picture": PICTURE})
    assert len(box) == 3
    assert {part.get_content_type() for each in box for part in each.walk()} == {"text/plain"}
    tell(
        with_channels({"kind": "webhook", "url": hook.url}),
        "2013-03-04",
        {**pictured(platform, b"x"), "key": "b"},
    )
    assert [body["picture"] for _, body in hook.got] == [""]


def test_a_secret_is_not_sent_to_a_mail_server_without_tls(
    tell: Tell, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLCYCLE_SECRET_FLIGHTS__MAIL", "user:hunter2")
    port = free_port()
    channel = {"kind": "email", "to": "ops@example.test", "host": f"127.0.0.1:{port}"}
    with mailbox(port) as box:
        result = tell(with_channels({**channel, "secret": "MAIL"}), "2013-03-01", alert())
    assert "offers no TLS" in result.message
    assert "hunter2" not in result.model_dump_json()
    assert box == []


def test_another_project_s_secret_is_not_sent(
    tell: Tell, hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLCYCLE_SECRET_OTHER__HOOK", "s3cret")
    result = tell(
        with_channels({"kind": "webhook", "url": hook.url, "secret": "HOOK"}), "2013-03-01", alert()
    )
    assert "MLCYCLE_SECRET_FLIGHTS__HOOK, which the webhook channel names, is not set" in result.message
    assert hook.got == []


def test_a_kill_between_publication_and_result_stores_and_delivers_nothing_twice(
    platform: Platform, tell: Tell, hook: Hook, monkeypatch: pytest.MonkeyPatch
) -> None:
    project = with_channels({"kind": "webhook", "url": hook.url})
    with monkeypatch.context() as patch:
        patch.setattr(attempts, "finish", lambda *_: None)
        tell(project, "2013-03-01", alert(), work="same")
    again = tell(project, "2013-03-01", alert(), work="same")
    assert again.status is Status.OK
    assert len(hook.got) == 1
    assert platform.owner().query("select count from ledger.alert") == [(1,)]


def test_runs_at_once_deliver_each_alert_once(tell: Tell, hook: Hook) -> None:
    project = with_channels({"kind": "webhook", "url": hook.url})
    with ThreadPoolExecutor(6) as pool:
        days = [f"2013-03-{day:02}" for day in range(1, 13)]
        results = list(pool.map(lambda day: tell(project, day, alert(f"key-{day}")), days))
    assert all(result.status is Status.OK for result in results)
    keys = [body["key"] for _, body in hook.got]
    assert sorted(keys) == sorted(f"key-{day}" for day in days)


def test_a_monitor_that_left_nothing_behind_is_an_alert_until_one_measures(
    platform: Platform, tell: Tell
) -> None:
    died = tell(FLIGHTS, "2013-03-01", inputs={})
    assert died.metrics["opened"] == 1
    rows = platform.owner().query("select key, severity, title, state from ledger.alert")
    assert rows == [("error:monitor", "page", "flights 2013-03-01: monitoring died", "open")]
    tell(FLIGHTS, "2013-03-02")
    assert platform.owner().query("select state from ledger.alert") == [("closed",)]


@pytest.mark.parametrize(
    ("labels", "monitor", "opened"),
    [("failed", "", 0), ("running", "", 0), ("done", "", 1), ("failed", "running", 1)],
    ids=["labels failed", "labels killed", "the monitor never began", "it began after all"],
)
def test_a_run_that_ended_at_its_labels_is_one_alert_and_not_the_monitor_s_too(
    platform: Platform, tell: Tell, labels: str, monitor: str, opened: int
) -> None:
    done = tell(
        FLIGHTS, "2013-02-28", inputs={"monitor": [Handover(values={"alerts": [], "ok": [], "held": []})]}
    )
    for task, state in (("labels", labels), ("monitor", monitor)):
        if state:
            platform.owner().query(
                """insert into ledger.attempt (project, step, work, state, result)
                   values ('flights', %s, %s, %s, %s)""",
                (
                    task,
                    f"flights_monitor/r/{task}/1",
                    state,
                    None if state == "running" else done.model_dump_json(),
                ),
            )
    died = tell(FLIGHTS, "2013-03-01", inputs={})
    assert died.metrics.get("opened", 0) == opened
    assert platform.owner().query("select count(*) from ledger.alert") == [(opened,)]


def test_an_old_partition_done_again_does_not_close_what_a_newer_one_found(
    platform: Platform, tell: Tell
) -> None:
    tell(FLIGHTS, "2013-03-09", alert())
    tell(FLIGHTS, "2013-03-01", ok=["drift"])
    assert platform.owner().query("select state from ledger.alert") == [("open",)]


def monitored(platform: Platform, day: str) -> None:
    """Note that a day was monitored."""
    platform.owner().query(
        """select ledger.ensure_month('ledger.monitor_result', %s::date);
           insert into ledger.monitor_result (project, partition, monitor, status, message)
           values ('flights', %s, 'volume', 'ok', '')""",
        (f"{day[:7]}-01", day),
    )


def test_a_run_for_the_past_opens_closes_and_delivers_nothing(
    platform: Platform, tell: Tell, hook: Hook
) -> None:
    project = with_channels({"kind": "webhook", "url": hook.url})
    tell(project, "2013-03-08", alert("volume"))
    hook.got.clear()
    monitored(platform, "2013-03-09")
    for past in (
        tell(project, "2013-03-08", alert("drift", "page"), ok=["volume"]),
        tell(project, "2013-03-07", inputs={}),
    ):
        assert past.status is Status.SKIPPED
        assert "for the past (2013-03-09 was monitored already)" in past.message
    assert hook.got == []
    assert platform.owner().query("select key, state from ledger.alert") == [("volume", "open")]
    assert tell(project, "2013-03-09", alert("drift")).metrics["opened"] == 1


def test_what_an_alert_says_is_what_its_newest_partition_found(platform: Platform, tell: Tell) -> None:
    """Runs side by side end in any order."""
    tell(FLIGHTS, "2013-03-02", alert(title="of the second"))
    tell(FLIGHTS, "2013-03-01", alert(severity="page", title="of the first"))
    query = "select title, severity, count, first_partition, last_partition from ledger.alert"
    assert platform.owner().query(query) == [("of the second", "warn", 2, "2013-03-01", "2013-03-02")]
    tell(FLIGHTS, "2013-03-03", alert(severity="page", title="of the third"))
    assert platform.owner().query(query)[0][:2] == ("of the third", "page")


def test_no_alerts_is_skipped(tell: Tell) -> None:
    assert tell(FLIGHTS, "2013-03-01", ok=["drift", "volume"]).status is Status.SKIPPED
