"""Base of the monitors that follow a stream of errors or of predictions with a detector.

Each notes of every day what its detector was fed, and replays the champion's days when it measures: a day
watched twice is fed once, a missing one is passed over, one whose labels came late takes its place, and a
new champion starts anew.
"""

from abc import abstractmethod
from collections.abc import Iterable
from datetime import timedelta
from typing import Annotated, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from mlcycle.adapters.monitoring import days, labelled
from mlcycle.adapters.monitoring.base import Monitor, Params
from mlcycle.adapters.monitoring.window import Reference, State, Window
from mlcycle.domain.monitors import Level, Measurement
from mlcycle.domain.partitions import Partition
from mlcycle.domain.streams import calibration, elements
from mlcycle.domain.streams.replay import Detector, Streamed, alarms, reign

MEMORY = timedelta(days=365)
FILLED = 8  # windows before this one that are read where nobody noted them
DIGITS = 4

Notes = dict[int, Streamed | None]


class Rows(Params):
    """``rows`` of a day are taken in at the most, evenly drawn in order of their events."""

    rows: Annotated[int, Field(ge=10, le=2000)] = 200


class Days(Params):
    """``stream``: ``error`` or ``score`` (the predictions themselves, without labels).

    ``each``: what is taken in is a day's mean, in standard deviations of the days known before, by a
    detector just dull enough to raise ``false_a_year`` alarms on years put together of those; or ``rows``,
    with the setting of the books, which supposes that rows are independent.
    """

    stream: Literal["error", "score"] = "error"
    each: Literal["days", "rows"] = "days"
    false_a_year: Annotated[float, Field(gt=0, le=50)] = 2.0
    rows: Annotated[int, Field(ge=10, le=2000)] = 200


class Streaming(Monitor):
    """A monitor whose detector is fed by rows; see the module."""

    always = False
    order = 65
    Parameters: ClassVar[type[Params]] = Rows
    fed: ClassVar[elements.Fed] = "error"

    @abstractmethod
    def detector(self) -> Detector:
        """One that knows nothing yet, for rows, at the setting of the project or the books."""

    @property
    def labels(self) -> bool:
        """Whether the stream needs labels."""
        return True

    def measure(  # noqa: D102
        self, window: Window, reference: Reference, state: State
    ) -> Iterable[Measurement] | str:
        champion, project = window.champion, window.project
        assert champion is not None
        first, last = window.labelled if self.labels else (window.first, window.last)
        fresh = self._read(window, reference, first, last)
        kept = state.days(MEMORY).items()
        notes: Notes = {at: Streamed.of(document) if document else None for at, document in kept}
        missing = self._missing(window, reference, {*notes, *fresh}, first)
        new = missing | {at: each for at, each in fresh.items() if at not in notes or notes[at] != each}
        notes |= missing | fresh
        details = {"days": {str(at): each and each.document for at, each in sorted(new.items())}}
        own = reign(notes, champion.version)
        if not own:
            why = "not judged: no day of this champion alone yet"
            return [Measurement(state.monitor, "ok", why, details=details)]
        day = days.day_of(project)
        newest = day.number(last.end) - 1
        found, how = self.told({at: each for at, each in notes.items() if each}, own)
        length = days.window_of(project)
        open_ = [at for at in found if at > newest - length]
        level: Level = "warn" if open_ else "ok"
        told = [Partition.containing(day.start(at), project.unit).key for at in found]
        since = Partition.containing(day.start(own[0]), project.unit).key
        message = (
            f"{how}; {len(own)} days since {since}, told of a change on {', '.join(told[-5:]) or 'none'}"
        )
        details["alarms"] = told  # type: ignore[assignment]
        return [Measurement(state.monitor, level, message, "", float(len(open_)), 1.0, details)]

    def told(self, notes: dict[int, Streamed], own: list[int]) -> tuple[list[int], str]:
        """Days of a change among the champion's ``own``, and in which way it was looked for."""
        places = alarms(self.detector(), [notes[at].values for at in own])
        return [own[place] for place in places], "fed by rows"

    def _read(self, window: Window, reference: Reference, first: Partition, last: Partition) -> Notes:
        """Whole days from one partition to another."""
        day = days.day_of(window.project)
        rows = window.scored(first, last)
        at = day.numbers(rows.times)
        start = days.first_whole(day, first.start)
        found: Notes = {}
        for number in range(start, day.number(last.end)):
            here = at == number
            known = here & rows.known if self.labels else here
            if not known.any() or known.sum() < labelled.KNOWN * here.sum():
                found[number] = None
                continue
            each, task = rows.only(known), window.project.label.task
            fed = each.predictions
            if self.labels:
                fed = elements.of(self.fed, task, each.labels, each.predictions, reference.labels)
            drawn = fed[np.linspace(0, len(fed) - 1, min(len(fed), self.params.rows)).astype(int)]
            versions = np.unique(rows.versions[here])
            found[number] = Streamed(
                int(versions[0]) if len(versions) == 1 else None,
                len(fed),
                _short(fed.mean()),
                tuple(map(_short, drawn)),
            )
        return found

    def _missing(self, window: Window, reference: Reference, held: set[int], first: Partition) -> Notes:
        """Days before the window that nobody noted, a window's length at a time; empty ones are noted too."""
        project, day = window.project, days.day_of(window.project)
        until, length = day.number(first.start), days.window_of(project)
        found: Notes = {}
        for start in range(until - FILLED * length, until, length):
            wanted = [at for at in range(start, min(start + length, until)) if at not in held]
            if wanted:
                bounds = days.partitions_of(project, wanted[0], wanted[-1])
                read = self._read(window, reference, *bounds)
                found |= {at: read.get(at) for at in wanted}
        return found


