"""A lock that a step holds while it works outside of any transaction: a lease on a session of its own.

The session holds an advisory lock and says every few seconds that it is alive; a server that hears
nothing for ``LEASE`` ends it, and with it the lock. So nobody waits long for a step that was stopped or
whose machine is gone, and no transaction is open meanwhile. A newer attempt of the same work does not
wait at all: it ends its predecessor's session. A holder asks :meth:`SessionLock.check` before it does
what it must not do without the lock.
"""

import hashlib
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg2
import psycopg2.errors
from psycopg2.extensions import connection as Connection

from mlcycle.adapters.warehouse.connection import connect
from mlcycle.errors import Unavailable
from mlcycle.settings import Settings

LEASE = 60  # seconds without a word after which the server ends the session
PATIENCE = 1200  # seconds to wait for other holders
_TURN = 500  # milliseconds that one statement waits: shorter than any limit on transactions


class SessionLock:
    """A held lock."""

    def __init__(self, connection: Connection, name: str) -> None:
        self._connection = connection
        self._name = name
        self._over = threading.Event()
        self._alive = threading.Thread(target=self._speak, name=f"lease {name}", daemon=True)
        self._alive.start()

    def check(self) -> None:
        """Raises Unavailable where the session is gone: another one may hold the lock by now."""
        try:
            with self._connection.cursor() as cursor:
                cursor.execute("select 1")
        except psycopg2.Error:
            raise Unavailable(
                f"the lock {self._name!r} was lost: its session was ended; it will be tried again"
            ) from None

    def release(self) -> None:
        """Let the next one in."""
        self._over.set()
        self._alive.join()
        self._connection.close()

    def _speak(self) -> None:
        while not self._over.wait(LEASE / 4):
            try:
                self.check()
            except Unavailable:
                return  # the holder finds out when it asks


@contextmanager
def holding(settings: Settings, name: str, work: str = "", token: int = 0) -> Iterator[SessionLock]:
    """Hold a named lock, in turn with whoever else asks for it.

    Args:
        settings: where the warehouse is.
        name: of the lock, one for the whole warehouse.
        work: the holder's, whose earlier attempts lose the lock to this one.
        token: the attempt's.

    Raises Unavailable where others kept it for ``PATIENCE`` seconds.
    """
    mine = f"mlcycle:lock:{hashlib.sha256(f'{name} {work}'.encode()).hexdigest()[:16]}"
    connection = connect(settings, name=f"{mine}:{token}")
    connection.autocommit = True
    try:
        try:
            _take(connection, name, mine if work else "", token)
        except psycopg2.Error as error:
            reason = " ".join(str(error).split())
            raise Unavailable(f"the warehouse does not answer: {reason}; it will be tried again") from None
        lock = SessionLock(connection, name)
        try:
            yield lock
        finally:
            lock.release()
    finally:
        connection.close()


def _take(connection: Connection, name: str, mine: str, token: int) -> None:
    deadline = time.monotonic() + PATIENCE
    with connection.cursor() as cursor:
        if mine:
            cursor.execute(
                """select pg_terminate_backend(pid) from pg_stat_activity
                   where datname = current_database() and usename = current_user
                     and split_part(application_name, ':', 3) = split_part(%s, ':', 3)
                     and application_name like 'mlcycle:lock:%%:%%'
                     and split_part(application_name, ':', 4)::bigint < %s""",
                (mine, token),
            )
        cursor.execute(
            "select set_config('lock_timeout', %s, false), set_config('idle_session_timeout', %s, false)",
            (str(_TURN), f"{LEASE}s"),
        )
        while True:
            try:
                cursor.execute("select pg_advisory_lock(hashtextextended(%s, 0))", (name,))
                return
            except psycopg2.errors.LockNotAvailable:
                if time.monotonic() > deadline:
                    raise Unavailable(
                        f"other runs have held {name!r} for {PATIENCE} s; it will be tried again"
                    ) from None
