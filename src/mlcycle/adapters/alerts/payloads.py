"""What receivers are sent, as data: our own document, Slack's and PagerDuty's.

Slack takes blocks of an incoming webhook, PagerDuty events of its API version 2. Both are a few lines;
Apprise, which has them, brings fixed addresses and cannot tell a message that is wrong from a receiver
that is away.
"""

from typing import Any

from mlcycle.ledger.alerts import Alert, Pending

SECTION = 3000  # characters of a section, Slack's limit
SUMMARY = 1024  # PagerDuty's
DEDUP = 255
GRAVITY = {"info": "info", "warn": "warning", "page": "critical"}
EVENT = {"open": "trigger", "escalated": "trigger", "acknowledged": "acknowledge", "resolved": "resolve"}


def tag(pending: Pending) -> str:
    """What a message's first words are: ``[page]``, ``[page, not acknowledged]``, ``[resolved]``."""
    told = {"escalated": f"{pending.alert.severity}, not acknowledged", "open": pending.alert.severity}
    return f"[{told.get(pending.what, pending.what)}]"


def heading(pending: Pending) -> str:
    """A message's first line."""
    return " ".join(f"{tag(pending)} {pending.alert.title}".split())


def text(pending: Pending) -> str:
    """A message in plain lines, without its heading."""
    alert = pending.alert
    named = [("owner", pending.owner), ("runbook", pending.runbook), ("report", alert.link)]
    named += [("picture", alert.picture)]
    return "\n".join([alert.body, *(f"{name}: {value}" for name, value in named if value)])


def document(pending: Pending) -> dict[str, Any]:
    """What a webhook is sent, as JSON."""
    alert = pending.alert
    return {
        "version": "mlcycle.alert/1",
        "id": pending.alert_id,
        "state": pending.what,
        "project": pending.project,
        "key": alert.key,
        "keys": list(pending.keys) or [alert.key],
        "still_open": list(pending.others),
        "severity": alert.severity,
        "title": alert.title,
        "text": f"{heading(pending)}\n{text(pending)}".strip(),
        "body": alert.body,
        "link": alert.link,
        "picture": alert.picture,
        "owner": pending.owner,
        "runbook": pending.runbook,
        "first_partition": pending.first_partition,
        "last_partition": pending.last_partition,
    }


def slack(pending: Pending) -> dict[str, Any]:
    """The body of a Slack incoming webhook; what we did not write is escaped."""
    links = [
        ("Report", pending.alert.link),
        ("Picture", pending.alert.picture),
        ("Runbook", pending.runbook),
    ]
    said = [f"Owner: {_escaped(pending.owner)}"] if pending.owner else []
    said += [f"<{_escaped(url)}|{name}>" for name, url in links if url.startswith(("http://", "https://"))]
    lines = [f"*{_escaped(heading(pending))}*", _escaped(pending.alert.body), " · ".join(said)]
    section = "\n".join(line for line in lines if line)
    return {
        "text": _escaped(heading(pending))[:SECTION],
        "blocks": [{"type": "section", "text": {"type": "mrkdwn", "text": _cut(section, SECTION)}}],
    }


def pagerduty(pending: Pending, routing_key: str) -> dict[str, Any] | None:
    """An event of a matter's one incident; None where nothing is to be said: others of it are still open."""
    alert = pending.alert
    if pending.what in ("acknowledged", "resolved") and pending.others:
        return None
    matter = alert.matter or alert.key
    links = [("Report", alert.link), ("Picture", alert.picture), ("Runbook", pending.runbook)]
    event: dict[str, Any] = {
        "routing_key": routing_key,
        "event_action": EVENT[pending.what],
        "dedup_key": f"mlcycle/{pending.project}/{matter}"[:DEDUP],
    }
    if event["event_action"] != "trigger":
        return event
    return {
        **event,
        "client": "mlcycle",
        "links": [{"href": url, "text": name} for name, url in links if url],
        **({"images": [_image(alert)]} if alert.picture.startswith("https://") else {}),
        "payload": {
            "summary": _cut(heading(pending), SUMMARY),
            "source": "mlcycle",
            "severity": GRAVITY[alert.severity],
            "component": pending.project,
            "group": matter,
            "custom_details": {
                "body": alert.body,
                "keys": list(pending.keys) or [alert.key],
                "owner": pending.owner,
                "first_partition": pending.first_partition,
                "last_partition": pending.last_partition,
            },
        },
    }


def _image(alert: Alert) -> dict[str, str]:
    """PagerDuty shows it to who may open the address; it takes https alone."""
    return {"src": alert.picture, "href": alert.link or alert.picture, "alt": "the report's picture"}


def _escaped(words: str) -> str:
    """Text as Slack takes it: no mention, no link, no markup out of what a monitor or a column says."""
    return words.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _cut(words: str, most: int) -> str:
    return words if len(words) <= most else words[: most - 1] + "…"
