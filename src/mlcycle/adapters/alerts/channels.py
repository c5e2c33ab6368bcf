"""Channels that alerts leave by: the log, a webhook, e-mail. Each try may be the second one.

A delivery bears an idempotency key that stays the same for every try, so that a receiver that was
reached although the answer got lost can tell.
"""

import os
import sys
from collections.abc import Iterable, Mapping
from hashlib import sha256

from mlcycle.domain import allowed
from mlcycle.domain.step_secrets import secret_variable
from mlcycle.errors import ConfigError, InputError, Unavailable
from mlcycle.ledger.alerts import RANK, Alert, Pending
from mlcycle.project import Channel
from mlcycle.settings import Settings

NEVER = (400, 413, 422)  # the receiver says the message itself is wrong: it will be next time too


def channel_id(channel: Channel) -> str:
    """Names the channel in the ledger: its kind and a digest of its target, which may hold a secret."""
    target = channel.url or f"{channel.to}@{channel.host}"
    return (
        channel.kind if channel.kind == "log" else f"{channel.kind}:{sha256(target.encode()).hexdigest()[:8]}"
    )


def due_channels(channels: Iterable[Channel], alert: Alert) -> list[str]:
    """Names of the channels that want alerts of this severity."""
    return [channel_id(item) for item in channels if RANK[alert.severity] >= RANK[item.min_severity]]


def deliver(
    channel: Channel, pending: Pending, settings: Settings, env: Mapping[str, str] = os.environ
) -> None:
    """Hand one alert to its channel.

    Raises Unavailable where the receiver does not take it now, InputError where it never will,
    ConfigError where the channel lacks something or names a place that is not allowed.
    """
    timeout, secret = settings.timeout, ""
    if channel.secret:
        variable = secret_variable(pending.project, channel.secret)
        secret = env.get(variable, "")
        if not secret:
            raise ConfigError(f"{variable}, which the {channel.kind} channel names, is not set")
    if channel.kind != "log":
        _check(channel, settings)
    if channel.kind == "webhook":
        _post(channel, pending, timeout, secret)
    elif channel.kind == "email":
        _mail(channel, pending, timeout, secret)
    else:
        alert = pending.alert
        body = alert.body.replace("\n", "\n    ")
        print(
            f"ALERT [{alert.severity}] {alert.title}\n    {body}\n    {alert.link}",
            file=sys.stderr,
            flush=True,
        )


def _check(channel: Channel, settings: Settings) -> None:
    """Raises ConfigError, without the path of the URL, which may be a secret."""
    where = f"the {channel.kind} channel's {'url' if channel.kind == 'webhook' else 'host'}"
    url = channel.url if channel.kind == "webhook" else f"smtp://{channel.host}"
    try:
        place = allowed.parse(url, query=channel.kind == "webhook")
    except ValueError as error:
        raise ConfigError(f"{where} is not one: {error}") from None
    schemes = ("http", "https") if channel.kind == "webhook" else ("smtp",)
    if place.scheme not in schemes or (channel.kind == "email" and place.path):
        example = "https://host/path" if channel.kind == "webhook" else "host:25"
        raise ConfigError(f"{where} is not one: write it like {example}")
    if not allowed.match(place, allowed.entries(settings.allowed_receivers)):
        raise ConfigError(
            f"{where} is not among the places that alerts may go to: whoever runs the platform adds "
            f"{place.origin} to MLCYCLE_ALLOWED_RECEIVERS"
        )


def document(pending: Pending) -> dict[str, str | int]:
    """What a webhook is sent, as JSON."""
    alert = pending.alert
    return {
        "version": "mlcycle.alert/1",
        "id": pending.alert_id,
        "project": pending.project,
        "key": alert.key,
        "severity": alert.severity,
        "title": alert.title,
        "text": f"[{alert.severity}] {alert.title}\n{alert.body}\n{alert.link}".strip(),
        "body": alert.body,
        "link": alert.link,
        "first_partition": pending.first_partition,
        "last_partition": pending.last_partition,
    }


def _post(channel: Channel, pending: Pending, timeout: float, secret: str) -> None:
    import httpx

    headers = {"Idempotency-Key": pending.idempotency_key}
    if secret:
        headers["Authorization"] = f"Bearer {secret}"
    try:
        answer = httpx.post(
            channel.url, json=document(pending), headers=headers, timeout=timeout, follow_redirects=False
        )
    except (httpx.InvalidURL, httpx.UnsupportedProtocol):
        raise ConfigError("the webhook channel's url is not one: write it like https://host/path") from None
    except httpx.HTTPError as error:
        raise Unavailable(f"webhook: {type(error).__name__}") from None
    if answer.status_code in NEVER:
        raise InputError(f"webhook refused the message: {answer.status_code}")
    if answer.is_redirect:
        raise ConfigError(
            f"webhook answered {answer.status_code}, a redirect, and none is followed: write where it leads"
        )
    if not answer.is_success:
        raise Unavailable(f"webhook answered {answer.status_code}")


def _mail(channel: Channel, pending: Pending, timeout: float, secret: str) -> None:
    import smtplib
    import ssl
    from email.message import EmailMessage

    alert, domain = pending.alert, channel.to.rpartition("@")[2]
    message = EmailMessage()
    message["Subject"] = " ".join(f"[{alert.severity}] {alert.title}".split())
    message["From"] = f"mlcycle@{domain}"
    message["To"] = channel.to
    message["Message-ID"] = f"<{pending.idempotency_key}@mlcycle.invalid>"
    message.set_content(f"{alert.body}\n\n{alert.link}\n")
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
