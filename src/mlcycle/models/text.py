"""Words of a text as numbers: every word and every pair of neighbours has a place that its hash names.

No vocabulary is kept, so that memory is the same whatever is written. K. Weinberger et al., "Feature Hashing
for Large Scale Multitask Learning", ICML 2009, whose signs make collisions cancel on average. Words are what
scikit-learn's ``HashingVectorizer`` takes for some: lower case, two letters or digits at the least. A word's
hash is CRC-32 through the finalizer of MurmurHash3 (A. Appleby); a pair's is that of its words' hashes.
"""

import re
import zlib
from array import array
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

LONGEST: Final = 20_000  # characters of a text that are read
MOST: Final = 256  # words of a text that are read
NOWHERE, WORDLESS, FIRST = 0, 1, 2  # ids: of no word at all, of a text without words, of the first bucket
AT_ONCE: Final = 4096  # texts whose pairs are held together
_WORD: Final = re.compile(r"\w\w+")
_GOLDEN: Final = np.uint32(0x9E3779B1)  # 2^32 by the golden ratio (D. E. Knuth): neighbours fall far apart


@dataclass(frozen=True)
class Words:
    """Hashes (uint32) of all words of some texts, one text after the other, in their order."""

    hashes: NDArray[np.uint32]
    counts: NDArray[np.int64]  # of each text

    @property
    def owners(self) -> NDArray[np.int64]:
        """Which text each word is of."""
        return np.repeat(np.arange(len(self.counts)), self.counts)


def read(texts: Sequence[str]) -> Words:
    """The words of texts; of each the first ``MOST`` in its first ``LONGEST`` characters."""
    known: dict[str, int] = {}
    hashes, counts = array("I"), np.zeros(len(texts), dtype=np.int64)
    for at, text in enumerate(texts):
        words = _WORD.findall(text[:LONGEST].lower())[:MOST]
        counts[at] = len(words)
        for word in words:
            code = known.get(word)
            if code is None:
                code = known[word] = zlib.crc32(word.encode("utf-8", "surrogatepass"))
            hashes.append(code)
    return Words(mixed(np.array(hashes, dtype=np.uint32)), counts)


def ids(texts: Sequence[str], buckets: int, length: int) -> NDArray[np.int64]:
    """(n, length) the buckets of each text's first words, then ``NOWHERE``; of none ``WORDLESS``.

    Args:
        texts: (n,).
        buckets: how many ids there are; those of words are from ``FIRST`` on.
        length: words of a text.
    """
    words = read(texts)
    owners = words.owners
    place = np.arange(len(owners)) - np.repeat(np.cumsum(words.counts) - words.counts, words.counts)
    found = np.full((len(texts), length), NOWHERE, dtype=np.int64)
    near = place < length
    found[owners[near], place[near]] = _buckets(words.hashes[near], buckets)
    found[words.counts == 0, 0] = WORDLESS
    return found


def counted(texts: Sequence[str], buckets: int) -> Any:
    """Sparse (n, buckets): how often each word and each pair is in a text, by signs, as ``HashingVectorizer``
    counts with ``ngram_range=(1, 2)`` and ``norm=None``. A text without words has a one at ``WORDLESS``.
    """
    from scipy import sparse

    parts = [
        _counted(texts[start : start + AT_ONCE], buckets) for start in range(0, max(len(texts), 1), AT_ONCE)
    ]
    return sparse.vstack(parts, format="csr") if len(parts) > 1 else parts[0]


def _counted(texts: Sequence[str], buckets: int) -> Any:
    from scipy import sparse

    words = read(texts)
    owners = words.owners
    paired = np.flatnonzero(owners[1:] == owners[:-1])
    with np.errstate(over="ignore"):
        pairs = mixed(words.hashes[paired] * _GOLDEN + words.hashes[paired + 1])
    hashes, rows = np.concatenate([words.hashes, pairs]), np.concatenate([owners, owners[paired]])
    signs = np.where(hashes >> np.uint32(31), -1.0, 1.0)
    empty = np.flatnonzero(words.counts == 0)
    at = np.concatenate([rows, empty]), np.append(_buckets(hashes, buckets), np.full(len(empty), WORDLESS))
    values = np.append(signs, np.ones(len(empty)))
    found = sparse.coo_matrix((values, at), shape=(len(texts), buckets)).tocsr()
    found.eliminate_zeros()  # words of one bucket whose signs cancel
    return found


def _buckets(hashes: NDArray[np.uint32], buckets: int) -> NDArray[np.int64]:
    return FIRST + hashes.astype(np.int64) % (buckets - FIRST)


def mixed(hashes: NDArray[np.uint32]) -> NDArray[np.uint32]:
    """MurmurHash3's finalizer: every bit of what comes in moves every bit of what goes out."""
    with np.errstate(over="ignore"):
        found = hashes ^ (hashes >> np.uint32(16))
        found = found * np.uint32(0x85EBCA6B)
        found = found ^ (found >> np.uint32(13))
        found = found * np.uint32(0xC2B2AE35)
        return np.asarray(found ^ (found >> np.uint32(16)), dtype=np.uint32)
