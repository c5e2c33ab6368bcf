"""One SELECT and nothing else: what a feature view's SQL must be before it reaches the warehouse.

The view runs wrapped in a subquery and in a read-only transaction, so the server itself refuses
writes. What is left is text that would end the wrapper and begin another statement.
"""

import re

_SKIPPED = re.compile(
    r"""--[^\n]*
      | [eE]'(?:[^'\\]|\\.|'')*'
      | '(?:[^']|'')*'
      | "(?:[^"]|"")*"
      | \$([A-Za-z_]\w*)?\$.*?\$(?(1)\1)\$
    """,
    re.VERBOSE | re.DOTALL,
)
_WORD = re.compile(r"\w+", re.ASCII)


def problem(statement: str) -> tuple[int, str] | None:
    """Where and why a statement is more, or less, than one SELECT; None where it is one.

    Looks at the final text, literals filled in: quotes, comments and parentheses must be closed, no
    parenthesis closes the wrapper's, and no semicolon stands outside quotes.
    """
    at, opened = 0, []
    while at < len(statement):
        char = statement[at]
        if statement.startswith("/*", at):
            end = _comment_end(statement, at)
            if end is None:
                return at, "a comment is not closed"
            at = end
            continue
        if skipped := _SKIPPED.match(statement, at):
            at = skipped.end()
            continue
        if char in "'\"":
            return at, f"a {char} is not closed"
        if char == ";":
            return at, "a view is one SELECT: remove the semicolon"
        if char == "(":
            opened.append(at)
        elif char == ")" and not opened:
            return at, "a parenthesis is closed that was not opened"
        elif char == ")":
            opened.pop()
        word = _WORD.match(statement, at)
        at = word.end() if word and char not in "eE" else at + 1
    return (opened[-1], "a parenthesis is not closed") if opened else None


def _comment_end(statement: str, start: int) -> int | None:
    """End of a block comment; PostgreSQL's nest."""
    depth = 0
    for mark in re.finditer(r"/\*|\*/", statement[start:]):
        depth += 1 if mark[0] == "/*" else -1
        if depth == 0:
            return start + mark.end()
    return None
