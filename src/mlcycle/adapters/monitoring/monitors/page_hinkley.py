"""Page and Hinkley's cumulative sum on the stream of errors or predictions."""

from typing import Annotated, ClassVar

from pydantic import Field

from mlcycle.adapters.monitoring.streaming import Calibrated, Days, River
from mlcycle.domain.streams.replay import Detector

SHIFT = 0.25  # standard deviations of days that are let pass: half of a shift that is to be found


class Setting(Days):
    """Also, for rows, ``threshold`` of the cumulative sum, and ``delta``, which each value may be off."""

    threshold: Annotated[float, Field(gt=0)] = 50.0
    delta: Annotated[float, Field(ge=0)] = 0.005


class PageHinkley(Calibrated):
    """Warns where the sum of what is above the mean so far grows (Page 1954, Biometrika 41(1))."""

    Parameters = Setting
    title = "the stream's mean has changed (Page-Hinkley)"
    settings: ClassVar = (2.0, 3.0, 4.0, 5.0, 6.0, 8.0, 10.0, 13.0, 16.0, 20.0, 25.0, 32.0, 40.0, 60.0)

    def detector(self) -> Detector:  # noqa: D102
        from river import drift

        mode = "up" if self.upward else "both"
        return River(drift.PageHinkley(threshold=self.params.threshold, delta=self.params.delta, mode=mode))

    def of_days(self, setting: float) -> Detector:  # noqa: D102
        from river import drift

        mode = "up" if self.upward else "both"
        return River(drift.PageHinkley(min_instances=5, threshold=setting, delta=SHIFT, mode=mode))
