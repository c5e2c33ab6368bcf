"""A vector for each value of a column, by the values that come before and after it for the same entity.

Skip-gram and the continuous bag of words with negative sampling (T. Mikolov et al., "Distributed
Representations of Words and Phrases and their Compositionality", NIPS 2013): values that come in the same
company lie near each other, so that what is learnt of a frequent one holds for a rare one of its kind.
Contexts are drawn as often as the counts' power of .75. Steps are Adagrad's (J. Duchi et al., JMLR 12, 2011).

Labels are not looked at: a row's own label cannot be in it.
"""

from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, Literal, Self

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from mlcycle.domain.examples import Examples
from mlcycle.models.fitted.base import Feature, Floats, keys, packed, unpacked

REACH: Final = 2  # values to each side
RARE: Final = 3  # values that come less often have no vector
MOST: Final = 50_000  # values that have one
PAIRS: Final = 4_000_000  # positions learnt from, evenly over all of them
BATCH: Final = 2048
EPOCHS: Final = 20  # of few positions
STEPS: Final = 1000  # after which each position once is enough
NEGATIVES: Final = 5
RATE: Final = 0.2
SEED: Final = 17

Ints = NDArray[np.int64]


class Vectors(Feature):
    """``values`` by key; a value that was not seen, or seldom, has the zero vector."""

    kind: Literal["skip_gram", "cbow"]
    size: int = Field(ge=1, le=256)
    known: list[str]
    values: str  # (known, size)

    @model_validator(mode="after")
    def _are_numbers(self) -> Self:
        unpacked(self.values, len(self.known), self.size)
        return self

    @property
    def width(self) -> int:
        """As many as a vector has."""
        return self.size

    def of(self, frame: Any) -> Floats:
        """(n, size) the vector of each row's value."""
        codes, texts = keys(frame, self.columns)
        places = np.array([self._places.get(text, len(self.known)) for text in texts], dtype=np.int64)
        found: Floats = self._table[places[codes]]
        return found

    @cached_property
    def _places(self) -> dict[str, int]:
        return {text: at for at, text in enumerate(self.known)}

    @cached_property
    def _table(self) -> Floats:
        return np.vstack([unpacked(self.values, len(self.known), self.size), np.zeros(self.size)])


def learn(kind: str, column: str, by: str, size: int, train: Examples) -> Vectors:
    """Learn vectors of a column's values.

    Args:
        kind: ``skip_gram`` or ``cbow``.
        column: whose values.
        by: whose rows follow each other.
        size: numbers of a vector.
        train: rows in order of time.
    """
    names, values, owners, counts = _sequences(column, by, train)
    around = _around(values, owners)
    middle = np.repeat(values[:, None], around.shape[1], axis=1)
    if kind == "skip_gram":  # each neighbour out of the value in the middle
        pairs = (around >= 0) & (middle >= 0)
        inputs, goals = middle[pairs][:, None], around[pairs]
    else:  # the value in the middle out of all its neighbours
        there = (values >= 0) & (around >= 0).any(axis=1)
        inputs, goals = around[there], values[there]
    table = _fitted(inputs, goals, counts, size)
    return Vectors(kind=kind, columns=[column], size=size, known=names, values=packed(table))


def _sequences(column: str, by: str, train: Examples) -> tuple[list[str], Ints, Ints, Ints]:
    """Values that have vectors; of each row its value's number, -1 for none, and its owner's, owner by owner
    in order of time; and how often each value comes.
    """
    known: dict[str, int] = {}
    people: dict[str, int] = {}
    values: list[Ints] = []
    owners: list[Ints] = []
    for part in train.parts():
        for name, book, found in ((column, known, values), (by, people, owners)):
            codes, texts = keys(part.frame, [name])
            numbers = np.array([book.setdefault(text, len(book)) for text in texts], dtype=np.int64)
            found.append(numbers[codes])
    value, owner = np.concatenate(values), np.concatenate(owners)
    order = np.argsort(owner, kind="stable")
    value, owner = value[order], owner[order]
    rows = np.bincount(value, minlength=len(known))
    kept = np.flatnonzero(rows >= RARE)
    kept = np.sort(kept[np.argsort(-rows[kept], kind="stable")[:MOST]])
    number = np.full(len(known), -1)
    number[kept] = np.arange(len(kept))
    names = list(known)
    return [names[at] for at in kept.tolist()], number[value], owner, rows[kept]


