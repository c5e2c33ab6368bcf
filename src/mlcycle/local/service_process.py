"""One supervised child: started in a session of its own, restarted with growing pauses, ended whole."""

import os
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from signal import SIGKILL

from mlcycle.local.processes import die_with_parent, send, send_group, started_at
from mlcycle.local.services import Service

PAUSES = (0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)  # seconds before the next restart
STEADY = 60.0  # seconds up after which the pauses start over
LOG_BYTES = 10 * 1024 * 1024  # of the current log file; one older file is kept beside it


@dataclass
class ServiceProcess:
    """A service and its present process. Only the supervisor's main thread may start it: the kernel
    ends a child with the thread that started it.
    """

    service: Service
    log: Path
    pid: int = 0
    identity: int | None = None  # with the pid: which process of that number
    started: float = 0.0  # Unix time of the latest start
    ready: bool = False
    restarts: int = 0
    failures: int = 0  # ends in a row without a steady time between
    not_before: float = 0.0  # monotonic time of the next start
    exit_note: str = ""
    used: float = 0.0  # CPU seconds of the process that ended last, with its children

    @property
    def done(self) -> bool:
        """A task that ended well."""
        return self.service.task and self.ready

    def due(self) -> bool:
        """It should be started now."""
        return not self.pid and not self.done and time.monotonic() >= self.not_before

    def start(self) -> None:
        """Start the process."""
        self.log.touch(mode=0o600)
        with self.log.open("ab") as log:
            process = subprocess.Popen(
                self.service.command,
                env=dict(self.service.env),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                cwd="/",
                start_new_session=True,
                # PostgreSQL shuts down in order; the rest holds nothing that must not be lost.
                preexec_fn=die_with_parent(
                    self.service.stop_signal if self.service.stop_rank > 1 else SIGKILL
                ),
            )
        process.returncode = 0  # the supervisor reaps; Popen must not
        self.pid, self.identity, self.started = process.pid, started_at(process.pid), time.time()

    def check(self) -> bool:
        """Ask whether it is ready; True the first time it is."""
        if not self.pid or self.ready or self.service.task:
            return False
        self.ready = self.service.ready is None or self.service.ready(self.started)
        return self.ready

    def ended(self, status: int) -> None:
        """Its process was reaped: note why, end what it left behind, settle when it starts again."""
        send_group(self.pid, SIGKILL)
        code = os.waitstatus_to_exitcode(status)
        self.exit_note = f"signal {-code}" if code < 0 else f"exit code {code}"
        self.ready = self.service.task and code == 0
        self.failures = 0 if time.time() - self.started > STEADY else self.failures + 1
        self.not_before = time.monotonic() + PAUSES[min(self.failures, len(PAUSES)) - 1]
        self.pid, self.identity = 0, None

    def ask_to_stop(self) -> None:
        """Send the signal it stops on."""
        if self.pid:
            send(self.pid, self.service.stop_signal)

    def kill(self) -> None:
        """End it and its group at once."""
        if self.pid:
            send_group(self.pid, SIGKILL)

    def last_words(self) -> str:
        """The last line of its log that says something."""
        try:
            with self.log.open("rb") as log:
                log.seek(max(0, self.log.stat().st_size - 8192))
                lines = log.read().decode(errors="replace").splitlines()
        except OSError:
            return ""
        return next((line.strip()[:300] for line in reversed(lines) if line.strip()), "")

    def bound_log(self) -> None:
        """Keep the log below its size. The file is open for appending elsewhere: copied, then emptied."""
        if self.log.exists() and self.log.stat().st_size > LOG_BYTES:
            older = self.log.with_suffix(".log.1")
            older.touch(mode=0o600)
            older.write_bytes(self.log.read_bytes()[-LOG_BYTES:])
            os.truncate(self.log, 0)
