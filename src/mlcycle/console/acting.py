"""Who may act on a project's alerts from the console, and that it is they who ask.

A browser sends Airflow's cookie along with whatever asks it to: only a page of this very origin may.
Who brings a token instead, as programs do, is who it says.
"""

import json
import os
from collections.abc import Collection
from typing import Annotated, Any
from urllib.parse import parse_qsl, urlsplit

from airflow.api_fastapi.core_api.security import get_user, requires_access_dag
from fastapi import Depends, HTTPException, Request

from mlcycle.console.overview import acting
from mlcycle.domain.durations import parse_duration
from mlcycle.errors import InputError
from mlcycle.ledger import alert_acts
from mlcycle.ledger.alert_acts import Act

LARGEST = 16_384  # bytes of a form
FIELDS = ("action", "name", "reason", "owner", "for")

User = Annotated[Any, Depends(get_user)]


def may_act(request: Request, user: Any, project: str) -> bool:
    """Whether Airflow lets the person change runs of the project's monitoring."""
    if user is None:
        return False
    try:
        check_permission(request, user, project)
    except HTTPException:
        return False
    return True


def check_permission(request: Request, user: Any, project: str) -> None:
    """Raise HTTPException 403 where Airflow does not let the person change the project's monitor DAG."""
    requires_access_dag("PUT", param_dag_id=f"{project}_monitor")(request, user)


def check_origin(request: Request) -> None:
    """Raise HTTPException 403 for a browser's request that does not come from a page of this origin."""
    headers = request.headers
    if headers.get("authorization", "").lower().startswith("bearer "):
        return
    site, origin = headers.get("sec-fetch-site"), headers.get("origin", "")
    own = {
        f"{request.url.scheme}://{headers.get('host', '')}",
        _origin(os.environ.get("MLCYCLE_AIRFLOW_URL", "")),
    }
    # The first header is sent over https and on loopback alone, the second by every browser's form.
    if site == "same-origin" or (site is None and origin and origin in own):
        return
    raise HTTPException(403, "asked by another page than this console's: use its form, or a bearer token")


async def fields(request: Request) -> dict[str, str]:
    """What a form on alerts, or a JSON object, holds. Raises HTTPException 400, 413 or 415."""
    return await form(request, FIELDS)


async def form(request: Request, known: Collection[str]) -> dict[str, str]:
    """What a form, or a JSON object, holds of these fields. Raises HTTPException 400, 413 or 415."""
    body = b""
    async for part in request.stream():
        body += part
        if len(body) > LARGEST:
            raise HTTPException(413, f"more than {LARGEST} bytes: write less")
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    try:
        if kind == "application/x-www-form-urlencoded":
            given: Any = dict(parse_qsl(body.decode(), max_num_fields=20))
        elif kind == "application/json":
            given = json.loads(body)
        else:
            raise HTTPException(415, "send a form, or JSON with Content-Type: application/json")
    except ValueError:
        raise HTTPException(400, "the body cannot be read: send an object of texts") from None
    if not isinstance(given, dict) or not all(isinstance(value, str) for value in given.values()):
        raise HTTPException(400, "send one object, each value of it a text")
    if unknown := sorted(set(given) - set(known)):
        raise HTTPException(400, f"unknown field {unknown[0]!r}: there are {', '.join(known)}")
    return given


def act(project: str, user: Any, given: dict[str, str]) -> str:
    """Do what a form says in the person's name; says what came of it. Raises InputError or Unavailable."""
    lasting = None
    if given.get("action") == "silence":
        try:
            lasting = parse_duration(given.get("for", ""))
        except ValueError as error:
            raise InputError(f"for: {error}") from None
    texts = {name: given.get(name, "") for name in ("action", "name", "reason", "owner")}
    with acting() as cursor:
        return alert_acts.act(cursor, project, Act(actor=user.get_name(), lasting=lasting, **texts))


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc}" if parts.netloc else ""
