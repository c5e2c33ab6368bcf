"""Where the database of a source is: one on a server, or a file."""

import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import unquote

from mlcycle.adapters.delivery.places import SOURCE, allowed_source
from mlcycle.errors import ConfigError
from mlcycle.settings import Settings

PORTS = {"postgresql": 5432, "mysql": 3306}
SSL = {
    "postgresql": ("disable", "allow", "prefer", "require", "verify-ca", "verify-full"),
    "mysql": ("disable", "require", "verify-ca", "verify-full"),
}
_URL = re.compile(
    r"(postgresql|mysql)://(?:([^@/?]*)@)?([a-zA-Z0-9_.:\[\]-]+)/([\w.-]+)(?:\?sslmode=([a-z-]+))?"
)
_FILES = ("sqlite", "duckdb")
DUCKDB = (".duckdb", ".ddb")  # what such a file's name ends in, where the source does not say


@dataclass(frozen=True)
class Place:
    """Where a database is, without its password."""

    shown: str  # to people
    path: str = ""  # of a file; of DuckDB a folder, too
    user: str = ""
    host: str = ""
    port: int = 5432
    name: str = ""
    sslmode: str = ""

    @property
    def kind(self) -> str:
        """Which database it is."""
        return self.shown.partition("://")[0]

    @property
    def folder(self) -> str:
        """Where files that a query may name lie: the folder itself, or that of the file."""
        return self.path if Path(self.path).is_dir() else str(Path(self.path).parent)


def place_of(given: str, settings: Settings) -> Place:
    """Where a source's database is. Raises ConfigError for a place that is not allowed, or no address."""
    url = given
    for kind in _FILES:
        if url.startswith(f"{kind}://"):
            return _file(kind, "file://" + url.removeprefix(f"{kind}://"), settings)
    if url.startswith(SOURCE) and settings.source_url.startswith("file://"):
        return _file("duckdb" if url.endswith(DUCKDB) else "sqlite", url, settings)
    if url.startswith(SOURCE):
        if url.removeprefix(SOURCE)[:1] not in ("", "/"):
            raise ConfigError(f"source.url {url!r}: a / stands behind {SOURCE}")
        url = settings.source_url.rstrip("/") + url.removeprefix(SOURCE)
    match = _URL.fullmatch(url)
    if match is None or (match[5] and match[5] not in SSL[match[1]]):
        raise ConfigError(
            "source.url: a database is written postgresql://user@host:5432/database or "
            "mysql://user@host:3306/database, with ?sslmode=verify-full where that is wanted, or "
            "sqlite:///folder/file.db, or duckdb:///folder/file.duckdb"
        )
    kind, user, address, name, sslmode = match.groups()
    plain = f"{kind}://{address}/{name}"
    if not given.startswith(SOURCE):
        allowed_source(plain, settings)
    port = str(PORTS[kind])
    host, _, port = address.rpartition(":") if re.search(r":[0-9]+$", address) else (address, "", port)
    return Place(
        plain,
        user=unquote((user or "").partition(":")[0]),
        host=host.strip("[]"),
        port=int(port),
        name=name,
        sslmode=sslmode or "",
    )


def _file(kind: str, url: str, settings: Settings) -> Place:
    """A file, which is allowed where files are."""
    filled, places = allowed_source(url, settings)
    path = filled.removeprefix("file://")
    places.check_file(path)
    return Place(f"{kind}://{path}", path=path)
