"""How many rows lie near the decision, against the reference."""

from collections.abc import Iterable
from typing import TYPE_CHECKING, Annotated

import numpy as np
from pydantic import Field

from mlcycle.adapters.monitoring.compared import Array, ByRows, Sized
from mlcycle.adapters.monitoring.window import Reference, State, Window
from mlcycle.domain.monitors import Measurement
from mlcycle.domain.tasks import task_of

if TYPE_CHECKING:
    import pyarrow as pa


class Setting(Sized):
    """Also ``margin``: the share of training rows nearest to the decision, which are its margin."""

    margin: Annotated[float, Field(gt=0, lt=1)] = 0.2
    rows: Annotated[int, Field(ge=50, le=20_000)] = 2000


class MarginDensity(ByRows):
    """MD3 (Sethi & Kantardzic 2017, Expert Syst. Appl. 82): warns where the share of rows near the decision
    has changed by more than it is wont to.

    The margin is of the champion's own probabilities, around the project's threshold; numbers have none.
    """

    Parameters = Setting
    title = "another share of rows is near the decision"

    def rows(self, window: Window, reference: Reference, table: "pa.Table") -> Array:  # noqa: D102
        assert window.champion is not None
        model = window.load(window.champion)
        frame = table.select(model.card.inputs).to_pandas()
        away = np.abs(np.asarray(model.predict(frame), dtype=np.float64) - window.project.value.threshold)
        if not hasattr(self, "_width"):  # training's rows are asked for first
            self._width = float(np.quantile(away, self.params.margin))
        found: Array = (away <= self._width).astype(np.float64)[:, None]
        return found

    def distance(self, now: Array, before: Array) -> float:  # noqa: D102
        return float(abs(now.mean() - before.mean()))

    def measure(  # noqa: D102
        self, window: Window, reference: Reference, state: State
    ) -> Iterable[Measurement] | str:
        if not task_of(window.project.label.task).probabilities:
            return "a number has no decision to be near to"
        return super().measure(window, reference, state)
