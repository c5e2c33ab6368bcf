"""Encoded rows as a sparse matrix with a column for each category, for families of sums."""

from typing import Any

import numpy as np

from mlcycle.models.encoder import Encoder


def one_hot(encoder: Encoder, frame: Any) -> Any:
    """Sparse (n, never seen and categories of each column, standardised numbers, buckets of texts)."""
    from scipy import sparse

    codes = encoder.codes(frame)
    parts = []
    for i, known in enumerate(encoder.categories.values()):
        at = (np.arange(len(codes)), codes[:, i])
        parts.append(sparse.csr_matrix((np.ones(len(codes)), at), shape=(len(codes), len(known) + 1)))
    numbers = sparse.csr_matrix(encoder.standardised(frame), dtype=np.float64)
    bags = [encoder.bags(frame)] if encoder.texts else []
    return sparse.hstack([*parts, numbers, *bags], format="csr")
