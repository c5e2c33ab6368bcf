#!/usr/bin/env python3
"""Generates what docker-compose.yml's services must not share with anybody: one file a secret, once.

``python3 docker/make_secrets.py [FOLDER]``, any Python 3.9 or newer, no package. What is there stays, so it
is run again after an upgrade to add what is new. The folder is its owner's alone (0700); the files in it can
be read by all (0444), because each is mounted, alone, into containers whose user is another one.

A file in capitals is an environment variable of the services that docker-compose.yml gives it to
(``mlcycle.launch`` reads it there): nothing of it is in the compose file, in ``docker inspect`` or in argv.
"""

import base64
import hashlib
import json
import os
import secrets
import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

HOST = "postgres:5432"
USERS = ("admin", "engineer", "viewer")  # of Airflow: as mlcycle.local.config
ROLES = ("ingest", "train", "promote", "serve", "keep")  # of the ledger: as mlcycle.cycle.ALL_ROLES
GATE_USER = "mlcycle"
FOLDERS = {
    "store": "the object store's keys: AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY",
    "projects": "secrets of projects: MLCYCLE_SECRET_<PROJECT>__<NAME>",
}


def password() -> str:
    """Of 144 bits."""
    return secrets.token_urlsafe(18)


def dsn(user: str, database: str, given: str = "", scheme: str = "postgresql") -> str:
    """Where a database is and who logs in."""
    return f"{scheme}://{user}:{given or password()}@{HOST}/{database}"


def signing_key() -> str:
    """A private key on P-256, as PEM (RFC 5915): a number below the curve's order, and its frame."""
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    number = (secrets.randbelow(order - 1) + 1).to_bytes(32, "big")
    der = bytes.fromhex("30310201010420") + number + bytes.fromhex("a00a06082a8648ce3d030107")
    return f"-----BEGIN EC PRIVATE KEY-----\n{base64.encodebytes(der).decode()}-----END EC PRIVATE KEY-----"


def salted(text: str) -> str:
    """A hash that nginx understands by itself: what crypt(3) knows differs between C libraries."""
    salt = secrets.token_bytes(12)
    return "{SSHA}" + base64.b64encode(hashlib.sha1(text.encode() + salt).digest() + salt).decode()  # noqa: S324


def wanted(read: Callable[[str], str]) -> Iterator[tuple[str, Callable[[], str]]]:
    """File by file what it is to hold, in the order in which they need one another; ``read`` gives one."""
    psycopg = "postgresql+psycopg2"
    yield "POSTGRES_PASSWORD", password
    yield "MLCYCLE_DSN_ADMIN", lambda: dsn("postgres", "postgres", read("POSTGRES_PASSWORD"))
    yield "MLCYCLE_DSN_OWNER", lambda: dsn("mlcycle", "mlcycle")
    for role in ROLES:
        yield "MLCYCLE_DSN_" + role.upper(), lambda role=role: dsn("mlcycle_" + role, "mlcycle")
    yield "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN", lambda: dsn("airflow", "airflow", scheme=psycopg)
    yield "MLFLOW_BACKEND_STORE_URI", lambda: dsn("mlflow", "mlflow", scheme=psycopg)
    yield "EVIDENTLY_DATABASE_URL", lambda: dsn("evidently", "evidently", scheme=psycopg)
    yield "AIRFLOW__CORE__FERNET_KEY", lambda: base64.urlsafe_b64encode(secrets.token_bytes(32)).decode()
    yield "AIRFLOW__API__SECRET_KEY", lambda: secrets.token_urlsafe(48)
    yield "AIRFLOW__API_AUTH__JWT_SECRET", lambda: secrets.token_urlsafe(64)
    yield "MLCYCLE_EVIDENTLY_SECRET", password
    yield "MLCYCLE_METRICS_TOKEN", password
    yield "MLCYCLE_MODEL_SIGNING_KEY", signing_key
    yield "MLCYCLE_AIRFLOW_PASSWORDS", lambda: json.dumps({user: password() for user in USERS})
    # The demo logs in as the one who may start everything.
    yield "MLCYCLE_AIRFLOW_PASSWORD", lambda: json.loads(read("MLCYCLE_AIRFLOW_PASSWORDS"))["admin"]
    yield "gate_password", password
    yield "gate_users", lambda: f"{GATE_USER}:{salted(read('gate_password'))}"


def make(folder: Path) -> list[str]:
    """Make what is missing; returns the names of what was made."""
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    folder.chmod(0o700)
    made = []
    for name, value in wanted(lambda name: (folder / name).read_text().strip()):
        if not (folder / name).exists():
            write_once(folder / name, value())
            made.append(name)
    for name in FOLDERS:
        (folder / name).mkdir(mode=0o755, exist_ok=True)
        (folder / name).chmod(0o755)
    return made


def write_once(path: Path, text: str) -> None:
    """The file is whole from its first moment on, and one that somebody else made meanwhile stays."""
    staged = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        with os.fdopen(os.open(staged, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400), "w") as file:
            file.write(text + "\n")
        staged.chmod(0o444)
        with suppress(FileExistsError):
            os.link(staged, path)
    finally:
        staged.unlink()


def main() -> None:
    """Make the folder that the argument names, ``secrets`` by default, and say where the logins are."""
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "secrets")
    try:
        made = make(folder)
    except OSError as error:
        sys.exit(f"secrets: {error.filename or folder}: {error.strerror}")
    total = sum(1 for _ in wanted(str))
    print(f"{folder}: {len(made)} made, {total - len(made)} were there")
    print(f"logins: Airflow's users {', '.join(USERS)}: {folder / 'MLCYCLE_AIRFLOW_PASSWORDS'}")
    print(f"        MLflow's and Evidently's user {GATE_USER}: {folder / 'gate_password'}")
    for name, what in FOLDERS.items():
        print(f"yours:  {folder / name}/ for {what}")


if __name__ == "__main__":
    main()
