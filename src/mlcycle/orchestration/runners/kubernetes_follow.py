"""A step's pods as they change, and their lines as they come, read by threads of the worker's."""

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from datetime import UTC, datetime
from typing import Any

from mlcycle.errors import MlcycleError
from mlcycle.orchestration.runners.kubernetes_api import Api, Missing, Object
from mlcycle.orchestration.runners.lines import lines

AGAIN = 0.5  # seconds until a stream that broke is opened again
WATCH = 60  # seconds that one watch lasts
_STAMP = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)(?:\.(\d+))?(Z|[+-]\d\d:\d\d) ?")


class Follower:
    """Follows all pods of one work until told to stop.

    The API may go away meanwhile, and so may the node's kubelet: a stream is opened again from the second
    of its last line, and what was read of that second before is left out. ``told`` is what an earlier
    follower of the same pods wrote (:meth:`position`).
    """

    def __init__(self, api: Api, selector: str, told: str = "") -> None:
        self._api = api
        self._selector = selector
        self._read = _positions(told)  # by pod: time of the last line that was read, and how many at it
        self._handed = dict(self._read)  # the same of the last that was handed on
        self._news = threading.Condition()
        self._lines: list[tuple[str, str, tuple[str, int]]] = []  # with pod and mark; none of our own
        self._dropped = 0  # lines that were handed on and forgotten
        self._said: set[str] = set()  # what kubelets said amid the lines of their pods
        self._readers: dict[str, threading.Thread] = {}
        self._threads: list[threading.Thread] = []
        self._closed = threading.Event()
        self._changed = False  # a pod, since the last wait
        self.pods: dict[str, Object] = {}  # as they were last seen, those that are gone too
        self.gone: set[str] = set()
        self.drained: set[str] = set()  # whose lines were read to their end
        self.listed = False  # the API has told which pods there are
        self.silent_since: float | None = None
        self._start(self._watch, f"pods of {selector}")

    def wait(self, seconds: float, since: int) -> None:
        """Wait for news of a pod, or for lines after the first ``since``."""
        with self._news:
            self._news.wait_for(lambda: self._changed or self._count() > since, seconds)
            self._changed = False

    def after(self, since: int) -> tuple[list[str], int]:
        """The lines after the first ``since``, and how many there are by now; those before are forgotten."""
        with self._news:
            self._forget(since)
            return [text for text, _, _ in self._lines], self._count()

    def say(self, line: str) -> None:
        """Add a line of the runner's own."""
        with self._news:
            self._add(line, "", ("", 0))

    def _say_once(self, line: str) -> None:
        """The kubelet repeats itself at each opening of a stream that it cannot serve."""
        if line not in self._said:
            self._said.add(line)
            self.say(line)

    def position(self, since: int) -> dict[str, tuple[str, int]]:
        """By pod, the last of the first ``since`` lines: what the next follower begins after."""
        with self._news:
            self._forget(since)
            return dict(self._handed)

    def close(self) -> None:
        """Stop, as soon as the streams notice."""
        self._closed.set()

    def ended(self, seconds: float) -> bool:
        """Whether no thread reads any more, waited for so long at most."""
        until = time.monotonic() + seconds
        for thread in list(self._threads):
            if thread is not threading.current_thread():
                thread.join(max(0.0, until - time.monotonic()))
        return not any(thread.is_alive() for thread in self._threads)

    def _count(self) -> int:
        return self._dropped + len(self._lines)

    def _tell(self) -> None:
        self._changed = True
        self._news.notify_all()

    def _add(self, line: str, pod: str, mark: tuple[str, int]) -> None:
        self._lines.append((line, pod, mark))
        self._news.notify_all()

    def _forget(self, since: int) -> None:
        gone = max(0, min(since, self._count()) - self._dropped)
        for _, pod, mark in self._lines[:gone]:
            if pod:
                self._handed[pod] = mark
        del self._lines[:gone]
        self._dropped += gone

    def _start(self, work: Callable[..., None], name: str, *arguments: object) -> threading.Thread:
        def run() -> None:
            try:
                work(*arguments)
            except Exception:
                if not self._closed.is_set():  # else the connection was closed below it
                    raise

        thread = threading.Thread(target=run, name=name, daemon=True)
        self._threads.append(thread)
        thread.start()
        return thread

    def _watch(self) -> None:
        while not self._closed.is_set():
            try:
                found = self._api.get("pods", "", labelSelector=self._selector)
                self._take_all(found["items"])
                version = found["metadata"]["resourceVersion"]
                for change in self._api.watch(
                    "pods", WATCH, labelSelector=self._selector, resourceVersion=version
                ):
                    if change["type"] not in ("ADDED", "MODIFIED", "DELETED"):
                        break  # too old a version: list again
                    self._take(change["object"], gone=change["type"] == "DELETED")
            except (MlcycleError, Missing, ValueError, KeyError, RuntimeError):  # or the client was closed
                self.silent_since = self.silent_since or time.monotonic()
                self._closed.wait(AGAIN)

    def _take_all(self, pods: list[Object]) -> None:
        there = {pod["metadata"]["name"] for pod in pods}
        for pod in pods:
            self._take(pod)
        with self._news:
            self.gone |= self.pods.keys() - there
            self.listed, self.silent_since = True, None
            self._tell()

    def _take(self, pod: Object, *, gone: bool = False) -> None:
        name = pod["metadata"]["name"]
        with self._news:
            self.pods[name] = pod
            (self.gone.add if gone else self.gone.discard)(name)
            if name not in self._readers and _has_lines(pod):
                self._readers[name] = self._start(self._read_lines, f"lines of {name}", name)
            self._tell()

    def _read_lines(self, name: str) -> None:
        """Until the pod has ended and all its lines were read, or it is gone."""
        while not self._closed.is_set():
            ended = ended_or_gone(self, name)  # before the stream is opened: it has every line then
            with suppress(MlcycleError, RuntimeError):
                try:
                    self._read_stream(name)
                except Missing:
                    ended = True
                # Whoever waits may know by other means that the step is through.
                with self._news:
                    self.drained.add(name)
                    self._tell()
                if ended:
                    return
            if ended_or_gone(self, name) and name in self.gone:
                break
            self._closed.wait(AGAIN)
        with self._news:
            self.drained.add(name)
            self._tell()

    def _read_stream(self, name: str) -> None:
        stamp, count = self._read.get(name, ("", 0))
        since = {"sinceTime": f"{stamp[:19]}Z"} if stamp else {}
        prefix = _prefix(self.pods[name])
        same = 0  # lines of the stream that bear the time of the last that was read
        with self._api.logs(name, follow="true", **since) as chunks:
            self.drained.discard(name)
            for moment, text in stamped(chunks):
                if not moment:
                    self._say_once(prefix + text)
                    continue
                if moment < stamp:
                    continue
                if moment == stamp:
                    same += 1
                    if same <= count:
                        continue
                with self._news:
                    before = self._read.get(name, ("", 0))
                    again = before[1] + 1 if before[0] == moment else 1
                    self._read[name] = (moment, again)
                    self._add(prefix + text, name, (moment, again))


