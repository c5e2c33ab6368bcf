"""How time is cut into partitions: hours, or the days, weeks and months of a time zone.

Days of a zone have 23 or 25 hours twice a year, months 28 to 31 days: what is counted is partitions, by
their numbers since 1970, and a length is what they have on average. Weeks are ISO 8601's and begin on Monday.
"""

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum
from functools import cache, cached_property
from typing import TYPE_CHECKING, ClassVar
from zoneinfo import ZoneInfo

from mlcycle.domain.durations import MONTH

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
DAY = timedelta(days=1)
FIRST_DAY = EPOCH.toordinal()
FIRST_WEEK = (FIRST_DAY - 1) // 7  # day 1 of all days was a Monday
_WEEK_KEY = re.compile(r"(\d{4})-W(\d{2})")
_MONTH_KEY = re.compile(r"(\d{4})-(\d{2})")


class Length(StrEnum):
    """What a project file says of its partitions."""

    HOUR = "hour"
    DAY = "day"
    WEEK = "week"
    MONTH = "month"


_LENGTHS = {Length.HOUR: timedelta(hours=1), Length.DAY: DAY, Length.WEEK: 7 * DAY, Length.MONTH: MONTH}
_A_YEAR = {Length.HOUR: 8760, Length.DAY: 365, Length.WEEK: 52, Length.MONTH: 12}
_FORMATS = {
    Length.HOUR: "%Y-%m-%dT%H",
    Length.DAY: "%Y-%m-%d",
    Length.WEEK: "%G-W%V",
    Length.MONTH: "%Y-%m",
}


