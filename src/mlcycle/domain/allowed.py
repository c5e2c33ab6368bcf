"""Which places a project file may name: sources to fetch from, receivers to send to.

Who runs the platform lists them, ``https://exports.example, s3://bucket/folder, file:///data``; ``*`` is
anywhere. A place is read strictly: what two libraries could read in two ways is refused, not guessed.
"""

import ipaddress
import re
from collections.abc import Iterable
from dataclasses import dataclass
from urllib.parse import unquote

ANYWHERE = "*"
PORTS = {"http": 80, "https": 443, "smtp": 25, "ftp": 21, "sftp": 22, "postgresql": 5432, "mysql": 3306}
#: Protocols of fsspec that open another URL, or a path of this machine under another name.
WRAPPERS = frozenset(
    {"filecache", "simplecache", "blockcache", "cached", "dir", "dirfs", "zip", "tar", "libarchive"}
    | {"reference", "generic", "async_wrapper", "local", "data", "memory", "jupyter", "jlab", "asynclocal"}
)
_CONTAINERS = frozenset({"abfs", "abfss", "adl", "wasb", "wasbs"})  # container@account, not user@host
_URL = re.compile(r"([a-z][a-z0-9+.-]*)://([^/?#]*)([^?#]*)(\?[^#]*)?")
_NAME = re.compile(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_])?")
_ODD = re.compile(r"[\x00-\x1f\x7f-\x9f\\]")
_IN_PATH = ("..", "/", "\\", "%")  # what must not come out of a percent sign


@dataclass(frozen=True)
class Place:
    """A URL taken apart: scheme, host or bucket, port (the scheme's own where none is said), path."""

    scheme: str
    host: str
    port: int | None
    path: str

    @property
    def origin(self) -> str:
        """What a person needs to name to allow it, without the path, which may hold a secret."""
        port = f":{self.port}" if self.port != PORTS.get(self.scheme) else ""
        return f"{self.scheme}://{self.host}{port}" if self.host else f"{self.scheme}://{self.path}"


def parse(url: str, *, query: bool = False, wildcard: bool = False) -> Place:
    """Take a URL apart. Raises ValueError, a few words on what is wrong with it.

    ``query`` permits one; ``wildcard`` permits a host like ``*.example.com``.
    """
    if _ODD.search(url):
        raise ValueError("a backslash or a control character: write it plainly")
    match = _URL.fullmatch(url)
    if match is None:
        raise ValueError("not scheme://host/path in small letters, without #")
    scheme, authority, path, asked = match.groups()
    if scheme in WRAPPERS:
        raise ValueError(f"{scheme}:// opens another place than it names")
    if asked and not query:
        raise ValueError("a ? would make a query of the file's name")
    check_path(path)
    if scheme == "file":
        if authority or not path.startswith("/"):
            raise ValueError("a file is written file:///folder")
        return Place(scheme, "", None, path.rstrip("/"))
    if "@" in authority and scheme not in _CONTAINERS:
        raise ValueError("a user or password before the host: put it into a secret")
    host, port = _host(authority, wildcard)
    return Place(scheme, host, port if port is not None else PORTS.get(scheme), path.rstrip("/"))


def check_path(path: str) -> None:
    """Raises ValueError for a path that could lead out of its folder."""
    if "::" in path or _ODD.search(path) or "?" in path or "#" in path:
        raise ValueError("a path holds no ::, ?, # or backslash")
    for part in path.split("/"):
        plain = unquote(part)
        if plain in (".", "..") or (plain != part and any(sign in plain for sign in _IN_PATH)):
            raise ValueError("a path holds no . or .. between slashes, however written")


def entries(text: str) -> list[Place | None]:
    """The places of a setting; None stands for anywhere. Raises ValueError that names the entry."""
    found: list[Place | None] = []
    for item in re.split(r"[\s,]+", text.strip()):
        if item == ANYWHERE:
            found.append(None)
        elif item:
            try:
                found.append(parse(item, wildcard=True))
            except ValueError as error:
                raise ValueError(f"{item!r}: {error}") from None
    return found


def match(place: Place, allowed: Iterable[Place | None]) -> bool:
    """Whether a place is one of those allowed, or below one."""
    return any(entry is None or _within(place, entry) for entry in allowed)


def _within(place: Place, entry: Place) -> bool:
    if (place.scheme, place.port) != (entry.scheme, entry.port):
        return False
    if entry.host.startswith("*"):
        if not place.host.endswith(entry.host[1:]) or _is_link_local(place.host):
            return False
    elif place.host != entry.host:
        return False
    return place.path == entry.path or place.path.startswith(f"{entry.path}/")


def _host(authority: str, wildcard: bool) -> tuple[str, int | None]:
    if authority.startswith("["):
        inside, closed, rest = authority[1:].partition("]")
        try:
            host = f"[{ipaddress.IPv6Address(inside)}]"
        except ValueError:
            raise ValueError("not an IPv6 address between the brackets") from None
        if not closed or (rest and not rest.startswith(":")):
            raise ValueError("not an IPv6 address between the brackets")
        return host, _port(rest[1:]) if rest else None
    host, colon, port = authority.partition(":")
    name = host.removeprefix("*.") if wildcard and host != "*" else host
    if wildcard and host == "*":
        return host, _port(port) if colon else None
    container, _, account = name.rpartition("@")
    if not all(map(_NAME.fullmatch, filter(None, (container, account)))) or not account or ".." in name:
        raise ValueError("the host is not a name of small letters, digits, dots and dashes")
    last = account.rpartition(".")[2]
    if last.isdecimal() or re.fullmatch(r"0x[0-9a-f]*", last):
        try:
            ipaddress.IPv4Address(account)
        except ValueError:
            raise ValueError("an IP address is written as four numbers") from None
    return host, _port(port) if colon else None


def _port(text: str) -> int:
    if not re.fullmatch(r"[0-9]{1,5}", text) or not 0 < int(text) < 65536:
        raise ValueError("the port is not a number from 1 to 65535")
    return int(text)


def _is_link_local(host: str) -> bool:
    """Where clouds answer with a machine's own credentials: never meant by a wildcard."""
    try:
        address = ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    mapped = getattr(address, "ipv4_mapped", None)
    return (mapped or address).is_link_local
