"""A control chart of the stream of errors or predictions."""

from typing import Annotated, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from mlcycle.adapters.monitoring.streaming import Calibrated, Days
from mlcycle.domain.streams.own import Ewma
from mlcycle.domain.streams.replay import Detector
from mlcycle.errors import InputError


class Setting(Days):
    """Also ``limit``: a fixed one in standard deviations of the weighted mean, 3 in the books."""

    limit: Annotated[float, Field(gt=0)] | None = None


class ProcessControl(Calibrated):
    """Warns where the exponentially weighted mean of days leaves its control limits."""

    Parameters = Setting
    title = "the stream is out of control"
    settings: ClassVar = (2.0, 2.25, 2.5, 2.75, 3.0, 3.25, 3.5, 4.0, 4.5, 5.0, 6.0, 7.0, 8.0, 10.0)

    def detector(self) -> Detector:  # noqa: D102
        raise InputError("a control chart needs what is usual of days: leave out each: rows")

    def of_days(self, setting: float) -> Detector:  # noqa: D102
        return Ewma(setting, self.upward)

    def setting(self, known: NDArray[np.float64]) -> float:  # noqa: D102
        return self.params.limit or super().setting(known)
