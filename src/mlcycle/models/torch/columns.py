"""The inputs of a network: codes of categories, ids of words, and standardised numbers."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlcycle.models.encoder import Encoder


@dataclass(frozen=True)
class Columns:
    """What there is to embed and to read.

    A category's code is that of the encoder, from 1 on; 0 stands for rare and never seen. With
    ``missing_apart`` a missing value has the code after the last instead of 0: that something is not
    known often tells by itself.
    """

    encoder: Encoder
    missing_apart: bool = True

    @property
    def rows(self) -> list[int]:
        """How many codes each categorical column has."""
        return [len(known) + 1 + self.missing_apart for known in self.encoder.categories.values()]

    @property
    def texts(self) -> list[tuple[int, int]]:
        """Of each text how many ids there are, and how many columns of ``codes`` hold its words."""
        return [(learnt.buckets, learnt.length) for learnt in self.encoder.texts.values()]

    @property
    def coded(self) -> int:
        """Columns of ``codes``."""
        return len(self.rows) + sum(length for _, length in self.texts)

    @property
    def numeric(self) -> int:
        """Width of the numbers: the columns, and a flag for each that had missing values."""
        return self.encoder.width

    def codes(self, frame: Any) -> NDArray[np.int64]:
        """Codes of the categories, then ids of the texts' words: (n, coded).

        Raises InputError for a missing column.
        """
        found = self.encoder.codes(frame)
        if self.missing_apart:
            for i, (column, known) in enumerate(self.encoder.categories.items()):
                found[frame[column].isna().to_numpy(), i] = len(known) + 1
        return np.concatenate([found, self.encoder.tokens(frame)], axis=1) if self.encoder.texts else found

    def numbers(self, frame: Any) -> NDArray[np.float32]:
        """Numbers (n, numeric). Raises InputError for a missing column or one that holds no numbers."""
        return self.encoder.standardised(frame)
