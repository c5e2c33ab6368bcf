"""A series' own past: how far ahead it is forecast, and which values of before are made features of."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from mlcycle.domain.durations import MONTH, format_duration
from mlcycle.domain.rhythm import HELD, Floats, Gain, gain, seasons
from mlcycle.domain.unit import DAY, Length, Unit
from mlcycle.proposal.said import Said

if TYPE_CHECKING:
    import pandas as pd

FEWEST = 30  # rows of a key that make it a series
REGULAR = 0.7  # of its steps must be as long as most are
KNOWN = 0.55  # of the rows must have a value so far ahead
LOOKED_AT = 30  # keys
ROWS = 100_000  # of a series of every step, gaps included
WORTH = 0.97  # of the naive forecast's error: a line that errs less is worth having
WEEK, YEAR = 7 * DAY, 364 * DAY  # whole weeks: a year before it was the same day of the week
NAMES = {DAY: "day", WEEK: "week", YEAR: "year", 12 * MONTH: "year"}


@dataclass(frozen=True)
class Past:
    """What is made of a label's own past."""

    ahead: timedelta | None  # how far ahead is forecast; None: rows have more to tell by than their past
    known: timedelta  # after its time, until a value may be used
    step: timedelta  # between two rows
    seasons: tuple[timedelta, ...]  # that were found, the shortest first
    make: dict[str, dict[str, str]]  # features, before they are named; "{}" is the label's column
    naive: str  # the one among them that stands for the forecast without a model
    said: tuple[Said, ...]

    @property
    def ttl(self) -> timedelta:
        """How long a value may be used."""
        return 45 * DAY if self.step >= 28 * DAY else self.step


def past(
    frame: "pd.DataFrame", times: "pd.Series[Any]", column: str, key: Sequence[str], unit: Unit, alone: bool
) -> Past | None:
    """What can be made of the past of ``column``, or None where its rows are no series.

    Args:
        frame: texts, missing ones as None.
        times: of its rows.
        column: the label's.
        key: columns that tell series apart; none: it is one.
        unit: of the partitions.
        alone: whether rows have nothing else to be predicted from; then a later value is forecast.
    """
    import pandas as pd

    rows = pd.DataFrame({"at": times, "value": pd.to_numeric(frame[column], errors="coerce")}).dropna(
        subset=["at"]
    )
    rows["key"] = frame[list(key)].astype(str).agg("|".join, axis=1) if key else ""
    rows = rows.sort_values(["key", "at"], kind="stable")
    counts = rows["key"].value_counts()
    step = _step(rows, unit) if counts.median() >= FEWEST else None
    if step is None:
        return None
    chosen = counts.index[:LOOKED_AT]
    grids = [_grid(part, step, unit) for _, part in rows[rows["key"].isin(chosen)].groupby("key")]
    series = [one for one in grids if one is not None]
    horizon = _horizon(series, step, unit) if alone else _until_known(unit, step)
    if horizon is None or not series:
        return None
    lengths = {round(each / step): each for each in _candidates(step)}
    cycles = seasons(series, sorted(lengths))
    found = tuple(lengths[one.rows] for one in cycles)
    steps = max(round(horizon / step), 1)
    told = gain(series, steps, round(found[0] / step) if found else None, _back(found[0]) if found else 0)
    local = unit.zone != "UTC" and step >= DAY
    make = _made(step, found, horizon, local)
    naive = "newest"
    if found and told is not None and told.season is not None and told.season <= told.newest:
        naive = _before(found[0], horizon, 1)
    names = [NAMES[each] for each in found]
    said = [_of_season(names, cycles[0].strength if cycles else 0.0, step)]
    if alone:
        said.insert(0, _of_horizon(horizon, unit, rows["at"]))
    said.append(_of_gain(told, format_duration(horizon), names))
    return Past(
        horizon if alone else None, timedelta(0) if alone else horizon, step, found, make, naive, tuple(said)
    )


def _step(rows: "pd.DataFrame", unit: Unit) -> timedelta | None:
    """How far rows of a key lie apart, where most lie equally far."""
    if unit.kind is Length.MONTH:
        return MONTH
    steps = rows.groupby("key")["at"].diff().dropna()
    steps = steps[steps > np.timedelta64(0)]
    if steps.empty:
        return None
    usual = steps.mode().iloc[0]
    minutes = usual.total_seconds() / 60
    if minutes < 1 or minutes % 1 or (steps == usual).mean() < REGULAR:
        return None
    return timedelta(minutes=int(minutes))


def _grid(rows: "pd.DataFrame", step: timedelta, unit: Unit) -> Floats | None:
    """Values of one key at each step from its first to its last, NaN where there is none."""
    at = rows["at"]
    if unit.kind is Length.MONTH:
        numbers = (at.dt.year * 12 + at.dt.month).to_numpy(np.int64)
    else:
        numbers = ((at - at.iloc[0]).dt.total_seconds() / step.total_seconds()).round().to_numpy(np.int64)
    numbers = numbers - numbers[0]
    if numbers[-1] >= ROWS:
        return None
    found = np.full(numbers[-1] + 1, np.nan)
    found[numbers] = rows["value"].to_numpy(float)
    return found


