"""Running the service in a process of its own."""

import os
from pathlib import Path

from mlcycle.errors import ConfigError
from mlcycle.landing.app import Landing
from mlcycle.landing.tokens import Tokens
from mlcycle.settings import Settings

CONNECTIONS = 64  # of producers; more are told to come again


def serve(folder: Path, settings: Settings, host: str, port: int) -> None:
    """Take events until the process is ended; what is being put is ended first.

    Raises ConfigError where no project has a token, or the port cannot be had.
    """
    import uvicorn

    app = Landing(folder, settings, Tokens(os.environ)).app()
    config = uvicorn.Config(
        app, host=host, port=port, limit_concurrency=CONNECTIONS, timeout_graceful_shutdown=20,
        server_header=False, log_level="info",
    )  # fmt: skip
    try:
        listening = config.bind_socket()
    except SystemExit:  # uvicorn has told why
        raise ConfigError(f"{host}:{port} cannot be listened on: choose another --port") from None
    with listening:
        uvicorn.Server(config).run(sockets=[listening])
