"""A PostgreSQL server of its own, for tests and benchmarks."""

import secrets
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from mlcycle.local.postgres import Postgres


@contextmanager
def temporary(folder: Path, port: int) -> Iterator[Postgres]:
    """A server for the time of a test or a benchmark."""
    server = Postgres(folder / "postgres", port, secrets.token_urlsafe(16))
    server.initialise()
    with (folder / "postgres.log").open("ab") as log:
        process = subprocess.Popen(
            server.command(), stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/"
        )
    try:
        server.wait_ready()
        yield server
    finally:
        process.send_signal(signal.SIGQUIT)
        process.wait(20)
