"""What a labeller writes, as the label's column has it."""

import math
from collections.abc import Sequence
from typing import Final

from mlcycle.errors import InputError

CANNOT_TELL: Final = ""
MOST_GRADE: Final = 100


def checked(text: str, choices: Sequence[str], task: str, kind: str) -> str | None:
    """An answer, None where the row cannot be told.

    Args:
        text: as it was written or chosen; empty where the row cannot be told.
        choices: of classes; none: a number.
        task: of the label.
        kind: type of the label's column.

    Raises InputError, one line, for what is no answer.
    """
    text = text.strip()
    if text == CANNOT_TELL:
        return None
    if choices:
        if text not in choices:
            raise InputError(f"{text[:60]!r} is none of {', '.join(choices[:20])}")
        return text
    try:
        number = float(text)
    except ValueError:
        raise InputError(f"{text[:60]!r} is no number") from None
    if not math.isfinite(number):
        raise InputError(f"{text[:60]!r} is no finite number")
    whole = task == "ranking" or kind == "integer"
    if whole and not number.is_integer():
        raise InputError(f"{text[:60]!r} is no whole number, which the label is")
    if task == "ranking" and not 0 <= number <= MOST_GRADE:
        raise InputError(f"a grade is between 0 and {MOST_GRADE}, {text[:60]} is not")
    return str(int(number)) if whole else repr(number)
