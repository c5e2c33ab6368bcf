"""The service that takes events: ``POST /events/<project>/<table>``, JSON lines or a JSON list.

202 says that all of the batch is in the queue, 422 that none of it is and which event is wrong how; after
503, or no answer at all, the same batch is put again, and what was there is not put twice.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from queue import SimpleQueue

from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect, Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from mlcycle.adapters.delivery import putting
from mlcycle.adapters.delivery.putting import EventsRefused, Taken
from mlcycle.adapters.warehouse.connection import Warehouse
from mlcycle.console.files import ProjectFiles
from mlcycle.errors import InputError, MlcycleError
from mlcycle.landing.tokens import Tokens
from mlcycle.project import Project
from mlcycle.settings import Settings

MOST_BYTES = 8 << 20  # of a body
SLOWEST = 30.0  # seconds in which a body must have come
AT_ONCE = 4  # batches that are read and put side by side
TOLD = 1000  # refused events of a batch that are told of

log = logging.getLogger("mlcycle.landing")


class _Refused(Exception):
    """A request that is answered with a code and a line."""

    def __init__(self, code: int, detail: str, **headers: str) -> None:
        super().__init__(detail)
        self.answer = JSONResponse({"detail": detail}, code, headers)


class Landing:
    """The service: projects of a folder, their tokens, and a few connections."""

    def __init__(self, folder: Path, settings: Settings, tokens: Tokens) -> None:
        self._folder, self._tokens, self._files = folder, tokens, ProjectFiles()
        self._turns = asyncio.Semaphore(AT_ONCE)
        self._idle: SimpleQueue[Warehouse] = SimpleQueue()
        for _ in range(AT_ONCE):
            self._idle.put(Warehouse(settings, "mlcycle:events"))

    def app(self) -> Starlette:
        """The application."""
        return Starlette(
            routes=[
                Route("/events/{project}/{table}", _told(self.put), methods=["POST"]),
                Route("/health", _told(self.health), methods=["GET"]),
            ]
        )

    async def put(self, request: Request) -> Response:
        """Put a batch."""
        name, table = request.path_params["project"], request.path_params["table"]
        if not self._tokens.opens(name, request.headers.get("authorization", "")):
            await _let_go(request)
            raise _Refused(
                401, "bear the project's token: Authorization: Bearer ...", **{"WWW-Authenticate": "Bearer"}
            )
        if request.headers.get("content-encoding", "identity") != "identity":
            await _let_go(request)
            raise _Refused(415, "send the body as it is, without a content encoding")
        async with self._turns:  # before the body is taken: what waits holds no memory
            body = await _body(request)
            taken = await run_in_threadpool(self._put, name, table, body)
        return JSONResponse({"events": taken.events, "new": taken.new}, 202)

    async def health(self, _request: Request) -> Response:
        """Whether events can be taken: the warehouse answers."""
        async with self._turns:
            await run_in_threadpool(self._ask)
        return JSONResponse({"status": "ok"})

    def _put(self, name: str, table: str, body: bytes) -> Taken:
        project = self._files.one(self._folder, name)
        if not isinstance(project, Project):
            detail = (
                f"no project {name!r}" if project is None else f"the file of {name!r} is wrong: {project}"
            )
            raise _Refused(404 if project is None else 503, detail)
        try:
            putting.table_of(project, table)
        except InputError as error:
            raise _Refused(404, error.message) from None
        with self._warehouse() as warehouse:
            return putting.put(warehouse, project, table, body)

    def _ask(self) -> None:
        with self._warehouse() as warehouse:
            warehouse.query("select 1")

    @contextmanager
    def _warehouse(self) -> Iterator[Warehouse]:
        warehouse = self._idle.get()
        try:
            yield warehouse
        except BaseException:
            warehouse.close()  # one that the server has ended is opened anew by the next
            raise
        finally:
            self._idle.put(warehouse)


async def _body(request: Request, most: int = MOST_BYTES, drained: int = 4 * MOST_BYTES) -> bytes:
    """The body, within its limits of bytes and seconds.

    What is too much is read and let go, up to ``drained`` bytes: a producer that is still sending when the
    connection is closed would never read why.
    """
    body, size = bytearray(), 0
    try:
        async with asyncio.timeout(SLOWEST):
            async for chunk in request.stream():
                size += len(chunk)
                if size <= most:
                    body += chunk
                elif size > drained:
                    break
    except TimeoutError:
        raise _Refused(408, f"the body did not come within {SLOWEST:g} s") from None
    if size > most:
        raise _Refused(413, f"more than {MOST_BYTES} bytes: put fewer events at once")
    return bytes(body)


async def _let_go(request: Request) -> None:
    """Read what comes with a request that is refused by its head."""
    with suppress(_Refused):
        await _body(request, 0, 1 << 20)


def _told(
    endpoint: Callable[[Request], Awaitable[Response]],
) -> Callable[[Request], Awaitable[Response]]:
    """An endpoint whose errors are a line each, and never what an event says."""

    async def answer(request: Request) -> Response:
        try:
            return await endpoint(request)
        except _Refused as refused:
            return refused.answer
        except EventsRefused as error:
            rows = [{"event": each.row, "why": each.why} for each in error.rows[:TOLD]]
            return JSONResponse({"detail": error.message, "events": rows}, 422)
        except InputError as error:
            return JSONResponse({"detail": error.message}, 422)
        except ClientDisconnect:
            return Response(status_code=400)
        except MlcycleError as error:
            log.warning("%s: %s", request.url.path, error.message)
            return JSONResponse({"detail": error.message}, 503, {"Retry-After": "5"})

    return answer
