"""Encoded rows as a sparse matrix with a column for each category, for families of sums."""

from typing import Any

import numpy as np

from mlcycle.models.encoder import Encoder


def one_hot(encoder: Encoder, frame: Any) -> Any:
    """Sparse (n, categories and never seen of each, standardised, buckets), in the coefficients' order."""
    from scipy import sparse

    sizes = [len(known) + 1 for known in encoder.categories.values()]
    coded, wide, count = len(sizes), len(sizes) + encoder.width, len(frame)
    # Put together in place: of each row a one for each category, then its numbers.
    data, indices = np.ones((count, wide)), np.empty((count, wide), dtype=np.int32)
    indices[:, :coded] = encoder.codes(frame)
    indices[:, :coded] += np.cumsum([0, *sizes[:-1]], dtype=np.int32)[:coded]
    indices[:, coded:] = sum(sizes) + np.arange(encoder.width)
    data[:, coded:] = encoder.standardised(frame)
    starts = np.arange(count + 1, dtype=np.int64 if count * wide >= 2**31 else np.int32) * wide
    shape = (count, sum(sizes) + encoder.width)
    found = sparse.csr_matrix((data.reshape(-1), indices.reshape(-1), starts), shape=shape)
    found.eliminate_zeros()
    return sparse.hstack([found, encoder.bags(frame)], format="csr") if encoder.texts else found
