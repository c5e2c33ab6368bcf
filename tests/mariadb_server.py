"""A MariaDB of the tests' own, where one is installed: started in a folder, ended with the session."""

import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

SERVER = shutil.which("mariadbd") or shutil.which("mariadbd", path="/usr/sbin")
INSTALL = shutil.which("mariadb-install-db")


def connect(port: int, user: str = "root", password: str = "") -> Any:
    import pymysql

    return pymysql.connect(host="127.0.0.1", port=port, user=user, password=password, autocommit=True)


@contextmanager
def mariadb_server(folder: Path, port: int) -> Iterator[int]:
    """A running server on a port of this machine; its root needs no password."""
    import pymysql

    assert SERVER is not None
    assert INSTALL is not None
    data = folder / "data"
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    subprocess.run(
        [INSTALL, "--no-defaults", f"--datadir={data}", "--auth-root-authentication-method=normal",
         "--skip-test-db", "--user=root"], check=True, **quiet,
    )  # fmt: skip
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(
            [SERVER, "--no-defaults", f"--datadir={data}", f"--port={port}", "--bind-address=127.0.0.1",
             f"--socket={folder}/s", "--user=root", "--innodb-buffer-pool-size=32M", "--skip-log-bin",
             "--innodb-flush-log-at-trx-commit=0", f"--pid-file={folder}/pid", "--skip-name-resolve"],
            stdout=log, stderr=log,
        )  # fmt: skip
    try:
        deadline = time.monotonic() + 180
        while True:
            assert process.poll() is None, (folder / "log").read_text()
            try:
                connect(port).close()
                break
            except pymysql.err.OperationalError:
                assert time.monotonic() < deadline, (folder / "log").read_text()
                time.sleep(0.1)
        yield port
    finally:
        process.terminate()
        process.wait(60)
