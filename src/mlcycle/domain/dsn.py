"""DSNs that would be read otherwise than they were meant, and tell a password to whoever sees the error."""

import re

from mlcycle.errors import ConfigError

FORM = "postgresql://user:password@host:5432/db"
_URL = re.compile(r"postgres(?:ql)?://([^/]*)/?([^?]*)")
_HOST = re.compile(r"(\[[^]]*\]|[^:@\[]*)(:[0-9]*)?")


def not_one(variable: str) -> ConfigError:
    """What is said of a DSN that cannot be read. It never shows it: a password may be anywhere in it."""
    return ConfigError(f"{variable} is not a DSN: write it like {FORM}")


def check(variable: str, dsn: str) -> None:
    """Raise ConfigError for a URL whose password holds a sign that ends it.

    libpq takes what stands behind it for a host or a port, and shows that in its errors.
    """
    url = _URL.match(dsn)
    if url is None:
        return
    head, path = url.groups()
    user, at, behind = head.partition("@")
    hosts, query, _ = (behind if at else user).partition("?")
    if not all(map(_HOST.fullmatch, hosts.split(","))) or ("@" in path and not query):
        raise ConfigError(
            f"{variable}: a sign of the password ends it: write / as %2F, @ as %40, : as %3A, % as %25 in it"
        )
