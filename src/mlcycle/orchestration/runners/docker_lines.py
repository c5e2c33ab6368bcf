"""A container's lines as they come, and its end, read by a thread of the worker's."""

import threading
import time
from collections.abc import Callable
from contextlib import suppress
from itertools import islice
from typing import Any

from mlcycle.orchestration.runners.lines import lines

AGAIN = 0.5  # seconds until a stream that broke is opened again


class Lines:
    """Follows one container until it has ended or is gone.

    The engine may go away meanwhile (a restart, a proxy's time-out): the stream is opened again from its
    beginning, and what was read before is left out.
    """

    def __init__(self, connect: Callable[[], Any], container: str) -> None:
        self._connect = connect  # gives a client of the thread's own
        self._container = container
        self._lines: list[str] = []
        self._dropped = 0  # lines that were handed on and forgotten
        self._news = threading.Condition()
        self._ended = False
        self.silent_since: float | None = None  # when the engine stopped answering
        self.was_silent = False  # it has stopped once
        threading.Thread(target=self._follow, name=f"lines of {container[:12]}", daemon=True).start()

    def wait(self, seconds: float, since: int) -> bool:
        """Wait for the end or for lines after the first ``since``; True once it ended."""
        with self._news:
            self._news.wait_for(lambda: self._ended or self._count() > since, seconds)
            return self._ended

    def after(self, since: int) -> tuple[list[str], int]:
        """The lines after the first ``since``, and how many there are by now; those before are forgotten."""
        with self._news:
            gone = max(0, min(since, self._count()) - self._dropped)
            del self._lines[:gone]
            self._dropped += gone
            return list(self._lines), self._count()

    def _count(self) -> int:
        return self._dropped + len(self._lines)

    def _follow(self) -> None:
        ended = False
        while not ended:
            try:
                api = self._connect()
                with suppress(Exception):  # whatever broke the stream: the container says how it stands
                    self._read(api)
                state = api.inspect_container(self._container)["State"]
                api.close()
                ended = state["Status"] not in ("created", "running", "paused", "restarting")
                self.silent_since = None
            except Exception as error:  # noqa: BLE001 - gone, or the engine does not answer
                ended = getattr(getattr(error, "response", None), "status_code", None) == 404
                self.silent_since = self.silent_since or time.monotonic()
                self.was_silent = self.was_silent or not ended
            if not ended:
                time.sleep(AGAIN)
        with self._news:
            self._ended = True
            self._news.notify_all()

    def _read(self, api: Any) -> None:
        known = self._count()
        stream = api.logs(self._container, stream=True, follow=True, stdout=True, stderr=True)
        for _, line in islice(lines(stream), known, None):
            with self._news:
                self._lines.append(line.decode(errors="replace").rstrip("\r"))
                self._news.notify_all()
