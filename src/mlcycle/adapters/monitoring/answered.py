"""Labelled rows of some days as one model or several answer them today, a chunk at a time."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlcycle.adapters.datasets.point_in_time import joined_rows
from mlcycle.adapters.monitoring import days, samples
from mlcycle.adapters.monitoring.window import Window
from mlcycle.adapters.warehouse.decided import row_weights

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Answered:
    """Rows of a chunk: the number of each one's day (n,), its label (n,), each model's answer (n,).

    ``weights`` (n,) are for how many rows each stands, where labels depend on decisions of which a share is
    drawn: nought for a row of which nothing was. Ones elsewhere.
    """

    days: NDArray[np.int64]
    labels: Array
    answers: list[Array]
    weights: Array


def answered(window: Window, models: Sequence[Any], start: datetime, end: datetime) -> Iterator[Answered]:
    """Rows of these days whose label is known by the window's end; of many about ``monitors.sample``.

    Raises ConfigError for a model that reads what the project no longer has.
    """
    project, day = window.project, days.day_of(window.project)
    sides = ("categorical", "numeric", "text")
    names = ([name for model in models for name in getattr(model.card, side)] for side in sides)
    reading = project.reading(*(list(dict.fromkeys(each)) for each in names))
    drawn = samples.share(window.warehouse, project, start, end, project.monitors.sample)
    as_of = window.last.end
    for chunk in joined_rows(window.warehouse, reading, start, end, labels=True, as_of=as_of, share=drawn):
        frame = chunk.select(reading.inputs.all).to_pandas()
        seconds = chunk["event_time"].to_numpy().astype("datetime64[s]").astype(np.float64)
        answers = [np.asarray(model.predict(frame[model.card.inputs]), dtype=np.float64) for model in models]
        with window.cursor() as cursor:
            found = row_weights(cursor, project, chunk, undrawn=0.0, made_until=window.moment)
        weights = np.ones(chunk.num_rows) if found is None else found
        yield Answered(day.numbers(seconds), chunk["label"].to_numpy(), answers, weights)
