"""The seam of source formats: a reader gives a delivery as Arrow, with what did not fit.

What goes on from a reader knows no format: the checks see columns, of text or of types, and accepted
rows are rendered for COPY out of Arrow.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa


@dataclass(frozen=True)
class Misfit:
    """A row that could not be read."""

    reasons: dict[str, str]  # kind of what is wrong, the same for rows alike -> for people
    data: dict[str, str | None]  # what could be had of it


@dataclass
class Rows:
    """The rows of one delivery: declared columns in declared order, null where missing."""

    cells: "pa.Table"  # text where the format has no types
    numbers: "np.ndarray[Any, Any]"  # of each row; 1 is the first
    misfits: dict[int, Misfit]  # by row number
    blank: int  # rows without any value: they say nothing and are left out

    @property
    def count(self) -> int:
        """Rows delivered, those that did not fit included."""
        return len(self.numbers) + len(self.misfits)


class Opened(Protocol):
    """A delivery whose columns are known and whose rows are still to be read."""

    @property
    def header(self) -> list[str]:
        """Names of the delivered columns, in their order."""

    def rows(self, columns: list[str]) -> Rows:
        """The rows with these columns. Raises Malformed."""

    def loadable(self, columns: list[str]) -> bool:
        """Whether COPY takes the delivery's own bytes for these columns and splits them as ``rows`` does.

        A format's privilege: what nothing had to be taken out of is staged and loaded as it came.
        """


class Reader(Protocol):
    """Reads deliveries of one format."""

    def open(self, data: bytes | Path) -> Opened:
        """Look at a delivery's bytes. Raises Malformed, one line, where they are not of the format."""


def render(cells: "pa.Table") -> bytes:
    """Rows as CSV that COPY splits the same way: text quoted, missing values empty."""
    import io

    import pyarrow.csv

    sink = io.BytesIO()
    pyarrow.csv.write_csv(cells, sink, pyarrow.csv.WriteOptions(include_header=True, quoting_style="needed"))
    return sink.getvalue()
