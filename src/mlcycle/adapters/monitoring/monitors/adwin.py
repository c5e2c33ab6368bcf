"""Adaptive windowing on the stream of errors or predictions."""

from typing import Annotated, ClassVar

from pydantic import Field

from mlcycle.adapters.monitoring.streaming import Calibrated, Days, River
from mlcycle.domain.streams.replay import Detector

LOOK = 3  # days from one look to the next: each looks at all splits of the window


class Setting(Days):
    """Also ``delta``: the chance of a false alarm at a look, of rows were they independent."""

    delta: Annotated[float, Field(gt=0, lt=1)] = 0.002


class Adwin(Calibrated):
    """ADWIN (Bifet & Gavalda 2007, SDM): warns where two stretches of a window differ in their mean."""

    Parameters = Setting
    title = "the stream's mean has changed (ADWIN)"
    settings: ClassVar = (0.99, 0.5, 0.2, 0.05, 0.01, 2e-3, 1e-4, 1e-6, 1e-8, 1e-10)

    def detector(self) -> Detector:  # noqa: D102
        from river import drift

        return River(drift.ADWIN(delta=self.params.delta), self.upward)

    def of_days(self, setting: float) -> Detector:  # noqa: D102
        from river import drift

        return River(drift.ADWIN(delta=setting, clock=LOOK), self.upward)
