"""A table of a database to draft a project for: its address, a sample of its rows, what is said of it."""

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

from mlcycle.adapters.delivery.database import sample
from mlcycle.domain.step_secrets import secret_variable
from mlcycle.errors import InputError
from mlcycle.project.database import TABLE, Database
from mlcycle.proposal.cells import Column
from mlcycle.proposal.event_time import WRITTEN_NAMES, When
from mlcycle.settings import Settings

SECRET = "DATABASE"  # noqa: S105 - the word for a password, not one
MOST = 200_000  # rows that are looked at
ISO = re.compile(r"%Y-%m-%d([ T]%H:%M(:%S(\.%f)?)?)?")


@dataclass(frozen=True)
class Origin:
    """Where the rows come from."""

    url: str
    name: str  # of the table
    secret: str
    cut: bool  # the table has more rows than were looked at

    @property
    def said(self) -> str:
        """What it is, for people."""
        rest = f", the first {MOST} of more: see that source.start is the first day" if self.cut else ""
        return f"table {self.name} of {self.url}{rest}"

    @property
    def place(self) -> dict[str, Any]:
        """The part of ``source`` that says where it is."""
        secret = {"secret": self.secret} if self.secret else {}
        return {"kind": "database", "url": self.url, **secret}

    def table(self, columns: Sequence[Column]) -> dict[str, Any]:
        """What the table says of where its rows lie."""
        written = [
            each.name for each in columns if WRITTEN_NAMES.search(each.name) and each.kind == "timestamp"
        ]
        return {"table": self.name, **({"watermark": written[0]} if written else {})}

    def checked(self, at: When | None) -> When:
        """The event time as a database has it. Raises InputError where it is not one column of times."""
        if at is None:
            raise InputError(
                f"no column of {self.name} holds a time: partitions of a database are cut by one"
            )
        if len(at.columns) > 1:
            raise InputError(
                f"the time of {self.name} is in {' and '.join(at.columns)}: make it one column by a "
                "view, and name that"
            )
        if at.format in (None, "unix", "unix_ms"):
            return at
        if ISO.fullmatch(at.format):
            return replace(at, format=None)
        raise InputError(
            f"{at.columns[0]} writes times {at.format}: make a time of it by a view, and name that"
        )


def is_one(source: str) -> bool:
    """Whether a source is the address of a database."""
    return source.startswith(("postgresql://", "mysql://", "sqlite://", "duckdb://"))


def sampled(project: str, source: str, table: str | None, file: Path) -> Origin:
    """Write rows of a table to a file, and say where they come from.

    Args:
        project: its name.
        source: ``postgresql://user@host/database``, ``mysql://...``, ``sqlite:///file.db`` or
            ``duckdb:///file.duckdb``, with ``?table=`` or without.
        table: its name, where the address has none.
        file: to write, Parquet.

    Raises InputError for an address that is none; what reading raises.
    """
    parts = urlsplit(source)
    if parts.password is not None:
        raise InputError(
            f"an address is seen by others: give the password as {secret_variable(project, SECRET)}, and "
            "take it out of --from"
        )
    asked = parse_qs(parts.query)
    table = table or (asked.pop("table", [None])[0])
    if table is None or not TABLE.fullmatch(table):
        raise InputError("say which table: --table orders, or --table sales.orders")
    url = source.partition("?")[0]
    kind, _, path = url.partition("://")
    if kind in ("sqlite", "duckdb"):
        url = f"{kind}://{_file(path)}"
    elif asked.get("sslmode"):
        url += f"?sslmode={asked['sslmode'][0]}"
    secret = SECRET if os.environ.get(secret_variable(project, SECRET)) else ""
    settings = Settings.model_validate({"warehouse_dsn": "", "artifacts_url": "", "allowed_sources": "*"})
    rows = sample(url, secret, project, Database(table=table), settings, file, MOST + 1)
    if not rows:
        raise InputError(f"table {table} is empty: there is nothing to learn from")
    return Origin(url, table, secret, rows > MOST)


def _file(path: str) -> Path:
    """A database's file; ``/file.db`` is looked for in the working folder first, as it is often meant."""
    here = Path(path.lstrip("/"))
    found = next((each for each in (here, Path(path.replace("//", "/"))) if each.is_file()), None)
    if found is None:
        raise InputError(f"{here} is no file")
    return found.resolve()
