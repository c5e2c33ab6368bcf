"""The console: pages inside Airflow's API server, for people who are logged in there.

``requires_authenticated`` takes a bearer token or, in a browser, the ``_token`` cookie that
Airflow sets at login for every path of its own; a plain link to a page here therefore works.
"""

import mimetypes
import os
from collections.abc import Awaitable, Callable
from pathlib import Path, PurePosixPath
from urllib.parse import quote

from airflow.api_fastapi.core_api.security import requires_authenticated
from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse

from mlcycle.adapters.artifacts.store import ArtifactStore
from mlcycle.console.links import REPORTS
from mlcycle.console.overview import Overview, read_overviews
from mlcycle.console.page import overview_page
from mlcycle.errors import InputError, MlcycleError
from mlcycle.project.file import find, load, projects_folder

#: Reports are files that a step made of data: they may draw and style, and run the script they
#: bring along for their charts, but reach nothing outside and, sandboxed, none of Airflow's
#: cookies, storage or API.
REPORT_POLICY = (
    "sandbox allow-scripts allow-popups; default-src 'none'; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'; img-src data: blob:; font-src data:; form-action 'none'; base-uri 'none'"
)
PAGE_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; "
    "base-uri 'none'; frame-ancestors 'self'"
)
SHOWN = {".html": "text/html; charset=utf-8", ".json": "application/json", ".svg": "image/svg+xml"}

app = FastAPI(title="mlcycle console", docs_url=None, redoc_url=None, openapi_url=None)


@app.middleware("http")
async def _harden(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    response = await call_next(request)
    response.headers.setdefault("Content-Security-Policy", PAGE_POLICY)
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers["Cache-Control"] = "private, no-store"
    return response


@app.exception_handler(401)
async def _to_login(request: Request, error: HTTPException) -> Response:
    """Send a browser that is not logged in to Airflow's login and back; tell a program."""
    if "text/html" not in request.headers.get("accept", ""):
        return JSONResponse({"detail": error.detail}, 401)
    return RedirectResponse(f"/auth/login?next={quote(request.url.path, safe='')}", 303)


@app.get("/", dependencies=[Depends(requires_authenticated())], response_class=HTMLResponse)
def overview() -> HTMLResponse:
    """Every project's state at a glance."""
    projects: list[Overview] = []
    try:
        projects = [Overview(name, _problem(path)) for name, path in find(projects_folder()).items()]
        return HTMLResponse(overview_page(read_overviews(projects)))
    except MlcycleError as error:
        return HTMLResponse(overview_page(projects, error.message), 503 if error.retryable else 500)


def _problem(path: Path) -> str:
    try:
        load(path)
    except MlcycleError as error:
        return error.message
    return ""


@app.get("/reports/{path:path}", dependencies=[Depends(requires_authenticated())])
def report(path: str) -> Response:
    """A report out of the artifact store; nothing but what lies under ``reports/``."""
    suffix = PurePosixPath(path).suffix.lower()
    kind = SHOWN.get(suffix) or mimetypes.types_map.get(suffix, "application/octet-stream")
    try:
        store = ArtifactStore(os.environ.get("MLCYCLE_ARTIFACTS_URL", ""))
        data = store.read(REPORTS + path)
    except InputError:
        raise HTTPException(404, "no such report") from None
    except (MlcycleError, OSError) as error:
        raise HTTPException(503, f"the artifact store does not answer: {error}") from None
    return Response(data, media_type=kind, headers={"Content-Security-Policy": REPORT_POLICY})
