"""The console: pages inside Airflow's API server, for people who are logged in there.

``requires_authenticated`` takes a bearer token or, in a browser, the ``_token`` cookie that
Airflow sets at login for every path of its own; a plain link to a page here therefore works.
"""

import mimetypes
import os
from collections.abc import Awaitable, Callable

from airflow.api_fastapi.core_api.security import requires_authenticated
from fastapi import Depends, FastAPI, HTTPException, Request, Response
from fastapi.responses import HTMLResponse

from mlcycle.adapters.artifacts import ArtifactStore
from mlcycle.console.links import REPORTS
from mlcycle.console.overview import Overview, read_overviews
from mlcycle.console.page import overview_page
from mlcycle.errors import InputError, MlcycleError
from mlcycle.orchestration.factory import projects_folder
from mlcycle.project_file import find

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


@app.get("/", dependencies=[Depends(requires_authenticated())], response_class=HTMLResponse)
def overview() -> HTMLResponse:
    """Every project's state at a glance."""
    names: list[str] = []
    try:
        names = list(find(projects_folder()))
        return HTMLResponse(overview_page(read_overviews(names)))
    except MlcycleError as error:
        status = 503 if error.retryable else 500
        return HTMLResponse(overview_page([Overview(name) for name in names], error.message), status)


@app.get("/reports/{path:path}", dependencies=[Depends(requires_authenticated())])
def report(path: str) -> Response:
    """A report out of the artifact store; nothing but what lies under ``reports/``."""
    suffix = os.path.splitext(path)[1].lower()
    kind = SHOWN.get(suffix) or mimetypes.types_map.get(suffix, "application/octet-stream")
    try:
        store = ArtifactStore(os.environ.get("MLCYCLE_ARTIFACTS_URL", ""))
        data = store.read(REPORTS + path)
    except InputError:
        raise HTTPException(404, "no such report") from None
    except (MlcycleError, OSError) as error:
        raise HTTPException(503, f"the artifact store does not answer: {error}") from None
    return Response(data, media_type=kind, headers={"Content-Security-Policy": REPORT_POLICY})