def _around(values: Ints, owners: Ints) -> Ints:
    """(n, 2 REACH) the numbers of each row's neighbours of the same owner; -1 where there is none."""
    found = np.full((len(values), 2 * REACH), -1)
    for step in range(1, REACH + 1):
        same = owners[step:] == owners[:-step]
        found[step:, 2 * step - 2] = np.where(same, values[:-step], -1)
        found[:-step, 2 * step - 1] = np.where(same, values[step:], -1)
    return found


@dataclass
class Table:
    """Vectors (v, size) and the sums of their squared gradients."""

    vectors: Floats
    squares: Floats

    def step(self, rows: Ints, gradients: Floats) -> None:
        """Move the vectors of these rows (b,) against their gradients (b, size); a row may come often."""
        from scipy import sparse

        spread = sparse.csr_matrix(
            (np.ones(len(rows)), (rows, np.arange(len(rows)))), shape=(len(self.vectors), len(rows))
        )
        total = np.asarray(spread @ gradients)
        self.squares += total**2
        self.vectors -= RATE * total / np.sqrt(self.squares + 1e-8)


def _fitted(inputs: Ints, goals: Ints, counts: Ints, size: int) -> Floats:
    """Vectors (v, size) that say goals (n,) out of the mean of inputs (n, m), of which -1 is none."""
    rng = np.random.default_rng(SEED)
    first = Table(rng.uniform(-0.5, 0.5, (len(counts), size)) / size, np.zeros((len(counts), size)))
    second = Table(np.zeros((len(counts), size)), np.zeros((len(counts), size)))
    if not len(goals):
        return np.zeros((len(counts), size))
    if len(goals) > PAIRS:
        few = np.linspace(0, len(goals) - 1, PAIRS).astype(np.int64)
        inputs, goals = inputs[few], goals[few]
    noise = np.cumsum(counts**0.75)
    once = -(-len(goals) // BATCH)
    steps = max(once, min(EPOCHS * once, STEPS))
    order = np.concatenate([rng.permutation(len(goals)) for _ in range(-(-steps * BATCH // len(goals)))])
    for begin in range(0, steps * BATCH, BATCH):
        rows = order[begin : begin + BATCH]
        _learn_batch(first, second, inputs[rows], goals[rows], noise, rng)
    return first.vectors


def _learn_batch(
    first: Table, second: Table, inputs: Ints, goals: Ints, noise: Floats, rng: np.random.Generator
) -> None:
    there = inputs >= 0
    count = there.sum(axis=1, keepdims=True)
    means = (first.vectors[inputs] * there[:, :, None]).sum(axis=1) / count  # (b, size)
    drawn = np.searchsorted(noise, rng.random((len(goals), NEGATIVES)) * noise[-1], side="right")
    said = np.concatenate([goals[:, None], np.minimum(drawn, len(noise) - 1)], axis=1)  # (b, 1 + negatives)
    theirs = second.vectors[said]
    wanted = np.zeros(said.shape)
    wanted[:, 0] = 1
    # A context that was drawn and is the goal itself says nothing.
    error = 1 / (1 + np.exp(-np.einsum("bs,bns->bn", means, theirs))) - wanted
    error[:, 1:][said[:, 1:] == goals[:, None]] = 0
    of_means = np.einsum("bn,bns->bs", error, theirs) / count
    second.step(said.ravel(), (error[:, :, None] * means[:, None, :]).reshape(-1, means.shape[1]))
    owner, _ = np.nonzero(there)
    first.step(inputs[there], of_means[owner])
