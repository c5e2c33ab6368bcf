"""How often a leak with a rhythm of its own is met by the moments at which views are replayed."""

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

from mlcycle.domain.leakage.moments import choose

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
BEFORE = (0.25, 0.6, 0.95)  # quantiles of the rows, as it was

Leaks = Callable[[datetime], bool]


def report(_folder: Path, thorough: bool) -> None:
    """Print the table."""
    print(
        "| values | window | leaks | moments | by three quantiles | ours | in three trainings, weeks apart |"
    )
    print("|---|---|---|---|---|---|---|")
    spans = [("daily", DAY, days) for days in (60, 180, 365)] + [("hourly", HOUR, days) for days in (60, 180)]
    for title, length, days in spans:
        draws = 2000 if thorough else 400 if length == DAY else 60
        for name, figures in _measured(length, days, draws).items():
            print(f"| {title} | {days} days | {name} | {figures} |", flush=True)


def _measured(length: timedelta, days: int, draws: int) -> dict[str, str]:
    """By rhythm: moments looked at; shares of leaks met."""
    generator = random.Random(1)
    names = [name for name in RHYTHMS if length < DAY or "hour" not in name]
    met = {name: [0, 0, 0] for name in names}
    count = 0
    for draw in range(draws):
        begin = datetime(2023, 1, 1, tzinfo=UTC) + DAY * generator.randrange(365)
        moments = [begin + length * n for n in range(1, int(days * DAY / length) + 1)]
        weeks = [[moment + 7 * week * DAY for moment in moments] for week in range(3)]
        chosen = [choose(window, f"view {draw} {window[-1]}") for window in weeks]
        count += len(chosen[0])
        for name in names:
            leaks = RHYTHMS[name](generator)
            found = [any(map(leaks, each)) for each in (_quantiles(moments), *chosen)]
            for place, hit in enumerate((found[0], found[1], any(found[1:]))):
                met[name][place] += hit
    return {
        name: " | ".join([f"{count / draws:.0f}", *(f"{n / draws:.2f}" for n in hits)])
        for name, hits in met.items()
    }


def _quantiles(moments: list[datetime]) -> list[datetime]:
    return [moments[max(0, int(share * len(moments)) - 1)] for share in BEFORE]


def _own(moment: datetime) -> datetime:
    """The day whose value is known at a moment."""
    return moment - timedelta(microseconds=1)


def _weekly(generator: random.Random) -> Leaks:
    weekday = generator.randrange(7)
    return lambda moment: _own(moment).weekday() == weekday


def _first(_: random.Random) -> Leaks:
    return lambda moment: _own(moment).day == 1


def _fifteenth(generator: random.Random) -> Leaks:
    day = generator.randrange(2, 28)
    return lambda moment: _own(moment).day == day


def _hour(generator: random.Random) -> Leaks:
    hour = generator.randrange(24)
    return lambda moment: _own(moment).hour == hour


def _hour_of_week(generator: random.Random) -> Leaks:
    hour, weekday = generator.randrange(24), generator.randrange(7)
    return lambda moment: (_own(moment).hour, _own(moment).weekday()) == (hour, weekday)


def _days(share: float) -> Callable[[random.Random], Leaks]:
    def drawn(generator: random.Random) -> Leaks:
        salt = generator.random()
        return lambda moment: random.Random(f"{salt} {_own(moment):%Y-%m-%d}").random() < share

    return drawn


RHYTHMS: dict[str, Callable[[random.Random], Leaks]] = {
    "always": lambda _: lambda _moment: True,
    "one weekday": _weekly,
    "the first of each month": _first,
    "another day of each month": _fifteenth,
    "one hour a day": _hour,
    "one hour of one weekday": _hour_of_week,
    "one day in ten": _days(0.1),
    "one day in fifty": _days(0.02),
}
