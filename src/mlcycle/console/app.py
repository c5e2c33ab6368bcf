"""The console: pages inside Airflow's API server, for people who are logged in there.

``requires_authenticated`` takes a bearer token or, in a browser, the ``_token`` cookie that
Airflow sets at login for every path of its own; a plain link to a page here therefore works.
"""

import mimetypes
import os
from collections.abc import Awaitable, Callable
from pathlib import PurePosixPath
from typing import Annotated
from urllib.parse import quote

from airflow.api_fastapi.core_api.security import requires_authenticated
from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi import Path as PathParameter
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse

from mlcycle.adapters.artifacts.store import ArtifactStore
from mlcycle.console.files import ProjectFiles, Read
from mlcycle.console.links import REPORTS
from mlcycle.console.overview import Overview, read_detail, read_overviews, reading
from mlcycle.console.page import problem_page, project_page, projects_page
from mlcycle.contract import Output
from mlcycle.errors import InputError, IntegrityError, MlcycleError
from mlcycle.project.file import projects_folder

#: Reports are files that a step made of data: they may draw and style, and run the script they
#: bring along for their charts and the one they share, but reach nothing outside and, sandboxed,
#: none of Airflow's cookies, storage or API. Sandboxed they have no origin: 'self' is nobody, so the
#: shared script's place is named by its address.
REPORT_POLICY = (
    "sandbox allow-scripts allow-popups; default-src 'none'; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline' {static}; img-src data: blob:; font-src data:; form-action 'none'; "
    "base-uri 'none'"
)
PAGE_POLICY = (
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'none'; "
    "base-uri 'none'; frame-ancestors 'self'"
)
SHOWN = {".html": "text/html; charset=utf-8", ".json": "application/json", ".svg": "image/svg+xml"}

FEW = 6  # projects whose details all stand on the first page
files = ProjectFiles()

app = FastAPI(title="mlcycle console", docs_url=None, redoc_url=None, openapi_url=None)


@app.middleware("http")
async def _harden(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    response = await call_next(request)
    response.headers.setdefault("Content-Security-Policy", PAGE_POLICY)
    response.headers["X-Content-Type-Options"] = "nosniff"
    response.headers["Referrer-Policy"] = "no-referrer"
    response.headers.setdefault("Cache-Control", "private, no-store")
    return response


@app.exception_handler(401)
async def _to_login(request: Request, error: HTTPException) -> Response:
    """Send a browser that is not logged in to Airflow's login and back; tell a program."""
    if "text/html" not in request.headers.get("accept", ""):
        return JSONResponse({"detail": error.detail}, 401)
    return RedirectResponse(f"/auth/login?next={quote(request.url.path, safe='')}", 303)


@app.get("/", dependencies=[Depends(requires_authenticated())], response_class=HTMLResponse)
def projects() -> HTMLResponse:
    """Every project in a line; where there are few, all of each as well."""
    overviews: list[Overview] = []
    try:
        read = files.all(projects_folder())
        overviews = [_overview(name, found) for name, found in read.items()]
        with reading() as cursor:
            overviews = read_overviews(cursor, overviews)
            few = overviews if len(overviews) <= FEW else []
            details = [read_detail(cursor, overview) for overview in few]
        waiting = sum(found is None for found in read.values())
        return HTMLResponse(projects_page(overviews, details, reading=waiting))
    except MlcycleError as error:
        return HTMLResponse(projects_page(overviews, error=error.message), _code(error))


@app.get("/projects/{name}", dependencies=[Depends(requires_authenticated())], response_class=HTMLResponse)
def project(name: str) -> HTMLResponse:
    """One project's page."""
    try:
        found = files.one(projects_folder(), name)
        with reading() as cursor:
            overviews = {overview.name: overview for overview in read_overviews(cursor, [])}
            if found is None and name not in overviews:
                return HTMLResponse(problem_page("No such project", f"there is no project {name!r}"), 404)
            overview = overviews.get(name, Overview(name))
            overview.describe(found)
            return HTMLResponse(project_page(read_detail(cursor, overview)))
    except MlcycleError as error:
        return HTMLResponse(problem_page(name, error.message), _code(error))


def _overview(name: str, found: Read | None) -> Overview:
    overview = Overview(name)
    overview.describe(found)
    return overview


def _code(error: MlcycleError) -> int:
    return 503 if error.retryable else 500


@app.get("/reports/static/{digest}.js")
def shared_script(digest: Annotated[str, PathParameter(pattern="^[0-9a-f]{64}$")]) -> Response:
    """A script that reports have in common: an open library's code, checked against its name.

    Who asks is not known: a sandboxed page has no origin, and its browser sends no cookie along.
    """
    store = _store()
    path = f"{REPORTS}static/{digest}.js"
    try:
        data = store.get(Output(uri=store.uri(path), digest=digest))
    except (InputError, IntegrityError):
        raise HTTPException(404, "no such script") from None
    except (MlcycleError, OSError) as error:
        raise HTTPException(503, f"the artifact store does not answer: {error}") from None
    headers = {"Cache-Control": "public, max-age=31536000, immutable"}
    return Response(data, media_type="text/javascript; charset=utf-8", headers=headers)


@app.get("/reports/{path:path}", dependencies=[Depends(requires_authenticated())])
def report(path: str, request: Request) -> Response:
    """A report out of the artifact store; nothing but what lies under ``reports/``."""
    suffix = PurePosixPath(path).suffix.lower()
    kind = SHOWN.get(suffix) or mimetypes.types_map.get(suffix, "application/octet-stream")
    try:
        data = _store().read(REPORTS + path)
    except InputError:
        raise HTTPException(404, "no such report") from None
    except (MlcycleError, OSError) as error:
        raise HTTPException(503, f"the artifact store does not answer: {error}") from None
    static = str(request.url_for("shared_script", digest="0" * 64)).rpartition("/")[0] + "/"
    policy = REPORT_POLICY.format(static=static)
    return Response(data, media_type=kind, headers={"Content-Security-Policy": policy})


def _store() -> ArtifactStore:
    return ArtifactStore(os.environ.get("MLCYCLE_ARTIFACTS_URL", ""))
