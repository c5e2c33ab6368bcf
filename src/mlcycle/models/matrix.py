"""Encoded rows as one matrix of numbers, for families of trees, and predictions of some rows at a time."""

from collections.abc import Callable
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mlcycle.domain.metrics import Array
from mlcycle.models.encoder import Encoder

CHUNK: Final = 1 << 16  # rows predicted at a time: memory stays bounded


def matrix(encoder: Encoder, frame: Any, kind: type[np.floating[Any]] = np.float64) -> NDArray[Any]:
    """Codes first, then numbers, then texts: (n, columns_of); a missing number is NaN."""
    return encoder.matrix(frame, kind)


def columns_of(encoder: Encoder) -> int:
    """Columns of ``matrix``."""
    return len(encoder.categories) + len(encoder.numeric) + encoder.projected


def in_chunks(frame: Any, said: Callable[[Any], Array]) -> Array:
    """What is said of all rows, asked for ``CHUNK`` at a time."""
    if len(frame) <= CHUNK:
        return said(frame)
    return np.concatenate([said(frame.iloc[at : at + CHUNK]) for at in range(0, len(frame), CHUNK)])
