"""Drift detection method on the stream of mistakes."""

from typing import Annotated, ClassVar

from pydantic import Field

from mlcycle.adapters.monitoring.streaming import River, Rows, Streaming
from mlcycle.domain.streams.replay import Detector


class Setting(Rows):
    """Also ``limit``: standard deviations of the share of mistakes above its least."""

    limit: Annotated[float, Field(gt=0)] = 3.0


class Ddm(Streaming):
    """DDM (Gama et al. 2004, SBIA): warns where the share of mistakes is well above its least so far."""

    Parameters = Setting
    title = "more mistakes (DDM)"
    fed: ClassVar = "mistakes"

    def detector(self) -> Detector:  # noqa: D102
        from river.drift import binary

        return River(binary.DDM(drift_threshold=self.params.limit))
