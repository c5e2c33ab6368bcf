"""Encoded rows as one matrix of numbers, for families of trees."""

from typing import Any

import numpy as np

from mlcycle.domain.metrics import Array
from mlcycle.models.encoder import Encoder


def matrix(encoder: Encoder, frame: Any) -> Array:
    """Codes first, then numbers, then texts: (n, columns_of); a missing number is NaN."""
    parts = [encoder.codes(frame).astype(np.float64), encoder.numbers(frame)]
    if encoder.texts:
        parts.append(encoder.projections(frame).astype(np.float64))
    return np.concatenate(parts, axis=1)


def columns_of(encoder: Encoder) -> int:
    """Columns of ``matrix``."""
    return len(encoder.categories) + len(encoder.numeric) + encoder.projected
