"""All features that a project's fits learn from their training rows, and the frames that have them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Final, Self

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from mlcycle.domain.examples import Examples, Rows
from mlcycle.domain.fitted import COMPONENTS, SEQUENCES, Wish
from mlcycle.models.fitted import components, vectors
from mlcycle.models.fitted.base import Feature
from mlcycle.models.fitted.components import Components
from mlcycle.models.fitted.hashed import Hashing
from mlcycle.models.fitted.means import Counts, TargetMean, fold_of
from mlcycle.models.fitted.vectors import Vectors

SAMPLE: Final = 100_000  # training rows that components are learnt from, evenly over all of them

Any_ = Annotated[TargetMean | Hashing | Components | Vectors, Field(discriminator="kind")]


class Learnt(BaseModel):
    """Features by name, in their order; ``dropped`` are columns that the family is not given beside them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    features: dict[str, Any_]
    dropped: list[str] = []

    @property
    def names(self) -> list[str]:
        """Columns that are made."""
        return [column for name, feature in self.features.items() for column in _columns(name, feature)]

    def into(self, frame: Any) -> Any:
        """The frame with the columns that are made; each row's depend on that row alone."""
        return _with(frame, self.features)


def _columns(name: str, feature: Feature) -> list[str]:
    return [name] if feature.width == 1 else [f"{name}_{at}" for at in range(1, feature.width + 1)]


def _with(frame: Any, features: "dict[str, Any_]") -> Any:
    import pandas as pd

    made = {
        column: values
        for name, feature in features.items()
        for column, values in zip(_columns(name, feature), feature.of(frame).T, strict=True)
    }
    return pd.concat([frame, pd.DataFrame(made, index=frame.index)], axis=1)


@dataclass(frozen=True)
class Learning:
    """What was learnt of training rows, and what of it each of them may know: not what its own label says."""

    learnt: Learnt
    counts: dict[str, Counts]

    @classmethod
    def of(cls, wishes: Sequence[Wish], train: Examples, classes: int) -> Self:
        """Learn from training rows. Raises InputError where they do not hold what is asked for.

        Args:
            wishes: what to learn.
            train: the rows.
            classes: how many classes there are, where there are many; 0: a label is one number.
        """
        counts: dict[str, Counts] = {}
        features: dict[str, Any_] = {}
        few = _few(train) if any(wish.kind in COMPONENTS for wish in wishes) else None
        for wish in wishes:
            if wish.kind == "target_mean":
                counts[wish.name] = Counts.of(wish.columns, wish.smoothing, classes, train)
                features[wish.name] = counts[wish.name].feature()
            elif wish.kind == "hashing":
                features[wish.name] = Hashing(columns=list(wish.columns), buckets=wish.components)
            elif wish.kind in SEQUENCES:
                features[wish.name] = vectors.learn(
                    wish.kind, wish.columns[0], wish.by, wish.components, train
                )
            else:
                assert few is not None
                features[wish.name] = components.learn(
                    wish.kind, list(wish.columns), wish.components, few.frame, few.labels, classes
                )
        dropped = [column for wish in wishes if wish.replace for column in wish.columns]
        return cls(Learnt(features=features, dropped=dropped), counts)

    @cached_property
    def _by_fold(self) -> "list[dict[str, Any_]]":
        each = {name: list(counts.of_training()) for name, counts in self.counts.items()}
        folds = max((len(found) for found in each.values()), default=1)
        return [
            {**self.learnt.features, **{name: found[at] for name, found in each.items()}}
            for at in range(folds)
        ]

    def training(self, frame: Any, begin: int) -> Any:
        """Training rows, of which the first is number ``begin``, with what each may know."""
        import pandas as pd

        if not self.counts:
            return self.learnt.into(frame)
        folds, rows = fold_of(frame, begin), np.arange(len(frame))
        made = [
            (rows[folds == at], _with(frame[folds == at], self._by_fold[at]))
            for at in np.unique(folds).tolist()
        ]
        order = np.argsort(np.concatenate([at for at, _ in made]), kind="stable")
        return pd.concat([each for _, each in made]).iloc[order]


def _few(train: Examples) -> Rows:
    import pandas as pd

    every = max(1, -(-train.count // SAMPLE))
    frames, labels, at = [], [], 0
    for part in train.parts():
        rows = np.arange((-at) % every, part.count, every)
        frames.append(part.frame.iloc[rows])
        labels.append(part.labels[rows])
        at += part.count
    return Rows(pd.concat(frames, ignore_index=True), np.concatenate(labels))


@dataclass(frozen=True)
class Widened:
    """Examples with the columns that are made; ``own`` where they are the rows that were learnt from."""

    examples: Examples
    learning: Learning
    own: bool

    @property
    def count(self) -> int:
        """How many rows there are."""
        return self.examples.count

    def whole(self) -> Rows:
        """All rows at once."""
        return self._rows(self.examples.whole(), 0)

    def parts(self) -> Iterator[Rows]:
        """The same rows in the same order, a part at a time."""
        at = 0
        for part in self.examples.parts():
            yield self._rows(part, at)
            at += part.count

    def _rows(self, rows: Rows, at: int) -> Rows:
        learning = self.learning
        frame = learning.training(rows.frame, at) if self.own else learning.learnt.into(rows.frame)
        return Rows(frame, rows.labels, rows.weights)
