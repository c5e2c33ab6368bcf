"""One declarative encoder for every family: plain JSON, fitted on training rows alone.

A category becomes its number from 1 on; 0 stands for missing, for rare and for never seen. A number
stays itself for trees; networks get it standardised, missing as 0 beside a flag that says so. Text is words:
``text_column``.
"""

from collections.abc import Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict

from mlcycle.errors import InputError
from mlcycle.models.text import ids
from mlcycle.models.text_column import TextColumn

CLIP = 6.0  # standard deviations; a broken sensor must not saturate a network


class Encoder(BaseModel):
    """What was learnt of the input columns."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    categories: dict[str, list[str]]  # categorical column -> its values; the first has code 1
    numeric: list[str]
    means: list[float] = []
    scales: list[float] = []
    flagged: list[bool] = []  # columns that had missing values in training
    texts: dict[str, TextColumn] = {}

    @classmethod
    def fit(
        cls,
        frame: Any,
        categorical: list[str],
        numeric: list[str],
        text: Sequence[str] = (),
        *,
        limit: int = 254,
        rare: int = 20,
        factors: int = 0,
    ) -> Self:
        """Learn from a pandas frame.

        Args:
            frame: training rows.
            categorical: columns whose values are names; numbers in them are taken as names too.
            numeric: columns whose values are numbers.
            text: columns whose values are words in a row.
            limit: the most categories of a column; the most frequent are kept.
            rare: categories seen in fewer rows count as never seen, so that code 0 is learnt too.
            factors: numbers that each text is to become; 0: none.
        """
        categories = {}
        for column in categorical:
            codes, texts = factorized(frame, column)
            counts = np.bincount(codes[codes >= 0], minlength=len(texts))
            kept = [i for i in np.argsort(-counts, kind="stable")[:limit] if counts[i] >= rare]
            categories[column] = sorted(texts[i] for i in kept)
        values = numbers(frame, numeric)
        absent = ~np.isfinite(values)
        rows = np.maximum((~absent).sum(axis=0), 1)
        values[absent] = 0.0
        means = values.sum(axis=0) / rows
        values -= means  # in place, as all that is as large as the rows
        np.square(values, out=values)
        values[absent] = 0.0
        variances = values.sum(axis=0) / rows
        scales = np.where(variances > 0, np.sqrt(variances), 1.0)
        return cls(
            categories=categories,
            numeric=list(numeric),
            means=means.tolist(),
            scales=scales.tolist(),
            flagged=absent.any(axis=0).tolist(),
            texts={column: TextColumn.fit(*factorized(frame, column), factors=factors) for column in text},
        )

    def codes(self, frame: Any) -> NDArray[np.int64]:
        """Codes of the categorical columns, (n, categorical). Raises InputError for a missing column."""
        found = np.empty((len(frame), len(self.categories)), dtype=np.int64)
        self._code(frame, found)
        return found

    def _code(self, frame: Any, found: NDArray[Any]) -> None:
        """Write the codes into ``found`` (n, categorical), a column at a time."""
        for i, (column, known) in enumerate(self.categories.items()):
            number = {text: code for code, text in enumerate(known, start=1)}
            codes, texts = factorized(frame, column)
            lookup = np.array([*(number.get(text, 0) for text in texts), 0], dtype=found.dtype)
            found[:, i] = lookup[codes]  # a missing value has code -1: the last entry, 0

    def matrix(self, frame: Any, kind: type[np.floating[Any]] = np.float64) -> NDArray[Any]:
        """Codes, numbers, then texts' projections, as families of trees take them; a missing number is NaN.

        Args:
            frame: n rows.
            kind: of the numbers.

        Raises InputError as ``codes`` and ``numbers`` do.
        """
        coded, read = len(self.categories), len(self.categories) + len(self.numeric)
        found = np.empty((len(frame), read + self.projected), dtype=kind)
        self._code(frame, found[:, :coded])
        _read_numbers(frame, self.numeric, found[:, coded:read])
        if self.texts:
            found[:, read:] = self.projections(frame)
        return found

    def numbers(self, frame: Any) -> NDArray[np.float64]:
        """The numeric columns, (n, numeric); missing and infinite values are NaN.

        Raises InputError for a missing column or one that holds no numbers.
        """
        return numbers(frame, self.numeric)

    def standardised(self, frame: Any) -> NDArray[np.float32]:
        """Numbers for a network: (n, numeric + flagged), mean 0, scale 1, missing 0 beside a flag of 1."""
        values = self.numbers(frame)
        missing, count = ~np.isfinite(values), len(self.numeric)
        values -= np.array(self.means)
        values /= np.array(self.scales)
        np.clip(values, -CLIP, CLIP, out=values)
        values[missing] = 0.0
        found = np.empty((len(frame), self.width), dtype=np.float32)
        found[:, :count], found[:, count:] = values, missing[:, np.array(self.flagged, dtype=bool)]
        return found

    def bags(self, frame: Any) -> Any:
        """Sparse (n, buckets of all texts): rare words and pairs weigh more, of each text the length is one.

        Raises InputError for a missing column.
        """
        from scipy import sparse

        found = []
        for column, learnt in self.texts.items():
            codes, texts = factorized(frame, column)
            found.append(
                learnt.bags([*texts, ""])[codes]
            )  # a missing one has code -1: the last, without words
        return sparse.hstack(found, format="csr")

    def projections(self, frame: Any) -> NDArray[np.float32]:
        """Texts as numbers, (n, factors of all). Raises InputError for a missing column."""
        found = [np.empty((len(frame), 0), dtype=np.float32)]
        for column, learnt in self.texts.items():
            codes, texts = factorized(frame, column)
            found.append(learnt.projected([*texts, ""])[codes])
        return np.concatenate(found, axis=1)

    def tokens(self, frame: Any) -> NDArray[np.int64]:
        """Ids of the words of all texts, (n, lengths), as ``text.ids``.

        Raises InputError for a missing column.
        """
        found = [np.empty((len(frame), 0), dtype=np.int64)]
        for column, learnt in self.texts.items():
            codes, texts = factorized(frame, column)
            found.append(ids([*texts, ""], learnt.buckets, learnt.length)[codes])
        return np.concatenate(found, axis=1)

    @property
    def projected(self) -> int:
        """Columns of ``projections``."""
        return sum(learnt.factors for learnt in self.texts.values())

    @property
    def width(self) -> int:
        """Columns of ``standardised``."""
        return len(self.numeric) + sum(self.flagged)


def _column(frame: Any, column: str) -> Any:
    if column not in frame.columns:
        raise InputError(f"input column {column!r} is missing: the rows have {', '.join(frame.columns)}")
    return frame[column]


def factorized(frame: Any, column: str) -> tuple[NDArray[np.int64], list[str]]:
    """Codes (-1 for missing) into the distinct values, as text."""
    import pandas as pd

    codes, values = pd.factorize(_column(frame, column))
    return np.asarray(codes, dtype=np.int64), [_text(value) for value in values]


def _text(value: Any) -> str:
    """A category's name: 6, 6.0 and "6" are the same one, since nullable integers arrive as floats."""
    if isinstance(value, float | np.floating) and float(value).is_integer():
        return str(int(value))
    return str(value)


def numbers(frame: Any, columns: list[str]) -> NDArray[np.float64]:
    """Columns (n, columns) as ``Encoder.numbers`` reads them."""
    values = np.empty((len(frame), len(columns)), dtype=np.float64)
    _read_numbers(frame, columns, values)
    return values


def _read_numbers(frame: Any, columns: list[str], values: NDArray[Any]) -> None:
    """Write the columns into ``values`` (n, columns); missing and infinite ones are NaN."""
    import pandas as pd

    for i, column in enumerate(columns):
        series = _column(frame, column)
        try:
            values[:, i] = pd.to_numeric(series).to_numpy(dtype=np.float64, na_value=np.nan)
        except (ValueError, TypeError):
            raise InputError(f"input column {column!r} holds values that are not numbers") from None
    values[~np.isfinite(values)] = np.nan
