"""An entity's key as one text: unambiguous whatever its values hold, and readable where they are plain.

Values are joined with ``|``; in each a backslash and a ``|`` get a backslash before them. No two keys
give one text: ``("a|b", "c")`` is ``a\\|b|c``, ``("a", "b|c")`` is ``a|b\\|c``. Keys without either
character are the text they always were. ``adapters.warehouse.keys`` says the same in SQL.
"""

from collections.abc import Sequence
from datetime import UTC, datetime

Value = str | int | bool | datetime


def encode(values: Sequence[Value]) -> str:
    """The text of a key's values, in the order of the table's ``key``. Raises ValueError for a null.

    Of a double too: PostgreSQL and Python write some of them with other digits.
    """
    if any(value is None for value in values):
        raise ValueError("a key holds no null: it identifies the row")
    return "|".join(_text(value).replace("\\", "\\\\").replace("|", "\\|") for value in values)


def _text(value: Value) -> str:
    """A value as PostgreSQL writes it."""
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, datetime):
        text = value.astimezone(UTC).replace(tzinfo=None).isoformat(" ")
        return (text.rstrip("0") if value.microsecond else text) + "+00"
    if isinstance(value, int):
        return str(value)
    raise ValueError(f"{value!r} in a key: a key is made of text, integers, booleans and moments")