class Calibrated(Streaming):
    """A monitor whose detector may be fed by days, and is then made as dull as the project's days need."""

    Parameters = Days
    settings: ClassVar[tuple[float, ...]]  # for days, sharp ones first

    @abstractmethod
    def of_days(self, setting: float) -> Detector:
        """One that knows nothing yet, for days in standard deviations of what is usual."""

    def setting(self, known: NDArray[np.float64]) -> float:
        """Just dull enough for the days known, (n,) in standard deviations of what is usual."""
        return calibration.setting(self.of_days, self.settings, known, self.params.false_a_year)

    @property
    def labels(self) -> bool:
        """Whether the stream needs labels."""
        return bool(self.params.stream == "error")

    @property
    def upward(self) -> bool:
        """Whether only a rise is a change: fewer errors are none."""
        return self.labels

    def told(self, notes: dict[int, Streamed], own: list[int]) -> tuple[list[int], str]:
        """The same, by days unless the project says rows."""
        if self.params.each == "rows":
            return super().told(notes, own)
        before = [at for at in sorted(notes) if at < own[0]]
        known = before if len(before) >= calibration.MIN_DAYS else [*before, *own][: calibration.MIN_DAYS]
        if len(known) < calibration.MIN_DAYS:
            return [], f"not judged: {len(known)} days are known, {calibration.MIN_DAYS} are needed"
        values = np.array([notes[at].mean for at in known])
        centre, spread = float(values.mean()), max(float(values.std(ddof=1)), 1e-12)
        usual = (values - centre) / spread
        setting = self.setting(usual)
        fed = [at for at in own if at > known[-1]]
        # What is known is taken in first, so that a young reign has something to be compared with.
        stream = [[(notes[at].mean - centre) / spread] for at in [*known, *fed]]
        places = alarms(self.of_days(setting), stream)
        how = f"fed by days at the setting {setting:g}, {len(known)} days known before"
        return [fed[place - len(known)] for place in places if place >= len(known)], how


class River:
    """A detector of river; of a rise alone where it is ``upward`` and says its estimation."""

    def __init__(self, detector: Any, upward: bool = False) -> None:
        self._detector, self._upward = detector, upward

    def update(self, value: float) -> bool:
        """Take a value in."""
        before = self._detector.estimation if self._upward else 0.0
        self._detector.update(value)
        told = bool(self._detector.drift_detected)
        return told and (not self._upward or self._detector.estimation > before)


def _short(value: Any) -> float:
    return float(f"{value:.{DIGITS}g}")
