"""Encoded rows as one matrix of numbers, for families of trees."""

from typing import Any

import numpy as np

from mlcycle.domain.metrics import Array
from mlcycle.models.encoder import Encoder


def matrix(encoder: Encoder, frame: Any) -> Array:
    """Codes first, then numbers: (n, categorical + numeric); a missing number is NaN."""
    return np.concatenate([encoder.codes(frame).astype(np.float64), encoder.numbers(frame)], axis=1)