@dataclass(frozen=True)
class Unit:
    """Partitions of one length, cut at the midnights of one zone (the IANA database's name)."""

    kind: Length
    zone: str = "UTC"

    HOUR: ClassVar["Unit"]
    DAY: ClassVar["Unit"]
    WEEK: ClassVar["Unit"]
    MONTH: ClassVar["Unit"]
    ALL: ClassVar[tuple["Unit", ...]]

    @staticmethod
    @cache
    def of(kind: str, zone: str = "UTC") -> "Unit":
        """The unit of that name; hours are UTC's in every zone, as some are half an hour away from it."""
        return Unit(Length(kind), "UTC" if kind == Length.HOUR else zone)

    def __str__(self) -> str:
        return self.kind.value

    def __repr__(self) -> str:
        """Stable: what labels were made from is a digest over it."""
        zone = "" if self.zone == "UTC" else f" of {self.zone}"
        return f"<Unit.{self.kind.name}: {self.kind.value!r}{zone}>"

    @cached_property
    def fixed(self) -> bool:
        """Whether all partitions last equally long."""
        return self.zone == "UTC" and self.kind is not Length.MONTH

    @cached_property
    def length(self) -> timedelta:
        """How long a partition lasts on average; to count with, not to add to a moment."""
        return _LENGTHS[self.kind]

    @property
    def shortest(self) -> timedelta:
        """How long every partition lasts at least."""
        least = 28 * DAY if self.kind is Length.MONTH else self.length
        return least if self.zone == "UTC" else least - timedelta(hours=1)

    @property
    def year(self) -> int:
        """Whole partitions of a year of 365 days."""
        return _A_YEAR[self.kind]

    @property
    def key_format(self) -> str:
        """``strftime`` format of a partition's key, of its start in the zone; keys sort as times do."""
        return _FORMATS[self.kind]

    def number(self, moment: datetime) -> int:
        """Of the partition that a moment lies in, counted from the one in which 1970 began."""
        if self.fixed and self.kind is not Length.WEEK:
            return (moment - EPOCH) // self.length
        found = self._number_of(self.local(moment).date())
        while moment >= self.start(found + 1):  # a midnight that came twice, or a day left out
            found += 1
        return found

    def start(self, number: int) -> datetime:
        """When a partition begins, UTC. Where no midnight is, the day begins when clocks go on."""
        if self.fixed and self.kind is not Length.WEEK:
            return EPOCH + number * self.length
        day = self._date_of(number)
        return datetime(day.year, day.month, day.day, tzinfo=_zone(self.zone)).astimezone(UTC)

    def key(self, start: datetime) -> str:
        """The name of the partition that begins then."""
        return (start if self.zone == "UTC" else self.local(start)).strftime(self.key_format)

    def local(self, moment: datetime) -> datetime:
        """A moment by the clock of the zone."""
        return moment.astimezone(_zone(self.zone))

    def read(self, key: str) -> datetime:
        """When the partition of a key begins. Raises ValueError for what is no key of this unit."""
        if self.kind is Length.HOUR:
            return datetime.strptime(key, self.key_format).replace(tzinfo=UTC)
        number = self._number_of(_date(key, self.kind))
        start = self.start(number)
        if self.number(start) != number:
            raise ValueError(f"{self.zone} left that day out")
        return start

    def numbers(self, seconds: "NDArray[np.float64]") -> "NDArray[np.int64]":
        """The same as :meth:`number` for moments (n,) in seconds since 1970."""
        import numpy as np

        if self.fixed and self.kind is not Length.WEEK:
            return np.floor_divide(seconds, self.length.total_seconds()).astype(np.int64)
        if not len(seconds):
            return np.zeros(0, dtype=np.int64)
        first, last = (self.number(_moment(float(each))) for each in (seconds.min(), seconds.max()))
        starts = np.array([self.start(at).timestamp() for at in range(first, last + 1)])
        return (first - 1 + np.searchsorted(starts, seconds, side="right")).astype(np.int64)

    def later(self, moment: datetime, by: timedelta) -> datetime:
        """A moment so much later (earlier where negative), as people count.

        Where partitions are months, whole months lead to the same day of the month, or its last one. Whole
        days lead to the same time by the zone's clock; anything else is added as it is. :meth:`later_sql` is
        the same for the server.
        """
        if self.kind is Length.MONTH and by % MONTH == timedelta(0):
            local = self.local(moment)
            year, month = divmod(local.year * 12 + local.month - 1 + by // MONTH, 12)
            last = monthrange(year, month + 1)[1]
            return local.replace(year=year, month=month + 1, day=min(local.day, last), fold=0).astimezone(UTC)
        if self.zone == "UTC" or by % DAY:
            return moment + by
        return (self.local(moment) + by).replace(fold=0).astimezone(UTC)

    def later_sql(self, moment: str, by: timedelta) -> str:
        """:meth:`later` of an SQL expression; the zone is one that the project file was allowed to name."""
        if self.kind is Length.MONTH and by % MONTH == timedelta(0):
            interval = f"interval '{by // MONTH} months'"
        elif self.zone == "UTC" or by % DAY:
            return f"{moment} + interval '{by.total_seconds():.6f} seconds'"
        else:
            interval = f"interval '{by // DAY} days'"
        return f"(({moment} at time zone '{self.zone}') + {interval}) at time zone '{self.zone}'"

    def covering(self, *durations: timedelta) -> int:
        """Fewest partitions that last as long as these durations one after the other, whichever they are."""
        whole = sum(each // self.length for each in durations if each % self.length == timedelta(0))
        rest = sum((each for each in durations if each % self.length), timedelta(0))
        return whole + -(-rest // self.shortest)

    def most(self, duration: timedelta) -> timedelta:
        """No calendar stretch of this name lasts longer: months add three days at most, summer time hours."""
        slack = timedelta(0) if self.zone == "UTC" else timedelta(hours=2)
        return duration + slack + (3 * DAY if self.kind is Length.MONTH else timedelta(0))

    def _number_of(self, day: date) -> int:
        if self.kind is Length.MONTH:
            return (day.year - 1970) * 12 + day.month - 1
        if self.kind is Length.WEEK:
            return (day.toordinal() - 1) // 7 - FIRST_WEEK
        return day.toordinal() - FIRST_DAY

    def _date_of(self, number: int) -> date:
        if self.kind is Length.MONTH:
            return date(1970 + number // 12, number % 12 + 1, 1)
        if self.kind is Length.WEEK:
            return date.fromordinal((number + FIRST_WEEK) * 7 + 1)
        return date.fromordinal(number + FIRST_DAY)


Unit.HOUR, Unit.DAY, Unit.WEEK, Unit.MONTH = (Unit.of(each) for each in Length)
Unit.ALL = (Unit.HOUR, Unit.DAY, Unit.WEEK, Unit.MONTH)


@cache
def _zone(name: str) -> ZoneInfo:
    return ZoneInfo(name)


def _moment(seconds: float) -> datetime:
    return EPOCH + timedelta(seconds=seconds)


def _date(key: str, kind: Length) -> date:
    if kind is Length.WEEK:
        if not (found := _WEEK_KEY.fullmatch(key)):
            raise ValueError(key)
        return date.fromisocalendar(int(found[1]), int(found[2]), 1)
    if kind is Length.MONTH:
        if not (found := _MONTH_KEY.fullmatch(key)):
            raise ValueError(key)
        return date(int(found[1]), int(found[2]), 1)
    return datetime.strptime(key, _FORMATS[kind]).date()
