"""Probabilities of many classes in the warehouse: an array a row, in the order of ``label.classes``."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    import pyarrow as pa

Array = NDArray[np.float64]
#: The array of a row ``{name}`` as text that ``parsed`` reads, null where there is none.
AS_TEXT = "translate({name}.probabilities::text, '{{}}', '')"


@dataclass(frozen=True)
class OfClasses:
    """What was said of rows: ``probabilities`` (n, classes), and the classes' names in their order."""

    names: Sequence[str]
    probabilities: Array

    @property
    def chosen(self) -> list[str]:
        """(n,) the likeliest class of each row."""
        return [self.names[at] for at in self.probabilities.argmax(axis=1)]

    @property
    def texts(self) -> list[str]:
        """(n,) the probabilities as PostgreSQL's arrays."""
        return ["{" + ",".join(map(repr, row)) + "}" for row in self.probabilities.tolist()]


def parsed(column: "pa.ChunkedArray") -> Array | None:
    """(n, classes) out of a column of texts; None where no row has any.

    Rows of before a class was named have fewer: they said nought of it. A row without is NaN.
    """
    rows: list[Any] = [
        None if text is None else [float(each) for each in text.split(",")] for text in column.to_pylist()
    ]
    most = max((len(row) for row in rows if row is not None), default=0)
    if not most:
        return None
    found = np.zeros((len(rows), most))
    for at, row in enumerate(rows):
        if row is None:
            found[at] = np.nan
        else:
            found[at, : len(row)] = row
    return found
