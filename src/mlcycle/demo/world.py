"""The demo's world: the source systems of the projects as a small HTTP server on loopback.

``GET /<project>/<table>/<partition>.csv`` hands out a delivery, 404 where there is none.
``PUT /faults`` plants faults (a JSON list, see ``world_faults.Fault``), ``GET /faults`` shows them;
they are kept in the state folder. ``GET /health`` answers as soon as the server listens; the data
is read when it is first asked for.
"""

import argparse
import json
import os
import re
import sys
from functools import cached_property
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from pydantic import ValidationError

from mlcycle.demo import world_data
from mlcycle.demo.world_data import day_file
from mlcycle.demo.world_faults import Fault, Faults, plant
from mlcycle.errors import MlcycleError

MAX_BODY = 1 << 20
ROUTE = re.compile(r"/([a-z][a-z0-9_]{0,30})/([a-z][a-z0-9_]{0,30})/([0-9T-]{10,13})\.csv")


class World(ThreadingHTTPServer):
    """The server and the faults it has been told to plant."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, port: int, state: Path, host: str = "127.0.0.1") -> None:
        self._file = state / "faults.json"
        super().__init__((host, port), Handler)

    @cached_property
    def faults(self) -> list[Fault]:
        """The faults in force."""
        return Faults.validate_json(self._file.read_bytes()) if self._file.exists() else []

    def plant(self, faults: list[Fault]) -> None:
        """Replace the faults, also for the next start."""
        self._file.parent.mkdir(parents=True, exist_ok=True)
        staged = self._file.with_suffix(f".{os.getpid()}.part")
        staged.write_bytes(Faults.dump_json(faults, indent=1))
        staged.replace(self._file)
        self.faults = faults

    def delivery(self, project: str, table: str, partition: str) -> tuple[HTTPStatus, bytes]:
        """Status and bytes of a delivery, faults included."""
        try:
            data = day_file(project, table, partition)
        except KeyError:
            return HTTPStatus.NOT_FOUND, b"no such table\n"
        if data is None:
            return HTTPStatus.NOT_FOUND, b"no delivery of this partition\n"
        for fault in self.faults:
            if not fault.hits(project, table, partition):
                continue
            if fault.kind == "missing":
                return HTTPStatus.NOT_FOUND, b"no delivery of this partition yet\n"
            if fault.kind == "unavailable":
                return HTTPStatus.SERVICE_UNAVAILABLE, b"the source is down\n"
            data = plant(fault, data)
        return HTTPStatus.OK, data


class Handler(BaseHTTPRequestHandler):
    """Requests of one connection."""

    protocol_version = "HTTP/1.1"
    server_version = "mlcycle-world"
    timeout = 60
    wbufsize = -1  # headers and body leave in one segment
    disable_nagle_algorithm = True

    def do_GET(self) -> None:
        """Answer a delivery, the faults or the health."""
        world = self._world
        if self.path == "/health":
            self._answer(HTTPStatus.OK, b"ok\n", "text/plain")
        elif self.path == "/faults":
            self._answer(HTTPStatus.OK, Faults.dump_json(world.faults), "application/json")
        elif match := ROUTE.fullmatch(self.path):
            status, data = world.delivery(*match.groups())
            self._answer(status, data, "text/csv" if status == HTTPStatus.OK else "text/plain")
        else:
            self._answer(HTTPStatus.NOT_FOUND, b"GET /<project>/<table>/<partition>.csv\n", "text/plain")

    def do_PUT(self) -> None:
        """Take a list of faults in place of those in force."""
        length = int(self.headers.get("Content-Length") or 0)
        if self.path != "/faults" or not 0 < length <= MAX_BODY:
            self.close_connection = True
            self._answer(HTTPStatus.BAD_REQUEST, b"PUT /faults takes a JSON list of faults\n", "text/plain")
            return
        try:
            faults = Faults.validate_json(self.rfile.read(length))
            for fault in faults:
                _check(fault)
        except (ValidationError, ValueError) as error:
            text = error.errors()[0]["msg"] if isinstance(error, ValidationError) else str(error)
            self._answer(HTTPStatus.BAD_REQUEST, f"{text}\n".encode(), "text/plain")
            return
        self._world.plant(faults)
        self._answer(HTTPStatus.OK, json.dumps({"planted": len(faults)}).encode(), "application/json")

    @property
    def _world(self) -> World:
        assert isinstance(self.server, World)
        return self.server

    def _answer(self, status: HTTPStatus, body: bytes, kind: str) -> None:
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()

    def log_message(self, format: str, *args: object) -> None:
        """Log what went wrong only; a backfill asks a thousand times."""
        if args and str(args[1] if len(args) > 1 else "").startswith(("4", "5")):
            super().log_message(format, *args)


def _check(fault: Fault) -> None:
    source = world_data.SOURCES.get(fault.project, {}).get(fault.table)
    if source is None:
        raise ValueError(f"no table {fault.project}/{fault.table}")
    if fault.column and fault.column not in source[0]:
        raise ValueError(f"table {fault.project}/{fault.table} has no column {fault.column!r}")
    if fault.kind == "drifted_sensor" and not fault.column:
        raise ValueError("drifted_sensor needs a column")


def write(folder: Path, first: str, last: str) -> int:
    """Write every delivery between two partition keys below a folder; returns how many."""
    count = 0
    for project, tables in world_data.SOURCES.items():
        for table in tables:
            for key in world_data.partitions(project, table):
                if first <= key <= last or first <= key[:10] <= last:
                    target = folder / project / table / f"{key}.csv"
                    target.parent.mkdir(parents=True, exist_ok=True)
                    target.write_bytes(day_file(project, table, key) or b"")
                    count += 1
    return count


def main() -> int:
    """Serve the world, or write its deliveries out."""
    parser = argparse.ArgumentParser(prog="python -m mlcycle.demo.world", description=__doc__)
    parser.add_argument("--port", type=int, help="serve on this port")
    parser.add_argument("--host", default="127.0.0.1", help="of this address; 0.0.0.0 in a container")
    parser.add_argument(
        "--state", type=Path, default=Path(".mlcycle/world"), help="where the faults are kept"
    )
    parser.add_argument("--write", type=Path, metavar="FOLDER", help="write the deliveries here instead")
    parser.add_argument("--first", default="", help="first day to write")
    parser.add_argument("--last", default="9999", help="last day to write")
    options = parser.parse_args()
    try:
        if options.write is not None:
            count = write(options.write, options.first, options.last)
            print(f"{count} files below {options.write}")
            return 0
        if options.port is None:
            parser.error("say --port or --write")
        with World(options.port, options.state, options.host) as world:
            print(f"the world listens on http://{options.host}:{world.server_port}", flush=True)
            world.serve_forever()
    except KeyboardInterrupt:
        return 0
    except (MlcycleError, OSError, ValidationError) as error:
        print(f"world: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