def ended_or_gone(follower: Follower, name: str) -> bool:
    """The pod will say nothing more."""
    return name in follower.gone or phase(follower.pods[name]) in ("Succeeded", "Failed")


def phase(pod: Object) -> str:
    """Pending, Running, Succeeded, Failed or Unknown."""
    return str(pod.get("status", {}).get("phase", "Pending"))


def container(pod: Object) -> Object:
    """The state of the step's container: at most one of ``waiting``, ``running`` and ``terminated``."""
    for status in pod.get("status", {}).get("containerStatuses") or []:
        if status["name"] == "step":
            return dict(status.get("state") or {})
    return {}


def stamped(chunks: Iterator[bytes]) -> Iterator[tuple[str, str]]:
    """The lines of a stream with their times, comparable; a piece of a long line bears the time of its line.

    What the kubelet says itself amid them bears none: its time is empty.
    """
    moment = ""
    for begins, line in lines(chunks):
        text = line.decode(errors="replace").rstrip("\r")
        if begins:
            stamp = _STAMP.match(text)
            moment = _comparable(*stamp.groups(default="")) if stamp else ""
            text = text[stamp.end() :] if stamp else text
        yield moment, text


def _has_lines(pod: Object) -> bool:
    state = container(pod)
    return "running" in state or "terminated" in state


def _prefix(pod: Object) -> str:
    index = (pod["metadata"].get("annotations") or {}).get("batch.kubernetes.io/job-completion-index")
    return "" if index is None else f"[{index}] "


def _comparable(second: str, fraction: str, zone: str) -> str:
    """A time as the kubelet writes it, in UTC, with all nine digits of its second."""
    if zone != "Z":  # a node whose clock has another zone
        second = f"{datetime.fromisoformat(second + zone).astimezone(UTC):%Y-%m-%dT%H:%M:%S}"
    return f"{second}.{fraction:0<9}"


def _positions(told: str) -> dict[str, tuple[str, int]]:
    with suppress(ValueError, TypeError, AttributeError):
        given: dict[str, Any] = json.loads(told)["pods"]
        return {str(pod): (str(stamp), int(count)) for pod, (stamp, count) in given.items()}
    return {}
