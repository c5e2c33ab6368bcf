"""Is a service ready? Each check answers at once: yes or not yet."""

import json
import socket
import urllib.error
import urllib.request
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

from mlcycle.local.config import HOST
from mlcycle.local.postgres import Postgres

Check = Callable[[float], bool]  # given when the service was started (Unix time)


def database(server: Postgres) -> Check:
    """The server answers a login."""

    def check(_: float) -> bool:
        import psycopg2

        try:
            psycopg2.connect(server.dsn("postgres"), connect_timeout=2).close()
        except psycopg2.OperationalError:
            return False
        return True

    return check


def http(port: int, path: str) -> Check:
    """The path answers with success."""
    return lambda _: _get(port, path) is not None


def unix_socket(path: Path) -> Check:
    """Somebody listens on the socket."""

    def check(_: float) -> bool:
        with socket.socket(socket.AF_UNIX) as probe:
            probe.settimeout(0.5)
            try:
                probe.connect(str(path))
            except OSError:
                return False
            return True

    return check


def airflow(port: int, component: str) -> Check:
    """Airflow's own health report says the component is up, by a heartbeat younger than its start."""

    def check(since: float) -> bool:
        body = _get(port, "/api/v2/monitor/health")
        if body is None:
            return False
        report = json.loads(body).get(component) or {}
        beat: str | None = report.get(f"latest_{component}_heartbeat")
        return beat is not None and datetime.fromisoformat(beat).timestamp() >= since - 0.5

    return check


def _get(port: int, path: str) -> bytes | None:
    # Nobody listens before the service is up: asking costs nothing until then.
    with socket.socket() as probe:
        probe.settimeout(0.5)
        if probe.connect_ex((HOST, port)) != 0:
            return None
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"http://{HOST}:{port}{path}", timeout=2) as answer:
            body: bytes = answer.read()
            return body
    except (OSError, urllib.error.URLError, ValueError):
        return None
