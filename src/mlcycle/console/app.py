"""The console: pages inside Airflow's API server, for people who are logged in there.

``requires_authenticated`` takes a bearer token or, in a browser, the ``_token`` cookie that
Airflow sets at login for every path of its own; a plain link to a page here therefore works.
"""

import mimetypes
import os
from collections.abc import Awaitable, Callable
from dataclasses import asdict
from hmac import compare_digest
from pathlib import PurePosixPath
from typing import Annotated
from urllib.parse import quote

from airflow.api_fastapi.core_api.security import requires_authenticated
from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi import Path as PathParameter
from fastapi.encoders import jsonable_encoder
from fastapi.responses import HTMLResponse, JSONResponse, RedirectResponse

from mlcycle.adapters.artifacts.store import ArtifactStore
from mlcycle.console import labelling
from mlcycle.console.acting import User, act, check_origin, check_permission, fields, may_act
from mlcycle.console.files import ProjectFiles, Read
from mlcycle.console.links import REPORTS
from mlcycle.console.metrics import Kept, exposition
from mlcycle.console.overview import Overview, read_detail, read_overviews, reading
from mlcycle.console.page import problem_page, project_page, projects_page
from mlcycle.contract import Output
from mlcycle.errors import InputError, IntegrityError, MlcycleError
from mlcycle.ledger import alert_acts, forgotten
from mlcycle.project import Project
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
    "default-src 'none'; style-src 'unsafe-inline'; img-src data:; form-action 'self'; "
    "base-uri 'none'; frame-ancestors 'self'"
)
SHOWN = {".html": "text/html; charset=utf-8", ".json": "application/json", ".svg": "image/svg+xml"}

FEW = 6  # projects whose details all stand on the first page
files = ProjectFiles()
kept_metrics = Kept()

app = FastAPI(title="mlcycle console", docs_url=None, redoc_url=None, openapi_url=None)
app.include_router(labelling.router)


@app.middleware("http")
async def _harden(request: Request, call_next: Callable[[Request], Awaitable[Response]]) -> Response:
    response = await call_next(request)
    response.headers.setdefault("Content-Security-Policy", PAGE_POLICY)
    response.headers["X-Content-Type-Options"] = "nosniff"
    # Without it a browser's form would say that it comes from nowhere.
    response.headers["Referrer-Policy"] = "same-origin"
    response.headers.setdefault("Cache-Control", "private, no-store")
    return response


@app.exception_handler(401)
async def _to_login(request: Request, error: HTTPException) -> Response:
    """Send a browser that is not logged in to Airflow's login and back; tell a program."""
    if "text/html" not in request.headers.get("accept", ""):
        return JSONResponse({"detail": error.detail}, 401)
    return RedirectResponse(f"/auth/login?next={quote(request.url.path, safe='')}", 303)


@app.get("/", response_class=HTMLResponse)
def projects(request: Request, user: User) -> HTMLResponse:
    """Every project in a line; where there are few, all of each as well."""
    overviews: list[Overview] = []
    try:
        read = files.all(projects_folder())
        overviews = [_overview(name, found) for name, found in read.items()]
        with reading() as cursor:
            overviews = read_overviews(cursor, overviews, forgotten.names(cursor))
            few = overviews if len(overviews) <= FEW else []
            details = [read_detail(cursor, overview) for overview in few]
        waiting = sum(found is None for found in read.values())
        acting = [one.overview.name for one in details if may_act(request, user, one.overview.name)]
        return HTMLResponse(projects_page(overviews, details, reading=waiting, acting=acting))
    except MlcycleError as error:
        return HTMLResponse(projects_page(overviews, error=error.message), _code(error))


@app.get("/projects/{name}", response_class=HTMLResponse)
def project(name: str, request: Request, user: User) -> HTMLResponse:
    """One project's page."""
    return _project(name, acting=may_act(request, user, name))


@app.post("/projects/{name}", dependencies=[Depends(check_origin)], response_class=HTMLResponse)
def act_on_page(
    name: str, request: Request, user: User, given: Annotated[dict[str, str], Depends(fields)]
) -> HTMLResponse:
    """Act on an alert by the page's form, and show the project as it is then."""
    check_permission(request, user, name)
    try:
        said = act(name, user, given)
    except MlcycleError as error:
        return _project(name, acting=True, error=error.message)
    return _project(name, acting=True, said=said)


@app.get("/api/projects/{name}/alerts", dependencies=[Depends(requires_authenticated())])
def open_alerts(name: str) -> Response:
    """A project's open alerts and how they stand, as JSON."""
    try:
        with reading() as cursor:
            found = [asdict(alert) for alert in alert_acts.open_alerts(cursor, name)]
    except MlcycleError as error:
        return JSONResponse({"detail": error.message}, _code(error))
    return JSONResponse(jsonable_encoder({"alerts": found}))


@app.post("/api/projects/{name}/alerts", dependencies=[Depends(check_origin)])
def act_by_program(
    name: str, request: Request, user: User, given: Annotated[dict[str, str], Depends(fields)]
) -> Response:
    """Act on an alert; what came of it, as JSON."""
    check_permission(request, user, name)
    try:
        return JSONResponse({"message": act(name, user, given)})
    except InputError as error:
        return JSONResponse({"detail": error.message}, 400)
    except MlcycleError as error:
        return JSONResponse({"detail": error.message}, _code(error))


def _project(name: str, *, acting: bool, said: str = "", error: str = "") -> HTMLResponse:
    try:
        found = files.one(projects_folder(), name)
        with reading() as cursor:
            overviews = {overview.name: overview for overview in read_overviews(cursor, [])}
            if found is None and name not in overviews:
                return HTMLResponse(problem_page("No such project", f"there is no project {name!r}"), 404)
            overview = overviews.get(name, Overview(name))
            overview.describe(found)
            detail = read_detail(cursor, overview)
            page = project_page(detail, acting=acting, explored=_explored(name), said=said, error=error)
            return HTMLResponse(page, 400 if error else 200)
    except MlcycleError as problem:
        return HTMLResponse(problem_page(name, problem.message), _code(problem))


def _explored(name: str) -> str:
    """The report of ``mlcycle explore``, where there is one; a store that is away hides the link alone."""
    path = f"{REPORTS}{name}/explore/page.html"
    try:
        return path if _store().exists(path) else ""
    except (MlcycleError, OSError):
        return ""


def _overview(name: str, found: Read | None) -> Overview:
    overview = Overview(name)
    overview.describe(found)
    return overview


def _code(error: MlcycleError) -> int:
    return 503 if error.retryable else 500


@app.get("/metrics")
def metrics(request: Request) -> Response:
    """The platform for a Prometheus, which has no login of Airflow's: it bears a token of its own."""
    wanted = os.environ.get("MLCYCLE_METRICS_TOKEN", "")
    if not wanted:
        raise HTTPException(404, "metrics are off: set MLCYCLE_METRICS_TOKEN, which the scraper bears")
    given = request.headers.get("authorization", "").removeprefix("Bearer ")
    if not compare_digest(given.encode(), wanted.encode()):
        return JSONResponse(
            {"detail": "send MLCYCLE_METRICS_TOKEN as bearer token"}, 401, {"WWW-Authenticate": "Bearer"}
        )
    try:
        return Response(kept_metrics.get(_metrics), media_type="text/plain; version=0.0.4; charset=utf-8")
    except MlcycleError as error:
        raise HTTPException(_code(error), error.message) from None


def _metrics() -> bytes:
    read = files.all(projects_folder())
    projects = {name: found for name, found in read.items() if isinstance(found, Project)}
    with reading() as cursor:
        return exposition(cursor, projects)


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
