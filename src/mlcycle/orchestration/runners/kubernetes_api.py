"""The requests of the Kubernetes API that steps need, and its answers as errors of ours."""

import json
import socket
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from typing import Any

from mlcycle.errors import ConfigError, Unavailable
from mlcycle.orchestration.runners.kubernetes_access import access
from mlcycle.orchestration.runners.lines import lines

TRIES = 3  # of a request that the API had no time for, or that never reached it
SILENCE = 30.0  # seconds that an answer may take

Object = dict[str, Any]


class Missing(Exception):
    """What was asked for is not there."""


class Exists(Exception):
    """An object of this name is there already."""


class QuotaExceeded(Exception):
    """The namespace's quota has no room for the object now."""


class Api:
    """A connection to the API, in the namespace of the steps."""

    def __init__(self, env: Mapping[str, str]) -> None:
        import httpx

        self._access = access(env)
        self.namespace = env.get("MLCYCLE_KUBERNETES_NAMESPACE") or self._access.namespace
        if not self.namespace:
            raise ConfigError("MLCYCLE_KUBERNETES_NAMESPACE is not set: the namespace that steps run in")
        self._lock = threading.RLock()
        self._streams: set[socket.socket] = set()  # that are being read
        self._ending = False
        self._client = httpx.Client(
            base_url=self._access.url,
            verify=self._access.verify,
            timeout=httpx.Timeout(SILENCE, connect=10.0),
            trust_env=False,  # the API is no place to reach through a proxy
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=4),
        )

    def get(self, kind: str, name: str, **params: str) -> Object:
        """An object, or with ``name`` empty a list of them. Raises Missing."""
        return self._ask("GET", self._path(kind, name), params=params)

    def create(self, kind: str, document: Object) -> Object:
        """Make an object. Raises Exists, and QuotaExceeded."""
        return self._ask("POST", self._path(kind), body=document)

    def delete(self, kind: str, name: str, grace: int | None = None, uid: str = "") -> None:
        """Remove an object with all it owns; harmless where it is gone. Zero ``grace`` waits for no node."""
        body: Object = {"kind": "DeleteOptions", "apiVersion": "v1", "propagationPolicy": "Foreground"}
        if kind == "pods":
            body["propagationPolicy"] = "Background"
        if grace is not None:
            body["gracePeriodSeconds"] = grace
        if uid:
            body["preconditions"] = {"uid": uid}
        try:
            self._ask("DELETE", self._path(kind, name), body=body)
        except (Missing, Exists):  # a conflict: it is another object of the name by now
            return

    def watch(self, kind: str, seconds: int, **params: str) -> Iterator[Object]:
        """What changes from a list's version on, for so long at most: ``type`` and ``object``."""
        asked = {"watch": "1", "timeoutSeconds": str(seconds), **params}
        with self.stream(self._path(kind), asked, silence=seconds + SILENCE) as chunks:
            for _, line in lines(chunks, longest=sys.maxsize):
                yield json.loads(line)

    @contextmanager
    def stream(
        self, path: str, params: Mapping[str, str], *, silence: float | None
    ) -> Iterator[Iterator[bytes]]:
        """The bytes of a long answer as they come. Raises as the others do, and Unavailable amid it."""
        import httpx

        timeout = httpx.Timeout(SILENCE, read=silence)
        headers = self._access.headers()
        try:
            with self._client.stream(
                "GET", path, params=dict(params), headers=headers, timeout=timeout
            ) as answer:
                if answer.status_code != 200:
                    answer.read()
                    self._refused(answer)
                with self._known(answer.extensions["network_stream"].get_extra_info("socket")):
                    yield answer.iter_bytes()
        except (httpx.TransportError, httpx.StreamError) as error:
            raise self._silent(error) from None

    def logs(self, pod: str, **params: str) -> Any:
        """The context of a stream of a step's lines, each after its time."""
        asked = {"container": "step", "timestamps": "true", **params}
        return self.stream(f"{self._path('pods', pod)}/log", asked, silence=None)

    @contextmanager
    def _known(self, stream: socket.socket) -> Iterator[None]:
        with self._lock:
            self._streams.add(stream)
            if self._ending:
                _hang_up(stream)
        try:
            yield
        finally:
            with self._lock:
                self._streams.discard(stream)

    def interrupt(self) -> None:
        """Have whoever reads a stream find it at its end, now and from now on."""
        with self._lock:
            self._ending = True
            for stream in self._streams:
                _hang_up(stream)

    def close(self) -> None:
        """Let go of every connection. No other thread may be reading from one: it would go on reading from
        whatever gets the number of its descriptor next.
        """
        self._client.close()

    def _path(self, kind: str, name: str = "") -> str:
        group = "apis/batch/v1" if kind == "jobs" else "api/v1"
        return f"/{group}/namespaces/{self.namespace}/{kind}" + (f"/{name}" if name else "")

    def _ask(
        self, method: str, path: str, *, params: Mapping[str, str] | None = None, body: Object | None = None
    ) -> Object:
        import httpx

        for left in reversed(range(TRIES)):
            try:
                headers = self._access.headers()
                answer = self._client.request(method, path, params=params, json=body, headers=headers)
            except httpx.TransportError as error:
                if not left:
                    raise self._silent(error) from None
            else:
                if answer.is_success:
                    found: Object = answer.json()
                    return found
                if not left or answer.status_code not in (429, 500, 502, 503, 504):
                    self._refused(answer)
            time.sleep(0.5)
        raise AssertionError("not reached")

    def _silent(self, error: Exception) -> Unavailable:
        reason = " ".join(str(error).split())[:300] or type(error).__name__
        return Unavailable(f"the Kubernetes API does not answer at {self._access.url}: {reason}")

    def _refused(self, answer: Any) -> None:
        try:
            said = str(answer.json().get("message", ""))
        except (ValueError, AttributeError):
            said = str(answer.text)
        said, code = " ".join(said.split())[:500], answer.status_code
        if code == 404:
            raise Missing(said)
        if code == 409:
            raise Exists(said)
        if code == 403 and "exceeded quota" in said:
            raise QuotaExceeded(said)
        if code in (401, 429) or code >= 500:
            raise Unavailable(f"the Kubernetes API refuses for now ({code}): {said}")
        raise ConfigError(f"the Kubernetes API refuses ({code}): {said}")


def _hang_up(stream: socket.socket) -> None:
    """End a connection and leave its descriptor to whoever reads it; TLS is not asked."""
    with suppress(OSError):  # it has ended by itself
        socket.socket.shutdown(stream, socket.SHUT_RDWR)
