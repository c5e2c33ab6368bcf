"""What is evaluated: one model on the rows that judge it, beside all that a part may ask for."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from mlcycle.domain.examples import Rows
from mlcycle.domain.metrics import Array, Payoff
from mlcycle.domain.tasks import Task

SAMPLE = 2000  # rows that a part looks at which asks the model again and again
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
        categorical, numeric: the model's inputs.
        holdout: rows that nothing was chosen on; ``predictions`` (n,) and ``blocks`` of time (n,) are theirs.
        validation: earlier rows that no weight was learnt from; ``before`` and ``before_blocks`` are theirs.
        learnt: (m,) the training's labels.
        predict: the model: a frame with the inputs -> (rows,).
        others: those to stand beside, by key: their name for people, and their predictions on the holdout.
        train: the training's rows, a part at a time.
        refit: a model like this one, fitted on the newest share of the training rows: share -> its answers
            on the holdout; None where that is not possible.
        cost: what is known of it: seconds, rows, money.
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
    before_blocks: NDArray[np.int64]
    learnt: Array
    predict: Callable[[Any], Array]
    others: Mapping[str, tuple[str, Array]] = field(default_factory=dict)
    train: Callable[[], Iterable[Rows]] = tuple
    refit: Callable[[float], Array] | None = None
    cost: Mapping[str, float] = field(default_factory=dict)

    @property
    def labels(self) -> Array:
        """(n,) of the holdout."""
        return self.holdout.labels

    @cached_property
    def sample(self) -> NDArray[np.int64]:
        """Positions of at most ``SAMPLE`` rows of the holdout, drawn with a seed, in order."""
        count = len(self.predictions)
        if count <= SAMPLE:
            return np.arange(count)
        return np.sort(np.random.default_rng(SEED).choice(count, SAMPLE, replace=False))

    @cached_property
    def sampled(self) -> Any:
        """The sample's rows, as a frame of its own."""
        return self.holdout.frame.iloc[self.sample].reset_index(drop=True)

    @property
    def shown_sample(self) -> str:
        """What is said of rows left out; empty where all were looked at."""
        if len(self.sample) == len(self.predictions):
            return ""
        return f"on {len(self.sample):,} of {len(self.predictions):,} rows, drawn at random with a seed"
