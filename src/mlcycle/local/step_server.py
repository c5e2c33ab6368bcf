"""The fork server for steps: has the heavy libraries loaded, and forks a process for each step.

Importing pandas, Great Expectations, MLflow and the like costs a second or more; a fork costs
milliseconds. A step is a process of its own all the same: in a session of its own, with exactly the
environment it is given, ended when its client goes away, and gone with the server.

A client connects to the Unix socket, waits for ``{"version": 1}``, sends one JSON line
(:class:`Order`'s fields) together with the descriptor that becomes the step's standard output and
error, and reads ``{"pid": N}`` and at the end ``{"status": wait status}``. It shuts its side of the
connection to end the step.
"""

import argparse
import gc
import importlib
import json
import os
import selectors
import signal
import socket
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import NoReturn

from mlcycle.launch import THRESHOLD
from mlcycle.local.processes import die_with_parent, send, send_group, threads
from mlcycle.local.step_child import Order, become_step, leave, prepare_threads
from mlcycle.own_code import LIGHT_PACKAGES, PACKAGES, OwnCode

#: What the steps of ``config.LIGHT_STEPS`` import.
LIGHT = ("psycopg2", "numpy", "httpx", "fsspec.implementations.local", "fsspec.implementations.http")

#: What steps import, in the order in which a batch travels; then mlcycle's own code.
PRELOAD = (
    *(*LIGHT, "pyarrow.parquet", "pyarrow.csv", "pandas"),
    *("great_expectations", "feast", "feast.infra.passthrough_provider"),
    "feast.infra.offline_stores.contrib.postgres_offline_store.postgres",
    "feast.infra.online_stores.postgres_online_store.postgres",
    *("sklearn.ensemble", "scipy.stats", "mlflow", "mlflow.pyfunc"),
    *("skops.io", "onnxruntime", "torch", "evidently", "evidently.ui.workspace"),
)
GRACE = 2.0  # seconds between SIGTERM and SIGKILL
REQUEST_BYTES = 1024 * 1024


@dataclass
class Running:
    """A running step: its process, its client, and when it is killed if it was asked to end."""

    pid: int
    pidfd: int
    client: socket.socket
    kill_at: float | None = None

    def signal(self, signum: int) -> None:
        """Signal the process, which may not lead its group yet, and its group."""
        send(self.pid, signum)
        send_group(self.pid, signum)


