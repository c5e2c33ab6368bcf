"""Names that a person may have meant: for messages that refuse one that is not there."""

from collections.abc import Iterable
from difflib import get_close_matches

#: How alike two names must be (``difflib``'s ratio): a slip of the keyboard is, another word is not.
ALIKE = 0.66


def closest(name: str, known: Iterable[str]) -> str | None:
    """The known name that is most like this one; None where none is like it."""
    folded = {each.casefold(): each for each in known}
    found = get_close_matches(name.casefold(), folded, n=1, cutoff=ALIKE)
    return folded[found[0]] if found else None


def meant(name: str, known: Iterable[str]) -> str:
    """``: did you mean 'x'?``, or nothing where no name is like it."""
    found = closest(name, known)
    return f": did you mean {found!r}?" if found else ""


def among(name: str, known: Iterable[str]) -> str:
    """``there are a, b, c: did you mean 'b'?``: what to say of a name that is none of those known."""
    every = list(known)
    return f"there are {', '.join(every) or 'none'}{meant(name, every)}"
