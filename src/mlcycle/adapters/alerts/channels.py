"""Channels that alerts leave by: log, webhook, e-mail, Slack, PagerDuty. Each try may be the second one.

A delivery bears an idempotency key that stays the same for every try, so that a receiver that was
reached although the answer got lost can tell.
"""

import os
import sys
from collections.abc import Iterable, Mapping
from hashlib import sha256
from typing import Any

from mlcycle.adapters.alerts import payloads
from mlcycle.domain import allowed
from mlcycle.domain.step_secrets import secret_variable
from mlcycle.errors import ConfigError, InputError, Unavailable
from mlcycle.ledger.alerts import RANK, Alert, Pending
from mlcycle.project import Channel
from mlcycle.project.operation import PAGERDUTY
from mlcycle.settings import Settings

PICTURE = "picture@mlcycle.invalid"  # its Content-ID
NEVER = (400, 413, 422)  # the receiver says the message itself is wrong: it will be next time too


def channel_id(channel: Channel) -> str:
    """Names the channel in the ledger: its kind and a digest of its target, which may hold a secret."""
    target = channel.url or (f"{channel.to}@{channel.host}" if channel.to else channel.secret)
    return (
        channel.kind if channel.kind == "log" else f"{channel.kind}:{sha256(target.encode()).hexdigest()[:8]}"
    )


def due_channels(channels: Iterable[Channel], alert: Alert) -> list[str]:
    """Names of the channels that want alerts of this severity."""
    return [channel_id(item) for item in channels if RANK[alert.severity] >= RANK[item.min_severity]]


def deliver(
    channel: Channel,
    pending: Pending,
    settings: Settings,
    env: Mapping[str, str] = os.environ,
    picture: bytes = b"",
) -> None:
    """Hand one alert to its channel; ``picture`` is a PNG that an e-mail shows, the others link to it.

    Raises Unavailable where the receiver does not take it now, InputError where it never will,
    ConfigError where the channel lacks something or names a place that is not allowed.
    """
    timeout, secret = settings.timeout, ""
    if channel.secret:
        variable = secret_variable(pending.project, channel.secret)
        secret = env.get(variable, "")
        if not secret:
            raise ConfigError(f"{variable}, which the {channel.kind} channel names, is not set")
    if channel.kind == "log":
        said = payloads.text(pending).replace("\n", "\n    ")
        print(f"ALERT {payloads.tag(pending)} {pending.alert.title}\n    {said}", file=sys.stderr, flush=True)
    elif channel.kind == "email":
        _check(channel, settings, f"smtp://{channel.host}")
        _mail(channel, pending, timeout, secret, picture)
    else:
        url = {"slack": secret, "pagerduty": channel.url or PAGERDUTY}.get(channel.kind, channel.url)
        _check(channel, settings, url)
        body = _body(channel, pending, secret)
        if body is not None:
            _post(channel, url, body, pending, timeout, secret if channel.kind == "webhook" else "")


def _body(channel: Channel, pending: Pending, secret: str) -> dict[str, Any] | None:
    if channel.kind == "slack":
        return payloads.slack(pending)
    if channel.kind == "pagerduty":
        return payloads.pagerduty(pending, secret)
    return payloads.document(pending)


def _check(channel: Channel, settings: Settings, url: str) -> None:
    """Raises ConfigError, without the path of the URL, which may be a secret."""
    mail = channel.kind == "email"
    where = f"the {channel.kind} channel's {'host' if mail else 'url'}"
    try:
        place = allowed.parse(url, query=not mail)
    except ValueError as error:
        why = "it is the value of its secret" if channel.kind == "slack" else error
        raise ConfigError(f"{where} is not one: {why}") from None
    if place.scheme not in (("smtp",) if mail else ("http", "https")) or (mail and place.path):
        raise ConfigError(f"{where} is not one: write it like {'host:25' if mail else 'https://host/path'}")
    if not allowed.match(place, allowed.entries(settings.allowed_receivers)):
        raise ConfigError(
            f"{where} is not among the places that alerts may go to: whoever runs the platform adds "
            f"{place.origin} to MLCYCLE_ALLOWED_RECEIVERS"
        )


def _post(
    channel: Channel, url: str, body: dict[str, Any], pending: Pending, timeout: float, bearer: str
) -> None:
    import httpx

    kind = channel.kind
    headers = {"Idempotency-Key": pending.idempotency_key}
    if bearer:
        headers["Authorization"] = f"Bearer {bearer}"
    try:
        answer = httpx.post(url, json=body, headers=headers, timeout=timeout, follow_redirects=False)
    except (httpx.InvalidURL, httpx.UnsupportedProtocol):
        raise ConfigError(f"the {kind} channel's url is not one: write it like https://host/path") from None
    except httpx.HTTPError as error:
        raise Unavailable(f"{kind}: {type(error).__name__}") from None
    if answer.status_code in NEVER:
        raise InputError(f"{kind} refused the message: {answer.status_code}")
    if answer.is_redirect:
        raise ConfigError(
            f"{kind} answered {answer.status_code}, a redirect, and none is followed: write where it leads"
        )
    if not answer.is_success:
        raise Unavailable(f"{kind} answered {answer.status_code}")


def _mail(channel: Channel, pending: Pending, timeout: float, secret: str, picture: bytes) -> None:
    import smtplib
    import ssl
    from email.message import EmailMessage
    from html import escape

    domain = channel.to.rpartition("@")[2]
    message = EmailMessage()
    message["Subject"] = payloads.heading(pending)
    message["From"] = f"mlcycle@{domain}"
    message["To"] = channel.to
    message["Message-ID"] = f"<{pending.idempotency_key}@mlcycle.invalid>"
    message.set_content(f"{payloads.text(pending)}\n")
    if picture:
        page = f"<pre>{escape(payloads.text(pending))}</pre>\n<img src='cid:{PICTURE}' alt='the report'>\n"
        message.add_alternative(page, subtype="html")
        *_, shown = message.iter_parts()
        assert isinstance(shown, EmailMessage)
        shown.add_related(
            *(picture, "image", "png"), cid=f"<{PICTURE}>", disposition="inline", filename="report.png"
        )
    host, _, port = channel.host.partition(":")
    try:
        with smtplib.SMTP(host, int(port or 25), timeout=timeout) as server:
            server.ehlo()
            if server.has_extn("starttls"):
                server.starttls(context=ssl.create_default_context())
                server.ehlo()
            elif secret:
                raise ConfigError(
                    f"{channel.host} offers no TLS: the e-mail channel's secret is not sent in the clear"
                )
            if secret:
                user, _, password = secret.partition(":")
                server.login(user, password)
            server.send_message(message)
    except ValueError:
        raise ConfigError(
            f"the e-mail channel's host {channel.host!r} is not one: write it like host:25"
        ) from None
    except smtplib.SMTPRecipientsRefused:
        raise InputError(f"the mail server refuses {channel.to!r}") from None
    except (smtplib.SMTPException, OSError) as error:
        raise Unavailable(f"e-mail: {type(error).__name__}") from None
