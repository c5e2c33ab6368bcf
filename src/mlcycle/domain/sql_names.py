"""Columns that a view's SQL names and no table has, and columns that it should give and does not.

By PostgreSQL's own parser and what a project declares, without a server. It says only what is sure: a column
of a table's alias, a bare column where the FROM holds declared tables alone, an alias that is nowhere, and
what the outermost SELECT gives. What comes out of functions and subqueries is the server's to judge.
"""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import postgast

from mlcycle.domain.closest import among, meant
from mlcycle.domain.sql_guard import SCHEMA, filled, line_of

#: What PostgreSQL gives every table, beside what the platform does.
SYSTEM = frozenset(("ctid", "xmin", "xmax", "cmin", "cmax", "tableoid", "_batch_id"))


@dataclass
class _Names:
    """What a statement's FROMs hold: aliases of declared tables, and names of anything else."""

    tables: dict[str, set[str]] = field(default_factory=dict)  # alias -> declared tables
    others: set[str] = field(default_factory=set)  # of functions, subqueries, common table expressions
    outputs: set[str] = field(default_factory=set)  # names that a SELECT gives to what it computes
    plain: bool = True  # nothing but declared tables


def problems(
    text: str, tables: Mapping[str, Collection[str]], gives: Collection[str]
) -> list[tuple[int, str]]:
    """What is surely wrong with the names of a view's SQL.

    Args:
        text: SQL that ``sql_guard.problem`` has nothing against.
        tables: the columns of each table that it reads.
        gives: columns that the view must give.

    Returns:
        The line, 1 is the first, and the reason of each.
    """
    statement = filled(text, tables)
    tree = postgast.parse(statement)
    nodes = [node for _, node in postgast.walk(tree)]
    names = _names(nodes)
    found = [*_columns(nodes, names, tables), *_given(tree.stmts[0].stmt.select_stmt, gives)]
    return sorted({(line_of(statement, at), reason) for at, reason in found})


def _names(nodes: list[Any]) -> _Names:
    names = _Names()
    for node in nodes:
        kind = type(node).__name__
        if kind == "RangeVar" and node.schemaname == SCHEMA:
            names.tables.setdefault(node.alias.aliasname or node.relname, set()).add(node.relname)
        elif kind == "RangeVar":
            names.others.update((node.alias.aliasname or node.relname, node.relname))
            names.plain = False
        elif kind in ("RangeSubselect", "RangeFunction", "RangeTableFunc", "JoinExpr"):
            names.others.add(node.alias.aliasname)
            names.plain = names.plain and kind == "JoinExpr"
        elif kind == "CommonTableExpr":
            names.others.add(node.ctename)
            names.plain = False
        elif kind == "SubLink":
            names.plain = False
        elif kind == "ResTarget" and node.name:
            names.outputs.add(node.name)
    return names


def _columns(
    nodes: list[Any], names: _Names, tables: Mapping[str, Collection[str]]
) -> Iterator[tuple[int, str]]:
    every = {column for columns in tables.values() for column in columns}
    for node in nodes:
        if type(node).__name__ != "ColumnRef" or any(part.HasField("a_star") for part in node.fields):
            continue
        *of, column = (part.string.sval for part in node.fields)
        if len(of) > 1 or column in SYSTEM:
            continue
        if of and of[0] not in names.tables:
            if of[0] not in names.others:
                known = [each for each in [*names.tables, *names.others] if each]
                yield node.location, f"{of[0]}.{column}: its FROM has no {of[0]!r}{meant(of[0], known)}"
        elif of and of[0] not in names.others:
            known = [each for table in sorted(names.tables[of[0]]) for each in tables[table]]
            if column not in known:
                where = ", ".join(sorted(names.tables[of[0]]))
                yield (
                    node.location,
                    f"{of[0]}.{column}: no column {column!r} in {where}: {among(column, known)}",
                )
        elif not of and names.plain and column not in every | names.outputs | set(names.tables):
            yield (
                node.location,
                f"no column {column!r} in {', '.join(tables)}: {among(column, sorted(every))}",
            )


def _given(select: Any, gives: Collection[str]) -> Iterator[tuple[int, str]]:
    while select.HasField("larg"):  # of a UNION, whose names are those of its first SELECT
        select = select.larg
    given = set()
    for node in select.target_list:
        target = node.res_target
        last = target.val.column_ref.fields[-1] if target.val.column_ref.fields else None
        if last is not None and last.HasField("a_star"):
            return
        given.add(target.name or (last.string.sval if last is not None else _unnamed(target.val)))
    for name in gives:
        if name not in given:
            at = select.target_list[0].res_target.location if select.target_list else 0
            hint = meant(name, [each for each in given if each and each not in gives])
            yield at, f"its SELECT gives no column {name!r}{hint}"


def _unnamed(value: Any) -> str:
    """The name that PostgreSQL gives what has none, where it is one of the usual: a cast's, a function's."""
    while value.HasField("type_cast"):
        value = value.type_cast.arg
    if value.HasField("column_ref"):
        return str(value.column_ref.fields[-1].string.sval)
    return str(value.func_call.funcname[-1].string.sval) if value.HasField("func_call") else ""
