"""A category of any number of values as a few numbers: each value is plus or minus one at a place of its own.

K. Weinberger et al., "Feature Hashing for Large Scale Multitask Learning", ICML 2009. Nothing is learnt, so
that a value that was never seen is one like any other.
"""

import zlib
from typing import Any, Literal

import numpy as np
from pydantic import Field

from mlcycle.models.fitted.base import Feature, Floats, keys
from mlcycle.models.text import mixed


class Hashing(Feature):
    """``buckets`` numbers of which one is not nought."""

    kind: Literal["hashing"] = "hashing"
    buckets: int = Field(ge=1, le=256)

    @property
    def width(self) -> int:
        """As many as buckets."""
        return self.buckets

    def of(self, frame: Any) -> Floats:
        """(n, buckets)."""
        codes, texts = keys(frame, self.columns)
        hashes = mixed(
            np.array([zlib.crc32(text.encode("utf-8", "surrogatepass")) for text in texts], np.uint32)
        )
        table = np.zeros((len(texts), self.buckets))
        signs = np.where(hashes >> np.uint32(31), -1.0, 1.0)
        table[np.arange(len(texts)), hashes.astype(np.int64) % self.buckets] = signs
        found: Floats = table[codes]
        return found
