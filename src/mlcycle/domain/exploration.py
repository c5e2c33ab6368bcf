"""A share of decisions drawn at random, so that what is not usually decided can still be known.

Of each row the draw is fixed by a keyed hash of its key, its time and the model's version: whoever scores it
again gets the same decision, and nothing that the model sees takes part. The key is the project's name and no
secret: it keeps projects apart, not people out.

Source: L. Bottou et al., "Counterfactual reasoning and learning systems", JMLR 14 (2013).
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Flags = NDArray[np.bool_]

HALF: Final = 2.0**-53  # a draw is a whole number of these


@dataclass(frozen=True)
class Decisions:
    """What was decided of n rows.

    Args:
        acted: (n,) whether the row is acted on.
        propensities: (n,) with which probability just this was decided.
    """

    acted: Flags
    propensities: Array


def draws(project: str, version: int, keys: Iterable[str], times: NDArray[np.int64]) -> Array:
    """(n, 2) numbers in [0, 1) for rows with these keys and times, in microseconds since 1970."""
    secret = hashlib.blake2b(project.encode(), digest_size=16).digest()
    start = hashlib.blake2b(b"%d|" % version, digest_size=16, key=secret, person=b"mlcycle.explore")
    found = bytearray()
    for key, time in zip(keys, times.tolist(), strict=True):
        each = start.copy()
        each.update(f"{time}|{key}".encode())
        found += each.digest()
    numbers = np.frombuffer(bytes(found), dtype="<u8").reshape(-1, 2)
    drawn: Array = (numbers >> np.uint64(11)).astype(np.float64) * HALF
    return drawn


def decide(predictions: Array, threshold: float, share: float, drawn: Array) -> Decisions:
    """A share of rows by a fair coin, the others from ``threshold`` up.

    Args:
        predictions: (n,) probabilities.
        threshold: from which on a row is acted on.
        share: of rows that the coin decides, above 0.
        drawn: (n, 2) out of ``draws``.
    """
    greedy = predictions >= threshold
    acted = np.where(drawn[:, 0] < share, drawn[:, 1] < 0.5, greedy)
    return Decisions(acted, np.where(acted == greedy, 1 - share / 2, share / 2))
