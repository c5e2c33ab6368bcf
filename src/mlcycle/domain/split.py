"""The temporal split: holdout, validation and training, counted back from the newest labelled moment.

Between two splits lies an embargo of the time until a label is known: without it the last labels of one
split would reach into the other (M. Lopez de Prado, "Advances in Financial Machine Learning", 2018, ch. 7).
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from mlcycle.domain.dataset import Split as SplitName
from mlcycle.domain.partitions import Unit
from mlcycle.errors import ConfigError, InputError


@dataclass(frozen=True)
class Policy:
    """How long each split is, and where the source begins."""

    holdout: timedelta
    validation: timedelta
    history: timedelta  # from the newest labelled moment back to the start of training
    begin: datetime
    unit: Unit
    known_after: timedelta = timedelta(0)  # how long after an event its label is known

    @property
    def embargo(self) -> timedelta:
        """Partitions left out between two splits: the later one begins with all earlier labels known."""
        return -(-self.known_after // self.unit.length) * self.unit.length


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
    unit = policy.unit
    for name in ("holdout", "validation", "history"):
        length: timedelta = getattr(policy, name)
        if length % unit.length or not length:
            raise ConfigError(f"split.{name} must be a whole number of partitions ({unit}s), at least one")
    gap = policy.embargo
    holdout = labelled_until - policy.holdout
    validation = holdout - gap - policy.validation
    train = max(policy.begin, labelled_until - policy.history)
    if train >= validation - gap:
        needed = policy.begin + policy.holdout + policy.validation + 2 * gap + unit.length
        later = f"train once labels are known until {_moment(needed, unit)}, or "
        raise InputError(
            f"labels are known until {_moment(labelled_until, unit)}, which leaves nothing to train on "
            f"before validation and holdout: {later if needed > labelled_until else ''}"
            "shorten split.holdout or split.validation, or lengthen split.history"
        )
    return {
        "train": Window(train, validation - gap),
        "validation": Window(validation, holdout - gap),
        "holdout": Window(holdout, labelled_until),
    }


def _moment(moment: datetime, unit: Unit) -> str:
    return moment.strftime("%Y-%m-%d" if unit is Unit.DAY else "%Y-%m-%d %H:%M")
