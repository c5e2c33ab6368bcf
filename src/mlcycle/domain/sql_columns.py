"""Whether a view's SQL names a column: by its words, without PostgreSQL's parser, slow to load."""

import re

_NOT_CODE = re.compile(r"--[^\n]*|/\*.*?\*/|'(?:[^']|'')*'", re.DOTALL)
_EVERY_COLUMN = re.compile(r"(?:\bselect|\bdistinct|,)\s*(?:\w+\s*\.\s*)?\*", re.IGNORECASE)


def names_column(sql: str, column: str) -> bool:
    """Whether the code names the column, or asks for every column; comments and texts are no code."""
    code = _NOT_CODE.sub(" ", sql)
    named = re.search(rf"(?<!\w){re.escape(column)}(?!\w)", code, re.IGNORECASE)
    return named is not None or _EVERY_COLUMN.search(code) is not None
