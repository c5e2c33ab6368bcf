"""Linear four rates: sensitivity, specificity and both precisions, each followed by itself."""

from collections.abc import Iterable
from typing import Annotated, ClassVar

from pydantic import Field

from mlcycle.adapters.monitoring.streaming import Rows, Streaming
from mlcycle.adapters.monitoring.window import Reference, State, Window
from mlcycle.domain.monitors import Measurement
from mlcycle.domain.streams.own import FourRates
from mlcycle.domain.streams.replay import Detector
from mlcycle.domain.tasks import task_of


class Setting(Rows):
    """Also ``level``: how rarely a rate falls so low, of rows were they independent."""

    level: Annotated[float, Field(gt=0, lt=0.1)] = 1e-5


class LinearFourRates(Streaming):
    """Warns where any of the four rates of a classification falls; numbers have none."""

    Parameters = Setting
    title = "a rate of the confusion matrix fell"
    fed: ClassVar = "classes"

    def detector(self) -> Detector:  # noqa: D102
        return FourRates(self.params.level)

    def measure(  # noqa: D102
        self, window: Window, reference: Reference, state: State
    ) -> Iterable[Measurement] | str:
        if not task_of(window.project.label.task).probabilities:
            return "a number has no confusion matrix"
        return super().measure(window, reference, state)
