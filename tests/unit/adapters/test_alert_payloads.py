"""What receivers are sent: pure data, checked against what Slack and PagerDuty take."""

from dataclasses import replace
from typing import Any

import pytest

from mlcycle.adapters.alerts import payloads
from mlcycle.adapters.alerts.channels import channel_id
from mlcycle.adapters.alerts.contacts import contact
from mlcycle.ledger.alerts import Alert, Pending
from mlcycle.project import Channel, Project
from tests.raw_data import FLIGHTS

PAGE = Pending(
    *((7,), "slack:x", 0, "flights"),
    Alert("drift:wind", "page", "flights: drift (wind)", "wind: far", "https://r/x", "drift", "wind"),
    *("2013-03-01", "2013-03-02", ("drift:wind",)),
    owner="ana",
    runbook="https://wiki/x",
)


def told(what: str, **changes: Any) -> Pending:
    return replace(PAGE, what=what, **changes)


@pytest.mark.parametrize(
    ("what", "expected"),
    [
        ("open", "[page] flights: drift (wind)"),
        ("escalated", "[page, not acknowledged] flights: drift (wind)"),
        ("resolved", "[resolved] flights: drift (wind)"),
    ],
)
def test_the_first_words_say_what_a_message_is(what: str, expected: str) -> None:
    assert payloads.heading(told(what)) == expected
    assert payloads.document(told(what))["text"].startswith(expected)


def test_owner_runbook_and_report_stand_in_every_message() -> None:
    assert payloads.text(PAGE).endswith("owner: ana\nrunbook: https://wiki/x\nreport: https://r/x")
    document = payloads.document(PAGE)
    assert (document["owner"], document["runbook"], document["link"]) == (
        "ana",
        "https://wiki/x",
        "https://r/x",
    )
    (block,) = payloads.slack(PAGE)["blocks"]
    assert block["text"]["text"].endswith("Owner: ana · <https://r/x|Report> · <https://wiki/x|Runbook>")
    event = payloads.pagerduty(PAGE, "key")
    assert event is not None
    assert [link["href"] for link in event["links"]] == ["https://r/x", "https://wiki/x"]
    assert event["payload"]["custom_details"]["owner"] == "ana"


def test_a_picture_is_led_to_and_pagerduty_shows_one_by_https() -> None:
    def pictured(address: str) -> Pending:
        return replace(PAGE, alert=replace(PAGE.alert, picture=address))

    (block,) = payloads.slack(pictured("https://a/p.png"))["blocks"]
    assert "<https://a/p.png|Picture>" in block["text"]["text"]
    event = payloads.pagerduty(pictured("https://a/p.png"), "key") or {}
    assert event["images"] == [
        {"src": "https://a/p.png", "href": "https://r/x", "alt": "the report's picture"}
    ]
    assert {"href": "https://a/p.png", "text": "Picture"} in event["links"]
    plain = payloads.pagerduty(pictured("http://a/p.png"), "key") or {}
    assert "images" not in plain  # it would refuse the event
    assert payloads.document(pictured("https://a/p.png"))["picture"] == "https://a/p.png"
    assert "Picture" not in str(payloads.slack(PAGE))


def test_a_title_cannot_call_everybody_in_slack_nor_be_longer_than_it_takes() -> None:
    alert = replace(PAGE.alert, title="<!channel> & co", body="x" * 5000)
    sent = payloads.slack(replace(PAGE, alert=alert))
    assert sent["text"] == "[page] &lt;!channel&gt; &amp; co"
    assert len(sent["blocks"][0]["text"]["text"]) == 3000


def test_a_matter_is_one_incident_that_ends_with_its_last_alert() -> None:
    events = [
        payloads.pagerduty(told(what), "key") or {}
        for what in ("open", "escalated", "acknowledged", "resolved")
    ]
    assert [event["event_action"] for event in events] == ["trigger", "trigger", "acknowledge", "resolve"]
    assert {event["dedup_key"] for event in events} == {"mlcycle/flights/drift"}
    assert events[0]["payload"]["severity"] == "critical"
    for what in ("acknowledged", "resolved"):
        assert payloads.pagerduty(told(what, others=("drift:rain",)), "key") is None
    assert payloads.pagerduty(told("open", others=("drift:rain",)), "key") is not None


def test_a_channel_s_name_tells_nothing_of_its_secret_and_two_are_two() -> None:
    names = [channel_id(Channel(kind="slack", secret=word)) for word in ("A", "B")]
    names.append(channel_id(Channel(kind="pagerduty", secret="A")))
    assert len(set(names)) == 3


def project(alerts: dict[str, Any], watch: dict[str, Any] | None = None) -> Project:
    document = FLIGHTS.document()
    document["monitors"] = {**document["monitors"], "watch": watch or {}}
    return Project.model_validate({**document, "alerts": {"channels": [{"kind": "log"}], **alerts}})


def test_whose_an_alert_is_by_assignment_then_its_monitor_then_the_project() -> None:
    spec = project(
        {"owner": "ops", "runbook": "https://wiki/all"},
        {"drift": {"owner": "ana", "runbook": "https://wiki/drift"}, "volume": {"owner": "bo"}},
    )
    assert contact(spec, "drift") == ("ana", "https://wiki/drift")
    assert contact(spec, "error:drift") == ("ana", "https://wiki/drift")
    assert contact(spec, "volume") == ("bo", "https://wiki/all")
    assert contact(spec, "late:weather") == ("ops", "https://wiki/all")
    assert contact(spec, "drift", "cy") == ("cy", "https://wiki/drift")


@pytest.mark.parametrize(
    ("alerts", "says"),
    [
        ({"runbook": "javascript:alert(1)"}, "is not a link: write it like https://"),
        ({"runbook": "https://w/x\ny"}, "is not a link"),
        ({"runbook": "https://user@w/x"}, "is not a link"),
        (
            {"channels": [{"kind": "slack"}]},
            "a slack channel needs a secret, the webhook's URL: write secret: NAME",
        ),
        ({"channels": [{"kind": "slack", "secret": "S", "url": "https://h/x"}]}, "URL is a secret"),
        ({"channels": [{"kind": "pagerduty"}]}, "needs a secret, the integration's routing key"),
        ({"escalate": {"after": "0 minutes", "channels": [{"kind": "log"}]}}, "no time at all"),
        ({"escalate": {"after": "30 minutes", "channels": []}}, "at least 1 item"),
    ],
)
def test_what_a_project_says_wrong_of_its_alerts_is_one_line(alerts: dict[str, Any], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        project(alerts)
