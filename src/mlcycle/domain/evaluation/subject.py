"""What is evaluated: one model on the rows that judge it, beside all that a part may ask for."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mlcycle.domain.evaluation.figure import Figure
from mlcycle.domain.examples import Rows
from mlcycle.domain.listed import lists_of
from mlcycle.domain.metrics import Array, Payoff
from mlcycle.domain.tasks import Task

SAMPLE = 2000  # rows that a part looks at which asks the model again and again
LARGE = 200_000  # rows that a part looks at which goes through every column's values
SEED = 20130102


class Wishes(Protocol):
    """What a project declares; :class:`mlcycle.project.training.Evaluation` is one."""

    @property
    def metric(self) -> str: ...  # noqa: D102
    @property
    def k(self) -> int: ...  # noqa: D102
    @property
    def slices(self) -> list[str]: ...  # noqa: D102
    @property
    def groups(self) -> list[str]: ...  # noqa: D102
    @property
    def must_not_matter(self) -> list[str]: ...  # noqa: D102
    @property
    def directions(self) -> Mapping[str, Any]: ...  # noqa: D102


@dataclass(frozen=True)
class Subject:
    """A model's answers and what made them.

    Args:
        task, payoff, wishes: the project's.
        categorical, numeric, text: the model's inputs.
        holdout: rows that nothing was chosen on; ``predictions`` (n,) and ``blocks`` of time (n,) are theirs.
        validation: earlier rows that no weight was learnt from; ``before`` is what the model says of them.
        learnt: (m,) the training's labels.
        predict: the model: a frame with the inputs -> (rows,).
        others: those to stand beside, by key: their name for people, and their predictions on the holdout.
        train: the training's rows, a part at a time.
        refit: a model like this one, fitted on the newest share of the training rows: share -> its answers
            on the holdout; None where that is not possible.
        cost: what is known of it: seconds, rows, money, joules; or why one of them is not.
        earlier_blocks: (m,) of time, of the validation's rows.
        served_curve: the calibration that the model's answers go through; empty where there is none.
        said: (n, q, 2) the model's quantiles of the holdout, where the project has any; ``predictions`` are
            their medians, and what ``predict`` and ``others`` say is a point forecast.
        said_by_others: quantiles by the key of ``others``.
    """

    task: Task
    payoff: Payoff
    wishes: Wishes
    categorical: list[str]
    numeric: list[str]
    holdout: Rows
    predictions: Array
    blocks: NDArray[np.int64]
    validation: Rows
    before: Array
    learnt: Array
    predict: Callable[[Any], Array]
    others: Mapping[str, tuple[str, Array]] = field(default_factory=dict)
    train: Callable[[], Iterable[Rows]] = tuple
    refit: Callable[[float], Array] | None = None
    cost: Mapping[str, float | Figure] = field(default_factory=dict)
    earlier_blocks: NDArray[np.int64] = field(default_factory=lambda: np.zeros(0, dtype=np.int64))
    served_curve: str = ""
    said: Array | None = None
    said_by_others: Mapping[str, Array] = field(default_factory=dict)
    text: list[str] = field(default_factory=list)

    @property
    def inputs(self) -> list[str]:
        """All that the model reads."""
        return [*self.categorical, *self.numeric, *self.text]

    @property
    def judged(self) -> Array:
        """What the project's metric takes: the quantiles that were said, else the predictions."""
        return self.predictions if self.said is None else self.said

    @property
    def labels(self) -> Array:
        """(n,) of the holdout."""
        return self.holdout.labels

    def rows(self, most: int) -> NDArray[np.int64]:
        """Positions of at most so many rows of the holdout, drawn with a seed, in order.

        Of a ranking whole lists, and at least one: a part of a list is another list.
        """
        count = len(self.predictions)
        if count <= most:
            return np.arange(count)
        if self.task.lists:
            numbers, codes = np.unique(lists_of(self.labels), return_inverse=True)
            drawn = np.random.default_rng(SEED).permutation(len(numbers))
            size = np.cumsum(np.bincount(codes)[drawn])
            kept = drawn[: max(1, int(np.searchsorted(size, most, side="right")))]
            return np.flatnonzero(np.isin(codes, kept))
        return np.sort(np.random.default_rng(SEED).choice(count, most, replace=False))

    @cached_property
    def sample(self) -> NDArray[np.int64]:
        """Positions of at most ``SAMPLE`` rows."""
        return self.rows(SAMPLE)

    @cached_property
    def sampled(self) -> Any:
        """The sample's rows, as a frame of its own."""
        return self.holdout.frame.iloc[self.sample].reset_index(drop=True)

    @property
    def shown_sample(self) -> str:
        """What is said of rows that the sample leaves out."""
        return self.shown_rows(SAMPLE)

    def shown_rows(self, most: int) -> str:
        """What is said where at most so many rows were looked at; empty where that is all."""
        count = len(self.predictions)
        return "" if count <= most else f"on {most:,} of {count:,} rows, drawn at random with a seed"
