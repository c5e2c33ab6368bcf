"""Where a project's source may be fetched from: what its URL says, where a redirect or a link leads."""

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

from mlcycle.domain import allowed
from mlcycle.errors import ConfigError
from mlcycle.settings import Settings

SOURCE = "{source}"
SETTING = "MLCYCLE_ALLOWED_SOURCES"


@dataclass(frozen=True)
class Places:
    """What one source may be fetched from; None stands for anywhere."""

    entries: tuple[allowed.Place | None, ...]

    def check(self, url: str, what: str) -> None:
        """Raises ConfigError, one line with the setting to change, for a place that is not allowed."""
        try:
            place = allowed.parse(url, query=True)
        except ValueError as error:
            raise ConfigError(f"{what} {url!r}: {error}") from None
        if not allowed.match(place, self.entries):
            raise ConfigError(
                f"{what} {url!r} is not among the places that sources may name: whoever runs the platform "
                f"adds {place.origin} to {SETTING}"
            )

    def check_file(self, path: str) -> None:
        """The same for where a file's symbolic links lead."""
        real = os.path.realpath(path)
        roots = [entry for entry in self.entries if entry is None or entry.scheme == "file"]
        within = [None if entry is None else Path(os.path.realpath(entry.path or "/")) for entry in roots]
        if not any(root is None or Path(real).is_relative_to(root) for root in within):
            raise ConfigError(f"{path} is a link that leads out of the folders in {SETTING}: deliver a file")

    def on_redirect(self) -> Any:
        """A trace of aiohttp that lets a redirect pass to an allowed place only."""
        import aiohttp

        async def check(_session: Any, _context: Any, params: Any) -> None:
            location = params.response.headers.get("Location") or params.response.headers.get("URI", "")
            self.check(urljoin(str(params.url), location), f"{params.url} redirects:")

        trace = aiohttp.TraceConfig()
        trace.on_request_redirect.append(check)
        return trace


def allowed_source(url: str, settings: Settings) -> tuple[str, Places]:
    """A project's source.url with ``{source}`` filled in, and the places it may lead to.

    What stands below ``MLCYCLE_SOURCE_URL`` is allowed: who runs the platform has set it. Raises
    ConfigError for anything else that is not in ``MLCYCLE_ALLOWED_SOURCES``.
    """
    places: list[allowed.Place | None] = list(allowed.entries(settings.allowed_sources))
    if not url.startswith(SOURCE):
        found, filled = Places(tuple(places)), url.rstrip("/")
        found.check(filled, "source.url")
        if "?" in filled:
            raise ConfigError(f"source.url {url!r}: a ? would make a query of the file's name")
        return filled, found
    if not settings.source_url:
        raise ConfigError("MLCYCLE_SOURCE_URL is not set: source.url of the project stands on it")
    base, rest = settings.source_url.rstrip("/"), url.removeprefix(SOURCE).rstrip("/")
    try:
        if rest and not rest.startswith("/"):
            raise ValueError("a / stands behind {source}")
        allowed.check_path(rest)
    except ValueError as error:
        raise ConfigError(f"source.url {url!r}: {error}") from None
    try:
        places.append(allowed.parse(_without_user(base)))
    except ValueError as error:
        raise ConfigError(f"MLCYCLE_SOURCE_URL: {error}") from None
    return base + rest, Places(tuple(places))


def _without_user(url: str) -> str:
    """Whoever runs the platform may write a user, a password and capitals into their own URL."""
    scheme, separator, rest = url.partition("://")
    authority, slash, path = rest.partition("/")
    if scheme.lower() in ("http", "https", "ftp", "sftp"):
        scheme, authority = scheme.lower(), authority.rpartition("@")[2].lower()
    return f"{scheme}{separator}{authority}{slash}{path}"
