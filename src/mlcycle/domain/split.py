"""The temporal split: holdout, validation and training, counted back from the newest labelled moment.

Between two splits lies an embargo of the time until a label is known: without it the last labels of one
split would reach into the other (M. Lopez de Prado, "Advances in Financial Machine Learning", 2018, ch. 7).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from mlcycle.domain.dataset import Split as SplitName
from mlcycle.domain.partitions import Partition, Unit
from mlcycle.errors import ConfigError, InputError


@dataclass(frozen=True)
class Policy:
    """How long each split is, and where the source begins."""

    holdout: timedelta
    validation: timedelta
    history: timedelta  # from the newest labelled moment back to the start of training
    begin: datetime
    unit: Unit
    known_after: tuple[timedelta, ...] = ()  # how long after an event its label is known: these, one by one

    @property
    def embargo(self) -> int:
        """Partitions left out between two splits: the later one begins with all earlier labels known."""
        return self.unit.covering(*self.known_after)


@dataclass(frozen=True)
class Window:
    """Event times from ``start`` to before ``end``, whole partitions."""

    start: datetime
    end: datetime


def windows(policy: Policy, labelled_until: datetime) -> dict[SplitName, Window]:
    """Bounds of each split, in order of time.

    Args:
        policy: lengths of the splits.
        labelled_until: end of the newest partition whose labels are known.

    Raises:
        ConfigError: a length is not a whole number of partitions.
        InputError: nothing is left for training.
    """
    unit, counts = policy.unit, {}
    for name in ("holdout", "validation", "history"):
        length: timedelta = getattr(policy, name)
        if length % unit.length or not length:
            raise ConfigError(f"split.{name} must be a whole number of partitions ({unit}s), at least one")
        counts[name] = length // unit.length
    gap, end = policy.embargo, Partition(labelled_until, unit)
    holdout = end.shift(-counts["holdout"])
    validation = holdout.shift(-gap - counts["validation"])
    last = validation.shift(-gap)
    train = max(policy.begin, end.shift(-counts["history"]).start)
    if train >= last.start:
        taken = counts["holdout"] + counts["validation"] + 2 * gap + 1
        needed = Partition(policy.begin, unit).shift(taken).start
        later = f"train once labels are known until {_moment(needed, unit)}, or "
        raise InputError(
            f"labels are known until {_moment(labelled_until, unit)}, which leaves nothing to train on "
            f"before validation and holdout: {later if needed > labelled_until else ''}"
            "shorten split.holdout or split.validation, or lengthen split.history"
        )
    return {
        "train": Window(train, last.start),
        "validation": Window(validation.start, holdout.shift(-gap).start),
        "holdout": Window(holdout.start, labelled_until),
    }


def _moment(moment: datetime, unit: Unit) -> str:
    return f"{unit.local(moment):%Y-%m-%d %H:%M}" if unit == Unit.HOUR else f"{unit.local(moment):%Y-%m-%d}"
