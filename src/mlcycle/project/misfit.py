"""What validators raise: a mistake with the keys that lead to it from the part that looks."""

from collections.abc import Iterable

Key = tuple[str | int, ...]


class Misfit(ValueError):
    """One mistake; ``at`` leads to it, downwards from the part whose validator raises it."""

    def __init__(self, message: str, *at: str | int) -> None:
        super().__init__(message)
        self.at: Key = at


class Misfits(ValueError):
    """Several mistakes that one validator found."""

    def __init__(self, found: Iterable[Misfit]) -> None:
        self.found = list(found)
        super().__init__("; ".join(map(str, self.found)))


def refuse(found: Iterable[Misfit]) -> None:
    """Raise Misfits where there are any."""
    if every := list(found):
        raise Misfits(every)
