"""One SELECT over declared tables: what a feature view's SQL must be before it reaches the warehouse.

PostgreSQL's own parser reads it, so that what is meant here is what the server would do. What a view
may *read* is the server's to refuse (its login has rights on the declared tables alone); this says what
is wrong in one line, and keeps out functions that reach the server instead of the data: they sleep, take
locks, change the session, or run SQL out of a text, which no check of the statement would see.
"""

import re
import string
from collections.abc import Collection
from typing import Any

import postgast
from postgast import PgQueryError

SCHEMA = "{}"  # stands in the checked text as the schema of a declared table
MOMENT = "'2000-01-01 00:00:00+00'::timestamptz"  # and this for the window's start and end
WINDOW = ("start", "end")
RULE = "write tables as {name}, the window as %(start)s and %(end)s, any other brace or percent sign twice"
_PERCENT = re.compile(r"%(?:(?P<twice>%)|\((?P<name>[^()]*)\)s)?")

_REACHES_SERVER = (
    *("pg_", "lo_", "loread", "lowrite", "dblink", "has_", "row_security", "reg", "to_reg", "txid_"),
    *("binary_upgrade_", "set_config", "current_setting", "current_query", "inet_client", "inet_server"),
    *("nextval", "setval", "currval", "lastval"),
    *("query_to_xml", "cursor_to_xml", "table_to_xml", "schema_to_xml", "database_to_xml", "ts_stat"),
    *("ts_rewrite", "crosstab", "connectby", "xpath_table"),  # run SQL out of a text
)
_HARMLESS = ("pg_typeof", "regexp_", "regr_")


def problem(text: str, tables: Collection[str]) -> tuple[int, str] | None:
    """Where and why a view's SQL is not one SELECT over its tables; None where it is one.

    Args:
        text: as the project has it, tables written ``{name}``, the window ``%(start)s`` and ``%(end)s``.
        tables: names of the declared tables.

    Returns:
        The line, 1 is the first, and the reason.
    """
    try:
        return statement_problem(filled(text, tables), tables)
    except _Unfilled as error:
        return error.line, error.reason


class _Unfilled(Exception):
    def __init__(self, before: str, reason: str) -> None:
        self.line, self.reason = before.count("\n") + 1, reason


def filled(text: str, tables: Collection[str]) -> str:
    """The text with a table's stand-in for each ``{name}`` and a moment for the window's ends."""
    filled = ""
    try:
        for literal, name, spec, conversion in string.Formatter().parse(text):
            filled += literal
            if name is None:
                continue
            if spec or conversion:
                raise _Unfilled(filled, RULE)
            if name not in tables:
                raise _Unfilled(filled, _unknown(name, tables))
            filled += f'"{SCHEMA}"."{name}"'
    except ValueError as error:  # a single brace
        raise _Unfilled("", f"{error}; {RULE}") from None

    def fill(found: re.Match[str]) -> str:
        if found["twice"]:
            return "%"
        if found["name"] is None:
            raise _Unfilled(filled[: found.start()], f"a lone percent sign; {RULE}")
        if found["name"] not in WINDOW:
            raise _Unfilled(filled[: found.start()], _unknown(found["name"], tables))
        return MOMENT

    return _PERCENT.sub(fill, filled)


def _unknown(name: str, tables: Collection[str]) -> str:
    return (
        f"{name!r} is neither a table it reads ({', '.join(tables)}) nor start or end: declare it under "
        "reads, or write a brace or percent sign of SQL twice"
    )


def query_problem(query: str) -> tuple[int, str] | None:
    """The same of a query on somebody's database, whose login says which tables it may read."""
    found = statement_problem(query.strip().rstrip(";").rstrip(), None)
    return found and (found[0], found[1].replace("a view", "a query"))


def statement_problem(statement: str, tables: Collection[str] | None) -> tuple[int, str] | None:
    """The same of a text whose tables are ``"{}"."<name>"`` and whose window is filled in; None: any ones."""
    for token in _tokens(statement):
        if token.token == postgast.pg_query_pb2.ASCII_59:
            return line_of(statement, token.start), "a view is one SELECT: remove the semicolon"
    try:
        tree = postgast.parse(statement)
    except PgQueryError as error:
        return statement.count("\n", 0, max(error.cursorpos - 1, 0)) + 1, error.message
    except Exception as error:  # noqa: BLE001 - protobuf's decoder names its errors anew with each release
        return 1, f"the SQL cannot be read ({type(error).__name__}): is it nested very deep?"
    nodes = [node for _, node in postgast.walk(tree)]
    if len(tree.stmts) != 1:
        return 1, "a view is one SELECT: there is none"
    named = {node.ctename for node in nodes if _kind(node) == "CommonTableExpr"}
    at = 0  # of the last node that knows its place: some do not
    for node in nodes:
        at = getattr(node, "location", 0) or at
        if reason := _reason(node, tables, named):
            return line_of(statement, at), reason
    return None


def _reason(node: Any, tables: Collection[str] | None, named: Collection[str]) -> str | None:
    kind = _kind(node)
    if kind == "RangeVar" and tables is None:
        return None
    if kind == "RangeVar":
        assert tables is not None
        return _of_table(node.schemaname, node.relname, tables, named)
    if kind == "CommonTableExpr" and node.ctename.startswith("pg_"):
        return f"{node.ctename!r} is a name of PostgreSQL's own: call it something else"
    if kind == "FuncCall" and _reaches_server(name := node.funcname[-1].string.sval):
        return f"{name}() reaches the server, not the data: a view has only functions of values"
    if kind == "TypeName" and node.names and _reaches_server(name := node.names[-1].string.sval):
        return f"the type {name} looks names up in the server: a view has only types of values"
    if kind == "IntoClause":
        return "a view only reads: remove INTO"
    if kind == "LockingClause":
        return "a view only reads: remove FOR UPDATE or FOR SHARE"
    if kind.endswith("Stmt") and kind not in ("SelectStmt", "RawStmt"):
        return (
            f"a view is one SELECT, without a data-modifying statement in it: remove the {kind[:-4].upper()}"
        )
    return None


def _of_table(schema: str, name: str, tables: Collection[str], named: Collection[str]) -> str | None:
    if schema == SCHEMA and name in tables:
        return None
    if not schema and name in named:
        return None
    full = f"{schema}.{name}" if schema else name
    return f"{full!r} is not among the tables it reads: declare them under reads and write each as {{name}}"


def _reaches_server(name: str) -> bool:
    folded = name.lower()
    return folded.startswith(_REACHES_SERVER) and not folded.startswith(_HARMLESS)


def _tokens(statement: str) -> list[Any]:
    try:
        return list(postgast.scan(statement).tokens)
    except PgQueryError:
        return []  # the parser says the same, with its place


def _kind(node: Any) -> str:
    return type(node).__name__


def line_of(statement: str, at: int) -> int:
    """The line of a place in a statement, 1 is the first."""
    return statement.encode().count(b"\n", 0, at) + 1  # the parser counts bytes
