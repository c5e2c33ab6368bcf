"""The supervisor: starts the services in the order of their needs, restarts what dies, stops them all.

One thread and one loop: reap, start what is due, ask what is not ready yet, sleep until a child ends
or a signal comes. A descendant whose own parent died becomes a child of the supervisor and is
ended: nothing of the platform outlives what started it.
"""

import json
import os
import select
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from types import FrameType

from mlcycle.errors import Unavailable
from mlcycle.local.config import Platform, write_private
from mlcycle.local.processes import adopt_orphans, children, cpu_seconds, descendants, send
from mlcycle.local.service_process import ServiceProcess
from mlcycle.local.services import Service

START_SECONDS = 180.0
TRIES = 3  # ends of one service before the first full start is given up
Report = Callable[[str], None]


class Supervisor:
    """Runs the services of one platform until it is told to stop."""

    def __init__(self, platform: Platform, services: list[Service], report: Report) -> None:
        self._platform = platform
        self._children = {s.name: ServiceProcess(s, platform.logs / f"{s.name}.log") for s in services}
        self._report = report
        self._stopping = False
        self._complete = False
        self._looked_at_logs = 0.0
        self._wake, self._waker = os.pipe()

    def run(self, when_ready: Callable[[], None]) -> None:
        """Start everything, call ``when_ready``, and watch until SIGTERM or SIGINT.

        Raises Unavailable, after everything was stopped again, when a service does not start.
        """
        adopt_orphans()
        self._listen()
        began = time.monotonic()
        try:
            while not self._stopping:
                self._reap()
                self._start_due()
                self._ask()
                if not self._complete:
                    self._complete = all(child.ready for child in self._children.values())
                    if self._complete:
                        when_ready()
                    self._give_up_if_hopeless(time.monotonic() - began)
                self._bound_logs()
                self._sleep()
        finally:
            self._stop()

    def _listen(self) -> None:
        os.set_blocking(self._waker, False)
        os.set_blocking(self._wake, False)
        signal.set_wakeup_fd(self._waker, warn_on_full_buffer=False)
        for signum in (signal.SIGTERM, signal.SIGINT):
            signal.signal(signum, self._on_stop)
        signal.signal(signal.SIGCHLD, lambda *_: None)  # only to wake the loop
        signal.signal(signal.SIGHUP, signal.SIG_IGN)

    def _on_stop(self, signum: int, frame: FrameType | None) -> None:
        self._stopping = True

    def _start_due(self) -> None:
        for child in self._children.values():
            needs = (self._children[name] for name in child.service.after if name in self._children)
            if child.due() and all(need.ready for need in needs):
                child.start()
                self._say(f"{child.service.name} started, pid {child.pid}")
                self._remember()

    def _ask(self) -> None:
        for child in self._children.values():
            if child.check():
                self._became_ready(child)

    def _became_ready(self, child: ServiceProcess) -> None:
        seconds = time.time() - child.started
        used = cpu_seconds([child.pid, *descendants(child.pid)]) if child.pid else child.used
        self._say(f"{child.service.name} ready after {seconds:.1f} s, {used:.1f} s of CPU")
        if not self._complete:
            self._report(f"{child.service.title} ready ({seconds:.1f} s)")
        self._remember()

    def _reap(self) -> None:
        by_pid = {child.pid: child for child in self._children.values() if child.pid}
        while True:
            try:
                pid, status, used = os.wait4(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                break
            if pid in by_pid:
                child = by_pid.pop(pid)
                child.used = used.ru_utime + used.ru_stime
                self._ended(child, status)
        for orphan in set(children(os.getpid())) - set(by_pid):
            send(orphan, signal.SIGKILL)

    def _ended(self, child: ServiceProcess, status: int) -> None:
        child.ended(status)
        if child.done:
            self._became_ready(child)
        elif not self._stopping:
            child.restarts += 1
            self._say(f"{child.service.name} ended with {child.exit_note}: {child.last_words()}")
        self._remember()

    def _give_up_if_hopeless(self, seconds: float) -> None:
        late = [child for child in self._children.values() if not child.ready]
        bad = next((child for child in late if child.failures >= TRIES), None)
        if bad is None and seconds > START_SECONDS and late:
            bad = late[0]
        if bad is not None:
            end = f"ended with {bad.exit_note}" if bad.failures else f"was not ready after {seconds:.0f} s"
            raise Unavailable(f"{bad.service.title} {end}: {bad.last_words()} (whole log: {bad.log})")

    def _stop(self) -> None:
        """Stop everything, lowest rank first; each has its time, then it is killed with its group."""
        self._stopping = True
        for rank in sorted({child.service.stop_rank for child in self._children.values()}):
            group = [child for child in self._children.values() if child.service.stop_rank == rank]
            for child in group:
                child.ask_to_stop()
            asked = time.monotonic()
            while any(child.pid for child in group):
                self._reap()
                for child in group:
                    if time.monotonic() - asked > child.service.stop_seconds:
                        child.kill()
                self._sleep(0.05)
        self._say("stopped")

    def _sleep(self, seconds: float | None = None) -> None:
        settled = all(child.ready for child in self._children.values())
        with suppress(InterruptedError):
            select.select([self._wake], [], [], seconds or (5.0 if settled else 0.1))
        with suppress(BlockingIOError):
            os.read(self._wake, 4096)

    def _bound_logs(self) -> None:
        if time.monotonic() - self._looked_at_logs > 5:
            self._looked_at_logs = time.monotonic()
            for child in self._children.values():
                child.bound_log()

    def _remember(self) -> None:
        """What ``mlcycle status`` and the next start read."""
        rows = [
            {
                "name": child.service.name,
                "title": child.service.title,
                "pid": child.pid,
                "identity": child.identity,
                "started": child.started,
                "ready": child.ready,
                "restarts": child.restarts,
                "task": child.service.task,
                "url": child.service.url,
                "exit": child.exit_note,
            }
            for child in self._children.values()
        ]
        write_private(
            self._platform.state / "run" / "services.json",
            json.dumps({"supervisor": os.getpid(), "services": rows}),
        )

    def _say(self, text: str) -> None:
        print(f"{time.strftime('%Y-%m-%dT%H:%M:%SZ', time.gmtime())} {text}", file=sys.stderr, flush=True)
