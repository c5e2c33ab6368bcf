"""A real Evidently UI for tests, on loopback, stopped with everything it started."""

import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

from mlcycle.local.postgres import Postgres
from tests.services import _die_with_parent, _stop


@contextmanager
def evidently_ui(
    folder: Path, port: int, secret: str, server: Postgres, *, ready_within: float = 60
) -> Iterator[str]:
    """The UI service over a database, as the platform runs it; writing needs the secret. Yields its URL.

    Args:
        folder: where its configuration and log go.
        port: a free port on loopback.
        secret: what writers must send.
        server: gets a database ``evidently``.
        ready_within: seconds until the first answer.
    """
    folder.mkdir(parents=True, exist_ok=True)
    url = f"http://127.0.0.1:{port}"
    server.create_database("evidently")
    component = "evidently.ui.service.storage.sql.components.DatabaseComponent"
    database = server.dsn("evidently").replace("postgresql://", "postgresql+psycopg2://", 1)
    config = {
        "security": {"type": "token", "token": secret},
        "storage": {"type": "sql"},
        "database": {"type": component, "url": database},
        "telemetry": {"enabled": False},
    }
    (folder / "config.json").write_text(json.dumps(config))
    program = "from evidently.cli import app; app()"
    command = [
        *(sys.executable, "-c", program, "ui", "--host", "127.0.0.1", "--port", str(port)),
        *("--conf-path", str(folder / "config.json")),
    ]
    env = {**os.environ, "DO_NOT_TRACK": "1"}
    log_path = folder / "evidently.log"
    with log_path.open("ab") as log:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env=env,
            cwd=folder,
            start_new_session=True,
            preexec_fn=_die_with_parent,
        )
    try:
        deadline = time.monotonic() + ready_within
        while not _answers(url):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"Evidently's UI did not start: {log_path.read_text()[-2000:]}")
            time.sleep(0.1)
        yield url
    finally:
        _stop(process)


def _answers(url: str) -> bool:
    try:
        return httpx.get(f"{url}/api/version", timeout=1).status_code == 200
    except httpx.HTTPError:
        return False
