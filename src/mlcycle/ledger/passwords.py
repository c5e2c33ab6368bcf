"""A role's password, given so that a server's log of its statements does not learn it."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from psycopg2.extensions import cursor as Cursor


def set_password(cursor: "Cursor", role: str, password: str) -> None:
    """Give a role its password as a SCRAM verifier made here: a server's log of DDL learns nothing.

    A server that takes no ready-made ones gets the password itself. Needs an open transaction.
    """
    import psycopg2
    from psycopg2 import sql
    from psycopg2.extensions import encrypt_password

    def give(secret: str) -> None:
        statement = sql.SQL("alter role {} password {}").format(sql.Identifier(role), sql.Literal(secret))
        cursor.execute(statement)

    verifier = encrypt_password(password, role, algorithm="scram-sha-256", scope=cursor.connection)
    cursor.execute("savepoint password")
    try:
        give(verifier)
    except psycopg2.Error as error:
        if cursor.connection.closed or isinstance(error, psycopg2.errors.InsufficientPrivilege):
            raise  # the same again would only tell the password to the log
        cursor.execute("rollback to savepoint password")
        give(password)
    cursor.execute("release savepoint password")
