"""Missing values of the inputs against what was usual in training."""

from collections.abc import Iterable
from typing import Annotated

from pydantic import Field

from mlcycle.adapters.monitoring import samples
from mlcycle.adapters.monitoring.base import Monitor, Params
from mlcycle.adapters.monitoring.window import Reference, State, Window
from mlcycle.domain import monitors
from mlcycle.domain.monitors import Measurement

MIN_PARTITION_ROWS = 200  # a partition with fewer is watched with its window


class Increase(Params):
    """``increase``: of the share of absent values, from which it pages."""

    increase: Annotated[float, Field(ge=0, le=1)] = 0.05


class Missing(Monitor):
    """Pages where a column of the last partition lacks more values than usual."""

    Parameters = Increase
    title = "values are missing"
    order = 20

    def measure(  # noqa: D102
        self, window: Window, reference: Reference, state: State
    ) -> Iterable[Measurement] | str:
        if window.too_few:
            return window.too_few
        columns = reference.columns
        newest = samples.of_partition(window.sample, window.last.key)
        newest = newest if newest.num_rows >= MIN_PARTITION_ROWS else window.sample
        usual = samples.usual_missing(reference.sample, columns)
        return monitors.missing(usual, samples.missing(newest, columns), self.params.increase)
