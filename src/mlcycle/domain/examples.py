"""Rows to learn from: in memory, or behind a handle that reads them whole or in parts."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol, Self

from mlcycle.domain.metrics import Array


@dataclass(frozen=True)
class Rows:
    """Rows in memory: a pandas frame with the inputs, and their labels (n,). Examples of themselves.

    ``weights`` (n,) are for how many rows each stands, one on average; None where each stands for itself.
    """

    frame: Any
    labels: Array
    weights: Array | None = None

    @property
    def count(self) -> int:
        """How many there are."""
        return len(self.labels)

    def whole(self) -> Self:
        """All of them."""
        return self

    def parts(self) -> Iterator[Self]:
        """All of them, as one part."""
        yield self


class Examples(Protocol):
    """Rows to learn from, behind a handle: a family reads them whole, or in parts of bounded size."""

    @property
    def count(self) -> int:
        """How many rows there are."""

    def whole(self) -> Rows:
        """All rows at once."""

    def parts(self) -> Iterator[Rows]:
        """The same rows in the same order, a part at a time."""
