"""Said quantiles in the warehouse: an array a row, and the levels of them all beside their scoring."""

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mlcycle.adapters.warehouse.of_classes import OfClasses
from mlcycle.domain.quantiles import at_levels, levels_of, paired, values_of

if TYPE_CHECKING:
    import pyarrow as pa

Array = NDArray[np.float64]
#: The array of a row ``{name}``, and of a scoring ``{name}``, as text; null where there is none.
AS_TEXT = "translate({name}.quantiles::text, '{{}}', '')"
LEVELS_AS_TEXT = "translate({name}.levels::text, '{{}}', '')"


@dataclass(frozen=True)
class OfQuantiles:
    """What was said of rows, (n, q, 2)."""

    said: Array

    @property
    def levels(self) -> list[float]:
        """(q,); none where there is no row."""
        return levels_of(self.said).tolist() if len(self.said) else []

    @property
    def texts(self) -> list[str]:
        """(n,) the quantiles as PostgreSQL's arrays."""
        return OfClasses((), values_of(self.said)).texts


def numbers(text: str) -> list[float]:
    """Out of an array's text without its braces."""
    return [float(each) for each in text.split(",")]


def parsed(values: "pa.ChunkedArray", levels: "pa.ChunkedArray", points: Array) -> Array | None:
    """(n, q, 2) out of columns of texts at the levels of the last row that has any; None where no row has.

    Rows of other levels are read between their own by a straight line, those that have a prediction alone
    (n,) as that.
    """
    if levels.null_count == len(levels):
        return None
    given, at = values.to_pylist(), levels.to_pylist()
    known = [text for text in at if text is not None]
    wanted = numbers(known[-1])
    found = at_levels(points, wanted)
    kinds = np.array(["" if text is None else text for text in at], dtype=object)
    for kind in dict.fromkeys(known):
        rows = np.flatnonzero(kinds == kind)
        own = paired(numbers(kind), np.array([numbers(given[row]) for row in rows]))
        found[rows] = at_levels(own, wanted)
    return found
