"""A policy, and which columns of the rows it looks at."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mlcycle.domain.examples import Rows
from mlcycle.domain.folds.fold import Facts, Fold, Folds
from mlcycle.errors import InputError

TIME: Final = "event_time"


@dataclass(frozen=True)
class Plan:
    """How rows with their frame are dealt out. ``group`` names the frame's column of groups, if any."""

    policy: Folds
    group: str = ""

    def of(self, rows: Rows, *, classes: bool) -> list[Fold]:
        """The folds of rows that are in order of time. Raises InputError where they cannot be dealt so."""
        groups = None
        if self.group:
            if self.group not in rows.frame.columns:
                raise InputError(
                    f"split.cross_validation.group {self.group!r} is not in the dataset: "
                    "take the snapshot again"
                )
            groups = rows.frame[self.group].to_numpy(dtype=object)
        return self.policy.of(Facts(rows.labels, classes, _times(rows.frame), groups))


def _times(frame: Any) -> NDArray[np.datetime64]:
    """Event times in UTC; where the rows do not tell, their order, a microsecond each."""
    if TIME not in frame.columns:
        return np.arange(len(frame)).astype("datetime64[us]")
    times = frame[TIME]
    if getattr(times.dt, "tz", None) is not None:
        times = times.dt.tz_convert("UTC").dt.tz_localize(None)
    return np.asarray(times.to_numpy(), dtype="datetime64[us]")
