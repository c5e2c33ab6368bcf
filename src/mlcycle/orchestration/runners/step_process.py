"""The two ways a step's process comes to be, and how its output and its end are followed."""

import ctypes
import json
import os
import select
import signal
import socket
import subprocess
import sys
import threading
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Self

Log = Callable[[str], None]
ANSWER_SECONDS = 10.0  # the server may be loading a library
LINE_BYTES = 32 * 1024  # a longer line is handed on in pieces
PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)


class StepProcess(ABC):
    """A running step: a pipe with its output, and a descriptor that is readable when it ended."""

    def __init__(self, pid: int, output: int) -> None:
        self.pid = pid
        self._output = output
        self._open = True  # the output; a step may close it before it ends
        self._rest = b""
        # One thread may end the step while another finds it ended and lets go of it: a descriptor or a
        # process number that is free again may be anybody's. Airflow ends a task from a signal, in the
        # very thread that follows the step, so the same thread may enter twice.
        self._letting_go = threading.RLock()

    @abstractmethod
    def fileno(self) -> int:
        """The descriptor that is readable when the step ended."""

    @abstractmethod
    def status(self) -> int | None:
        """The wait status, once ended; None where nobody can know it."""

    @abstractmethod
    def kill(self, grace: float) -> None:
        """End the step and its group; it has so many seconds for a clean end. May be called again."""

    def close(self) -> None:
        """End what is left of the step and let go of it."""
        os.close(self._output)

    def follow(self, log: Log, seconds: float) -> bool:
        """Wait for the end, at most so long, or for the next lines, and hand them on; True once it ended."""
        watched = [self.fileno(), *([self._output] if self._open else [])]
        readable, _, _ = select.select(watched, [], [], seconds)
        if self._output in readable:
            self._open = self._pump(log)
            return False
        if self.fileno() not in readable:
            return False
        # Something the step left running may hold the pipe: take what is there, wait for nothing.
        while self._open and select.select([self._output], [], [], 0)[0]:
            self._open = self._pump(log)
        if self._rest:
            log(self._rest.decode(errors="replace"))
            self._rest = b""
        return True

    def wait(self, log: Log) -> int | None:
        """Hand on each line of output as it comes; return the wait status once the step ended."""
        while not self.follow(log, 60.0):
            pass
        return self.status()

    def _pump(self, log: Log) -> bool:
        data = os.read(self._output, 65536)
        *lines, self._rest = (self._rest + data).split(b"\n")
        if len(self._rest) > LINE_BYTES:
            lines, self._rest = [*lines, self._rest], b""
        for line in lines:
            log(line.rstrip(b"\r").decode(errors="replace"))
        return bool(data)


class Forked(StepProcess):
    """A step forked by the step server; the connection to the server is its lifeline."""

    def __init__(self, pid: int, output: int, connection: socket.socket) -> None:
        super().__init__(pid, output)
        self._connection = connection

    @classmethod
    def ask(cls, server: str, step: str, folder: Path, env: dict[str, str]) -> Self | None:
        """Ask the server for a fork; None where no server answers."""
        paths = {"request": str(folder / "request.json"), "result": str(folder / "result.json")}
        job = {"step": step, **paths, "env": env, "cwd": str(folder)}
        connection = socket.socket(socket.AF_UNIX)
        reader, writer = os.pipe()
        try:
            connection.settimeout(ANSWER_SECONDS)
            connection.connect(server)
            # Nothing is asked of a server that does not greet: it might do it later, beside another.
            _message(connection)
            data = json.dumps(job).encode() + b"\n"
            sent = socket.send_fds(connection, [data], [writer])
            connection.sendall(data[sent:])
            pid = _message(connection)["pid"]
        except (OSError, ValueError, KeyError):
            connection.close()  # which ends the step, if there is one
            os.close(reader)
            return None
        finally:
            os.close(writer)
        connection.settimeout(None)
        return cls(pid, reader, connection)

    def fileno(self) -> int:
        """The connection: the server writes to it, or is gone."""
        return self._connection.fileno()

    def status(self) -> int | None:
        """What the server says; None where it died, and the step with it."""
        try:
            return _message(self._connection)["status"]
        except (OSError, ValueError, KeyError):
            return None

    def kill(self, grace: float) -> None:
        """The server ends the step when we hang up, and hangs up itself when it has."""
        with self._letting_go, suppress(OSError):
            self._connection.shutdown(socket.SHUT_WR)
            select.select([self._connection], [], [], grace + 1.0)

    def close(self) -> None:
        """Hang up."""
        with self._letting_go:
            super().close()
            self._connection.close()


class Started(StepProcess):
    """A step started anew with ``python -m mlcycle step``."""

    def __init__(self, step: str, folder: Path, env: dict[str, str]) -> None:
        reader, writer = os.pipe()
        parent = os.getpid()

        def die_with_parent() -> None:
            _libc.prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
            if os.getppid() != parent:
                os.kill(os.getpid(), signal.SIGKILL)

        paths = ["--request", str(folder / "request.json"), "--result", str(folder / "result.json")]
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "mlcycle", "step", step, *paths],
                env={"PYTHONUNBUFFERED": "1", **env},
                cwd=folder,
                stdin=subprocess.DEVNULL,
                stdout=writer,
                stderr=writer,
                start_new_session=True,
                preexec_fn=die_with_parent if sys.platform == "linux" else None,
            )
        except OSError:
            os.close(reader)
            raise
        finally:
            os.close(writer)
        super().__init__(self._process.pid, reader)
        self._ended = os.pidfd_open(self.pid)
        self._status: int | None = None

    def fileno(self) -> int:
        """A descriptor of the process itself."""
        return self._ended

    def status(self) -> int | None:
        """Reap the process, after what it left running: until then nobody else can have its number."""
        if self._status is None:
            os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
        with self._letting_go:
            if self._status is None:
                _signal_group(self.pid, signal.SIGKILL)
                _, self._status = os.waitpid(self.pid, 0)
                self._process.returncode = 0
        return self._status

    def kill(self, grace: float) -> None:
        """SIGTERM to the group, SIGKILL to what is left of it."""
        with self._letting_go:
            if self._status is None:
                _signal_group(self.pid, signal.SIGTERM)
                select.select([self._ended], [], [], grace)
                _signal_group(self.pid, signal.SIGKILL)

    def close(self) -> None:
        """Kill it, if it is there, and reap it."""
        with self._letting_go:
            super().close()
            if self._status is None:
                _signal_group(self.pid, signal.SIGKILL)
            self.status()
            os.close(self._ended)


def _message(connection: socket.socket) -> dict[str, int]:
    """The next line from the server. Raises ValueError where it hung up."""
    data = b""
    while not data.endswith(b"\n"):
        more = connection.recv(1)
        if not more:
            raise ValueError("the step server hung up")
        data += more
    return dict(json.loads(data))


def _signal_group(pid: int, signum: int) -> None:
    with suppress(ProcessLookupError):
        os.killpg(pid, signum)