def _candidates(step: timedelta) -> list[timedelta]:
    """Seasons that rows so far apart can have."""
    if step == MONTH:
        return [12 * MONTH]
    some = [each for each in (DAY, WEEK, YEAR) if each % step == timedelta(0) and each >= 2 * step]
    return some if step >= timedelta(hours=6) else [each for each in some if each is not YEAR]


def _horizon(series: Sequence[Floats], step: timedelta, unit: Unit) -> timedelta | None:
    """How far ahead a value is forecast; None where too few rows have one then."""
    ahead = MONTH if unit.kind is Length.MONTH else max(unit.length, step)
    steps = max(round(ahead / step), 1)
    rows = sum(int(np.isfinite(one).sum()) for one in series)
    both = sum(int((np.isfinite(one[:-steps]) & np.isfinite(one[steps:])).sum()) for one in series)
    return ahead if rows and not ahead % step and both >= KNOWN * rows else None


def _until_known(unit: Unit, step: timedelta) -> timedelta:
    """How long after its time a value may be used by others: when its partition has ended."""
    if unit.kind is Length.MONTH:
        return 28 * DAY  # the shortest one: the next month's row may use it
    return -(-unit.length // step) * step


def _made(
    step: timedelta, found: Sequence[timedelta], horizon: timedelta, local: bool
) -> dict[str, dict[str, str]]:
    """Features by name: the newest value, those of seasons before, means and changes over each."""
    make: dict[str, dict[str, str]] = {"newest": {"last": "{}"}}
    for season in found:
        for number in range(1, _back(season) + 1):
            name = _before(season, horizon, number)
            by = _at_least(_ago(season, horizon, number), step, local)
            make.setdefault(name, {"lag": "{}", "by": format_duration(by)})
        make[f"mean_{NAMES[season]}"] = {"mean": "{}", "over": format_duration(_within(season, step))}
        by = _at_least(season, step, local)
        make[f"change_{NAMES[season]}"] = {"difference": "{}", "by": format_duration(by)}
    if not found:
        make["change"] = {"difference": "{}", "by": format_duration(_at_least(step, step, local))}
        make["mean_7"] = {"mean": "{}", "over": format_duration(_within(7 * step, step))}
    return make


def _back(season: timedelta) -> int:
    """Seasons back that become features: of a year one, for few files have four of them."""
    return 1 if season >= YEAR else 3


def _ago(season: timedelta, horizon: timedelta, number: int) -> timedelta:
    """How old, when it is used, the value is that lies so many whole seasons before the one that is told."""
    return season * (number + -(-horizon // season) - 1) - horizon


def _before(season: timedelta, horizon: timedelta, number: int) -> str:
    """The name of that value."""
    if not _ago(season, horizon, number):
        return "newest"
    return f"{NAMES[season]}_before" + (f"_{number}" if number > 1 else "")


def _at_least(by: timedelta, step: timedelta, local: bool) -> timedelta:
    """A distance to look back by, so that calendar months and summer time lead to the row that is meant."""
    if step == MONTH:
        return timedelta(days=round(by / DAY) - 10)
    return by - timedelta(hours=2) if local else by


def _within(season: timedelta, step: timedelta) -> timedelta:
    """A window that holds as many rows as a season has: its ends both count."""
    if step == MONTH:
        return timedelta(days=round(season / DAY) - 15)
    return season - step


def _of_horizon(ahead: timedelta, unit: Unit, times: "pd.Series[Any]") -> Said:
    why = (
        f"rows have nothing but their own past to tell by; a {unit}'s rows are predicted when it has ended, "
        "so that the one after it is the nearest still to come"
    )
    odd = unit.kind is Length.MONTH and bool(times.dt.is_month_end.all())
    if odd:
        why += "; of the last days of months five in twelve have no row a month on (30 April, 30 May)"
    return Said(f"forecast: {format_duration(ahead)} ahead", why, sure=not odd)


def _of_season(names: Sequence[str], strength: float, step: timedelta) -> Said:
    every = format_duration(step)
    if not names:
        looked = ", ".join(dict.fromkeys(NAMES[each] for each in _candidates(step)))
        return Said("season: none", f"a row every {every}; looked for: {looked or 'none fits'}")
    why = f"a row every {every}; changes a {names[0]} apart go together, by a correlation of {strength:.2f}"
    return Said(f"season: {', '.join(names)}", why)


def _of_gain(told: Gain | None, horizon: str, names: Sequence[str]) -> Said:
    if told is None:
        return Said("own past", "too short to try what it tells", sure=False)
    best = min(told.newest, told.newest if told.season is None else told.season)
    by_season = told.season is not None and told.season <= told.newest
    which = f"the value of a {names[0]} before" if by_season else "the newest value"
    off = f"on the last {HELD:.0%} of the rows {which} is {best:.3g} off, a line of the past {told.line:.3g}"
    if told.line < WORTH * best:
        return Said("own past tells", f"{off}, {horizon} on")
    return Said(
        "own past tells nothing more",
        f"{off}, {horizon} on: as of a random walk, a model will hardly gain on it",
        sure=False,
    )
