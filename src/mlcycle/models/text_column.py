"""What was learnt of a text column: how rare each bucket is, and the directions that texts differ in most.

Term frequency by inverse document frequency: K. Sparck Jones, "A Statistical Interpretation of Term
Specificity", J. Documentation 28, 1972. Its truncated SVD, latent semantic analysis: S. Deerwester et al.,
"Indexing by Latent Semantic Analysis", J. ASIS 41, 1990, by N. Halko, P. Martinsson and J. Tropp, "Finding
Structure with Randomness", SIAM Review 53, 2011.
"""

import base64
from functools import cached_property
from typing import Any, Final, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field, model_validator

from mlcycle.models import text

BUCKETS: Final = 1 << 14
LENGTH: Final = 64  # words that a network reads
FACTORS: Final = 32
SAMPLE: Final = 20_000  # distinct texts that directions are found on, evenly over the training rows
SEED: Final = 17
ITERATIONS: Final = 5
AT_ONCE: Final = 8192  # texts whose words are held together where factors are asked for

Floats = NDArray[np.float32]


class TextColumn(BaseModel):
    """Numbers are float32 in base64, so that the model's card stays JSON.

    Without ``rarity`` nothing was learnt: a network's ids need nothing.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    buckets: int = Field(BUCKETS, gt=text.FIRST, le=1 << 24)
    length: int = Field(LENGTH, ge=1, le=4096)
    rarity: str = ""  # (buckets,) inverse document frequency
    factors: int = Field(0, ge=0, le=1024)
    directions: str = ""  # (buckets, factors)

    @model_validator(mode="after")
    def _numbers_are_whole(self) -> Self:
        for name, size in (("rarity", self.buckets), ("directions", self.buckets * self.factors)):
            given = getattr(self, name)
            if given or (name == "directions" and self.factors):
                values = _unpacked(given)
                if len(values) != size or not np.isfinite(values).all():
                    raise ValueError(f"its {name} are not {size} numbers")
        return self

    @classmethod
    def fit(cls, codes: NDArray[np.int64], texts: list[str], *, factors: int = 0) -> Self:
        """Learn from rows.

        Args:
            codes: (n,) into the texts; -1 for a missing one.
            texts: the distinct ones.
            factors: directions to learn; 0: none.
        """
        rows = np.bincount(np.where(codes < 0, len(texts), codes), minlength=len(texts) + 1)
        texts = [*texts, ""]  # a missing text is one without words
        held, of = np.zeros(BUCKETS), int(rows.sum())
        for start in range(0, len(texts), AT_ONCE):
            found = text.counted(texts[start : start + AT_ONCE], BUCKETS)
            own = np.repeat(rows[start : start + AT_ONCE], np.diff(found.indptr))
            held += np.bincount(found.indices, own, minlength=BUCKETS)
        rarity = np.log((1 + of) / (1 + held)) + 1
        learnt = cls(rarity=_packed(rarity))
        if not factors:
            return learnt
        seen = np.flatnonzero(rows)
        shown = seen[np.unique(np.linspace(0, len(seen) - 1, min(len(seen), SAMPLE)).astype(int))]
        bags = learnt.bags([texts[at] for at in shown])
        directions = _directions(bags, rows[shown], factors)
        return cls(rarity=learnt.rarity, factors=factors, directions=_packed(directions))

    def bags(self, texts: list[str]) -> Any:
        """Sparse (n, buckets), float64: counts by rarity, each row of length one."""
        found = text.counted(texts, self.buckets)
        found.data *= self._rarity[found.indices]
        rows = np.repeat(np.arange(len(texts)), np.diff(found.indptr))
        lengths = np.sqrt(np.bincount(rows, found.data**2, minlength=len(texts)))
        found.data /= lengths[rows]
        return found

    def projected(self, texts: list[str]) -> Floats:
        """(n, factors): where texts lie along the directions; some texts at a time."""
        found = np.empty((len(texts), self.factors), dtype=np.float32)
        for start in range(0, len(texts), AT_ONCE):
            found[start : start + AT_ONCE] = self.bags(texts[start : start + AT_ONCE]) @ self._directions
        return found

    @cached_property
    def _rarity(self) -> Floats:
        return _unpacked(self.rarity)

    @cached_property
    def _directions(self) -> Floats:
        return _unpacked(self.directions).reshape(self.buckets, self.factors)


def _directions(bags: Any, rows: NDArray[np.int64], factors: int) -> NDArray[np.float64]:
    """(buckets, factors) right singular vectors of bags (n, buckets), each text as often as it has ``rows``.

    What there are fewer of is filled up with nought.
    """
    from sklearn.utils.extmath import randomized_svd
    from threadpoolctl import threadpool_limits

    weighed = bags.multiply(np.sqrt(rows)[:, None]).tocsr()
    found = np.zeros((bags.shape[1], factors))
    count = min(factors, *bags.shape)
    with threadpool_limits(limits=1):  # the same on any number of cores
        _, sizes, vectors = randomized_svd(weighed, n_components=count, n_iter=ITERATIONS, random_state=SEED)
    real = sizes > 1e-9 * max(float(sizes[0]), 1e-30)
    found[:, :count][:, real] = vectors[real].T
    return found


def _packed(values: NDArray[Any]) -> str:
    return base64.b64encode(np.ascontiguousarray(values, dtype="<f4").tobytes()).decode()


def _unpacked(given: str) -> Floats:
    raw = base64.b64decode(given, validate=True)
    return np.frombuffer(raw, dtype="<f4").astype(np.float32)
