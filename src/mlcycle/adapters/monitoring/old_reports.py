"""Reports in Evidently's UI that nobody needs. By its API alone: who keeps house has no Evidently."""

import uuid
from collections.abc import Collection
from datetime import UTC, datetime

import httpx

from mlcycle.errors import Unavailable
from mlcycle.settings import Settings

MAX_WAIT = 5.0  # seconds for one answer
SECRET_HEADER = "evidently-secret"  # noqa: S105 - its name (0.7.23)


def forget(settings: Settings, before: datetime, links: Collection[str], *, dry_run: bool) -> int:
    """Delete snapshots that Evidently's UI was given before a moment, but those that a link leads to.

    A snapshot's id is a UUID of version 7: it tells when it was made. Returns how many there are or were.
    Raises Unavailable where the UI does not answer.
    """
    secret = settings.evidently_secret.get_secret_value()
    headers = {SECRET_HEADER: secret} if secret else {}
    wait, gone = min(settings.timeout, MAX_WAIT), 0
    try:
        with httpx.Client(base_url=settings.evidently_url, headers=headers, timeout=wait) as client:
            for project in client.get("/api/v2/projects").raise_for_status().json():
                place = f"/api/projects/{project['id']}"
                listed = client.get(f"{place}/snapshots").raise_for_status().json()
                for key in (uuid.UUID(item["id"]) for item in listed):
                    made = datetime.fromtimestamp((key.int >> 80) / 1000, UTC)
                    if key.version != 7 or made >= before or any(str(key) in link for link in links):
                        continue
                    if not dry_run:
                        client.delete(f"{place}/{key}").raise_for_status()
                    gone += 1
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        reason = " ".join(str(error).split())[:200]
        raise Unavailable(f"Evidently's UI at {settings.evidently_url}: {reason}") from error
    return gone
