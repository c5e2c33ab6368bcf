"""Early drift detection method on the stream of mistakes."""

from typing import Annotated, ClassVar

from pydantic import Field

from mlcycle.adapters.monitoring.streaming import River, Rows, Streaming
from mlcycle.domain.streams.replay import Detector


class Setting(Rows):
    """Also ``beta``: the share of the widest distance between mistakes, below which it warns."""

    beta: Annotated[float, Field(gt=0, lt=0.95)] = 0.9


class Eddm(Streaming):
    """EDDM (Baena-Garcia et al. 2006): warns where mistakes come closer together than they did."""

    Parameters = Setting
    title = "more mistakes (EDDM)"
    fed: ClassVar = "mistakes"

    def detector(self) -> Detector:  # noqa: D102
        from river.drift import binary

        return River(binary.EDDM(beta=self.params.beta))
