"""Real steps for pods: a source system that answers them, or never does."""

import socket
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import replace

from mlcycle.contract import Request
from mlcycle.orchestration.placement import Placement
from mlcycle.orchestration.runners.base import Handle
from mlcycle.orchestration.runners.kubernetes import KubernetesRunner
from mlcycle.project import Limits
from mlcycle.project.limits import DEFAULTS

LIMITS = replace(DEFAULTS["extract"], cpu=1, memory=512 * 1024**2)
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 11\r\nConnection: close\r\n\r\ncarrier\nUA\n"
#: A delivery of long ago that is not there: the step publishes that it is a gap.
GONE = b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Source:
    """A source system that takes connections, and answers once it may."""

    def __init__(self, address: str) -> None:
        self._listener = socket.create_server((address, 0))
        self.url = f"http://{address}:{self._listener.getsockname()[1]}"
        self.asked = threading.Semaphore(0)
        self.may_answer = threading.Event()
        self.answer = ANSWER
        threading.Thread(target=self._accept, daemon=True).start()

    def wait(self, seconds: float = 180) -> None:
        """Until one more step asks: it is amid its work then."""
        assert self.asked.acquire(timeout=seconds), "no step asks the source"

    def close(self) -> None:
        self._listener.close()
        self.may_answer.set()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with suppress(OSError), client:
            client.recv(65536)
            self.asked.release()
            self.may_answer.wait()
            client.sendall(self.answer)


@contextmanager
def source(address: str) -> Iterator[Source]:
    """One, for as long as the test takes."""
    found = Source(address)
    yield found
    found.close()


def submit(env: Mapping[str, str], request: Request, image: str, limits: Limits = LIMITS) -> Handle:
    """As a worker does that dies right after."""
    runner = KubernetesRunner(env)
    handle = runner.submit(request, Placement("kubernetes", image, limits), role="ingest")
    runner.close()
    return handle
