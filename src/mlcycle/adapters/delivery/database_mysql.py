"""MySQL and MariaDB through PyMySQL: connections that read, rows as they come, what errors mean."""

import ssl
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from mlcycle.adapters.delivery.database_place import Place
from mlcycle.errors import ConfigError, MlcycleError, Unavailable
from mlcycle.settings import Settings

if TYPE_CHECKING:
    import sqlalchemy as sa

#: Numbers of errors: the login, what may not be read or is not there, what takes too long.
_LOGIN = frozenset({1044, 1045, 1049, 1130, 1251, 1698, 3118})
_REFUSED = frozenset({1054, 1055, 1064, 1142, 1143, 1146, 1109, 1305, 1370, 1426, 1792, 1227})
_SLOW = frozenset({1205, 1969, 3024, 1317})


def engine(
    place: Place, password: str, settings: Settings, slowest: int, more: dict[str, Any]
) -> "sa.Engine":
    """An engine on a server. Raises ConfigError where PyMySQL is not installed."""
    import sqlalchemy as sa

    try:
        from pymysql.constants import FIELD_TYPE
        from pymysql.converters import conversions
    except ImportError:
        raise ConfigError(
            "a MySQL is read by PyMySQL, which is not installed: install mlcycle[mysql]"
        ) from None
    read = {**conversions}
    for kind in (FIELD_TYPE.DATETIME, FIELD_TYPE.DATE, FIELD_TYPE.TIMESTAMP):
        read[kind] = _times(conversions[kind], zoned=kind == FIELD_TYPE.TIMESTAMP)
    args: dict[str, Any] = {
        "connect_timeout": max(2, int(settings.timeout)),
        "read_timeout": slowest + 60,
        "charset": "utf8mb4",
        "conv": read,
        "program_name": "mlcycle",
        "local_infile": False,
        **_tls(place.sslmode),
    }
    address = sa.URL.create(
        "mysql+pymysql", place.user or None, password or None, place.host, place.port, place.name
    )
    return sa.create_engine(address, connect_args=args, **more)


def _times(usual: Any, *, zoned: bool) -> Any:
    """Reads a time; one like 0000-00-00, which MySQL has for none, is none. A TIMESTAMP is a moment."""

    def read(text: Any) -> Any:
        value = usual(text)
        if isinstance(value, str | bytes):
            return None
        return value.replace(tzinfo=UTC) if zoned and isinstance(value, datetime) else value

    return read


def _tls(mode: str) -> dict[str, Any]:
    """What a mode asks of the connection; without one PyMySQL's own way."""
    if not mode:
        return {}
    if mode == "disable":
        return {"ssl_disabled": True}
    context = ssl.create_default_context()
    context.check_hostname = mode == "verify-full"
    if mode == "require":
        context.verify_mode = ssl.CERT_NONE
    return {"ssl": context}


def read_only(raw: Any, slowest: int) -> None:
    """Hold a session to reading one snapshot, within its time, with times of UTC."""
    longest = (
        f"max_statement_time = {slowest}"
        if "MariaDB" in raw.get_server_info()
        else f"max_execution_time = {slowest * 1000}"
    )
    with raw.cursor() as cursor:
        cursor.execute(f"set session time_zone = '+00:00', {longest}, lock_wait_timeout = 30")
        cursor.execute("set session transaction isolation level repeatable read")
        cursor.execute("start transaction with consistent snapshot, read only")


def meaning(error: BaseException, place: Place) -> MlcycleError | None:
    """What an error of the server means; None where it has no number of these."""
    number = error.args[0] if error.args and isinstance(error.args[0], int) else 0
    if number in _LOGIN:
        who = f" of {place.user!r}" if place.user else ""
        return ConfigError(
            f"{place.shown} refuses the login{who}: check the user, the database's name, sslmode, and the "
            "password in what source.secret names"
        )
    if number in _REFUSED:
        said = " ".join(str(error.args[1]).split())[:300] if len(error.args) > 1 else "no reason given"
        return ConfigError(f"{place.shown} refuses: {said} ({number})")
    if number in _SLOW:
        return Unavailable(f"{place.shown}: a statement took too long, waited for a lock, or was cancelled")
    return (
        Unavailable(f"{place.shown} does not answer ({number}); it will be tried again") if number else None
    )
