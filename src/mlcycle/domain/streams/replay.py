"""A stream of days through a detector: from the start each time, so that it matters not how often or in
which order days were watched.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol


class Detector(Protocol):
    """What learns from values as they come. It starts anew after it told of a change."""

    def update(self, value: float) -> bool:
        """Take a value in; whether a change is told of now."""


@dataclass(frozen=True)
class Streamed:
    """A day of a stream.

    Args:
        version: of the model that served it; None of several.
        rows: how many there were.
        mean: of all of them.
        values: of some, in order of their events, evenly drawn.
    """

    version: int | None
    rows: int
    mean: float
    values: tuple[float, ...]

    @property
    def document(self) -> dict[str, Any]:
        """As JSON."""
        return {
            "version": self.version,
            "rows": self.rows,
            "mean": self.mean,
            "values": list(self.values),
        }

    @classmethod
    def of(cls, document: Mapping[str, Any]) -> "Streamed":
        """Out of JSON."""
        return cls(
            document["version"], document["rows"], document["mean"], tuple(map(float, document["values"]))
        )


def reign(days: Mapping[int, Streamed | None], version: int) -> list[int]:
    """The last days in a row that this version alone served, in order; days of nothing are passed over."""
    found: list[int] = []
    for number in sorted(days, reverse=True):
        day = days[number]
        if day is None:
            continue
        if day.version != version:
            break
        found.append(number)
    return found[::-1]


def alarms(detector: Detector, days: Iterable[Sequence[float]]) -> list[int]:
    """Places of the days on which a change was told of; a day is told of once."""
    found = []
    for place, values in enumerate(days):
        told = [detector.update(value) for value in values]  # all are taken in, whatever was told before
        if any(told):
            found.append(place)
    return found


def apart(places: Sequence[int], days: int) -> list[int]:
    """Those that come more than so many days after the one before: alarms in a row are one alert."""
    return [at for number, at in enumerate(places) if not number or at - places[number - 1] > days]


Maker = Callable[[float], Detector]