class StepServer:
    """Serves one socket. After a fork, ``serve`` returns in the child, with the order it is to do."""

    def __init__(self, path: Path, own_code: OwnCode) -> None:
        path.unlink(missing_ok=True)
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        path.chmod(0o600)
        self._listener.listen(128)
        self._selector = selectors.DefaultSelector()
        self._selector.register(self._listener, selectors.EVENT_READ)
        self._steps: dict[int, Running] = {}
        self._own_code = own_code

    def serve(self, preload: tuple[str, ...]) -> Order:
        """Answer requests for good, loading the libraries between them at first."""
        waiting = list(preload)
        while True:
            order = self._turn(0 if waiting else self._patience())
            if order is not None:
                return order
            if waiting:
                _load(waiting.pop(0))
                if not waiting:
                    self._loaded()

    def _loaded(self) -> None:
        for problem in self._own_code.load():
            _say(f"not loaded: {problem}")
        prepare_threads()
        gc.collect()
        gc.freeze()  # the collector would copy every page it looks at into each child
        _say(f"all loaded, threads: {threads(os.getpid())}")

    def _turn(self, seconds: float | None) -> Order | None:
        for key, _ in self._selector.select(seconds):
            if key.fileobj is self._listener:
                order = self._accept()
                if order is not None:
                    return order
            else:
                step = key.data
                if key.fd == step.pidfd:
                    self._ended(step)
                elif step.pid in self._steps and step.kill_at is None:
                    self._abandoned(step)
        for step in self._steps.values():
            if step.kill_at is not None and time.monotonic() >= step.kill_at:
                step.signal(signal.SIGKILL)
        return None

    def _patience(self) -> float | None:
        return 0.1 if any(step.kill_at is not None for step in self._steps.values()) else None

    def _accept(self) -> Order | None:
        client, _ = self._listener.accept()
        try:
            client.settimeout(2.0)
            _tell(client, {"version": 1})
            order, output = _receive(client)
        except (OSError, ValueError) as error:
            if str(error):
                _say(f"refused a request: {error}")
            client.close()
            return None
        pid = os.fork()
        if pid == 0:
            die_with_parent(signal.SIGKILL, os.getppid())()
            client.close()
            self._leave_to_parent()
            become_step(order, output)
            self._own_code.forget_if_changed()
            return order
        os.close(output)
        step = Running(pid, os.pidfd_open(pid), client)
        self._steps[pid] = step
        self._selector.register(step.pidfd, selectors.EVENT_READ, step)
        self._selector.register(client, selectors.EVENT_READ, step)
        _tell(client, {"pid": pid})
        return None

    def _abandoned(self, step: Running) -> None:
        """The client went away, or sent something: either way nobody waits for this step any more."""
        self._selector.unregister(step.client)
        step.kill_at = time.monotonic() + GRACE
        step.signal(signal.SIGTERM)

    def _ended(self, step: Running) -> None:
        _, status = os.waitpid(step.pid, 0)
        send_group(step.pid, signal.SIGKILL)  # what it may have left running
        self._selector.unregister(step.pidfd)
        os.close(step.pidfd)
        if step.kill_at is None:
            self._selector.unregister(step.client)
            _tell(step.client, {"status": status})
        step.client.close()
        del self._steps[step.pid]

    def _leave_to_parent(self) -> None:
        """In the child: let go of everything that belongs to the server."""
        self._selector.close()
        self._listener.close()
        for step in self._steps.values():
            step.client.close()
            os.close(step.pidfd)
        self._steps.clear()


def _receive(client: socket.socket) -> tuple[Order, int]:
    """Read a request and the descriptor that came with it. Raises ValueError, empty for a mere probe."""
    data, descriptors, _, _ = socket.recv_fds(client, REQUEST_BYTES, 1)
    try:
        while data and not data.endswith(b"\n"):
            more = client.recv(REQUEST_BYTES)
            data += more
            if not more or len(data) > REQUEST_BYTES:
                raise ValueError("the request is cut off or too long")
        if not data:
            raise ValueError("")
        if len(descriptors) != 1:
            raise ValueError("no descriptor for the step's output came with the request")
        return Order(**json.loads(data)), descriptors[0]
    except (TypeError, ValueError) as error:
        for descriptor in descriptors:
            os.close(descriptor)
        raise ValueError(str(error)) from None


def _tell(client: socket.socket, message: dict[str, int]) -> None:
    with suppress(OSError):
        client.sendall(json.dumps(message).encode() + b"\n")


def _load(module: str) -> None:
    began = time.perf_counter()
    try:
        importlib.import_module(module)
    except Exception as error:  # noqa: BLE001 - a step that needs it will say so itself
        _say(f"{module} not loaded: {error}")
        return
    _say(f"{module} loaded in {time.perf_counter() - began:.2f} s")


def _say(text: str) -> None:
    print(f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {text}", file=sys.stderr, flush=True)


def main() -> NoReturn:
    """Serve until killed; in a forked child, run the step and leave with its exit code."""
    parser = argparse.ArgumentParser(prog="python -m mlcycle.local.step_server")
    parser.add_argument("--socket", type=Path, required=True)
    parser.add_argument("--light", action="store_true", help="for light steps: load no ML library")
    parser.add_argument("--bare", action="store_true", help="load no libraries")
    options = parser.parse_args()
    gc.set_threshold(*THRESHOLD)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    modules = () if options.bare else LIGHT if options.light else PRELOAD
    own_code = OwnCode(LIGHT_PACKAGES) if options.light else OwnCode(PACKAGES, warm=True)
    leave(StepServer(options.socket, own_code).serve(modules).run())


if __name__ == "__main__":
    main()
