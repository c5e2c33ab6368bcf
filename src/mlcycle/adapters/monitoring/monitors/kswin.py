"""Kolmogorov-Smirnov windowing on the stream of errors or predictions."""

from typing import Annotated, ClassVar

from pydantic import Field

from mlcycle.adapters.monitoring.streaming import Calibrated, Days
from mlcycle.domain.streams.own import Kswin
from mlcycle.domain.streams.replay import Detector


class Setting(Days):
    """Also ``alpha`` for rows: the p-value of the newest 30 against 30 of the 70 before them."""

    alpha: Annotated[float, Field(gt=0, lt=1)] = 0.005


class KsWindow(Calibrated):
    """KSWIN: warns where the newest values are distributed otherwise than the ones before."""

    Parameters = Setting
    title = "the stream's distribution has changed (KSWIN)"
    settings: ClassVar = (0.3, 0.2, 0.1, 0.05, 0.02, 0.01, 5e-3, 2e-3, 1e-3, 3e-4, 1e-4, 1e-5, 1e-6)

    def detector(self) -> Detector:  # noqa: D102
        return Kswin(self.params.alpha, 100, 30, self.upward)

    def of_days(self, setting: float) -> Detector:  # noqa: D102
        return Kswin(setting, 35, 10, self.upward)
