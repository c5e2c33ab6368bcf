"""Streaming detectors: alarms a year where nothing is wrong, and declines caught, as in ``performance``.

Each as the books have it, fed by 200 rows of a day, and fed by days and calibrated on those known before.
A champion a month starts the stream anew; "one champion" lets it run through the year.
"""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from benchmarks.statistics.data import year
from benchmarks.statistics.performance import DAYS, Life, lived, plants

from mlcycle.adapters.monitoring import registry
from mlcycle.adapters.monitoring.streaming import Streaming
from mlcycle.domain.streams import calibration, elements
from mlcycle.domain.streams.replay import Streamed, apart

SEED = 20130101
KNOWN, REIGN, ALERT = 91, 28, 7  # days known before, of a reign, and for which an alarm keeps an alert open
OPEN = 0.8  # of the days without a trend: then nothing that comes can be told of
ROWS = 200
BY_DAYS = ("adwin", "page_hinkley", "kswin", "process_control")
BY_ROWS = ("adwin", "page_hinkley", "kswin", "ddm", "eddm", "linear_four_rates")

Rows = pd.DataFrame
Days = list[Streamed]


def monitors(task: str) -> Iterator[tuple[str, Streaming]]:
    """Each with its name in the table."""
    for name in BY_ROWS:
        if name != "linear_four_rates" or task == "classification":
            yield f"{name}, rows", _made(name, {"each": "rows"} if name in BY_DAYS else {})
    yield "process_control, limit 3", _made("process_control", {"limit": 3})
    for name in BY_DAYS:
        yield f"{name}, days", _made(name, {})


def _made(name: str, params: dict[str, object]) -> Streaming:
    kind = registry.kind(name)
    found = kind(kind.Parameters.model_validate(params))
    assert isinstance(found, Streaming)
    return found


def streamed(life: Life, rows: Sequence[Rows], monitor: Streaming, trained: np.ndarray) -> Days:
    """Days as the monitor would note them."""
    found = []
    for day in rows:
        label, said = (day[name].to_numpy(dtype=np.float64) for name in ("label", "prediction"))
        fed = elements.of(monitor.fed, life.project.label.task, label, said, trained)
        drawn = fed[np.linspace(0, len(fed) - 1, min(len(fed), ROWS)).astype(int)]
        found.append(Streamed(1, len(fed), float(fed.mean()), tuple(drawn.tolist())))
    return found


def told(monitor: Streaming, before: Days, own: Days) -> list[int]:
    """Places of own days on which it tells of a change."""
    notes = dict(enumerate([*before, *own]))
    found, _ = monitor.told(notes, list(range(len(before), len(notes))))
    return [at - len(before) for at in found]


def report(folder: Path, thorough: bool) -> None:
    """Print the tables."""
    _remember()
    for name in ("flights", "weather"):
        life = lived(year(name, folder))
        random = np.random.default_rng(SEED)
        print(f"\n{name}: {len(life.rows)} days; alerts a year (days open)")
        print("then caught within two weeks where none was open (median days)")
        orders = [life.permuted(random) for _ in range(20 if thorough else 3)]
        trained = np.concatenate([day["label"].to_numpy(dtype=np.float64) for day in life.rows[:KNOWN]])
        faults = list(_planted(life, random, 60 if thorough else 12))
        names = [fault for fault, _ in faults]
        heads = ("no trend", "calendar", "one champion", "nothing", *names)
        print(f"{'':28}" + "".join(f"{head[:16]:>17}" for head in heads))
        for title, monitor in monitors(life.project.label.task):
            null = np.mean([_alerts(order, monitor, trained, REIGN) for order in orders], axis=0)
            whole = [_alerts(life, monitor, trained, reign) for reign in (REIGN, len(life.rows))]
            cells = [f"{alerts:.1f} ({open_:.0%})" for alerts, open_ in (null, *whole)]
            if null[1] > OPEN:
                cells += ["open"] * (1 + len(faults))
            else:
                calm = [(start, life.rows[start : start + DAYS]) for start, _ in faults[0][1]]
                cells += [
                    _caught(life, monitor, trained, each) for each in (calm, *(rows for _, rows in faults))
                ]
            print(f"{title:28}" + "".join(f"{cell:>17}" for cell in cells), flush=True)


def _alerts(life: Life, monitor: Streaming, trained: np.ndarray, reign: int) -> tuple[float, float]:
    """A year, and the share of days on which one is open; the first days are known before."""
    days = streamed(life, life.rows, monitor, trained)
    alerts, open_ = 0, set[int]()
    for start in range(KNOWN, len(days), reign):
        found = told(monitor, days[:start], days[start : start + reign])
        alerts += len(apart(found, ALERT))
        open_ |= {start + at + later for at in found for later in range(ALERT) if at + later < reign}
    judged = len(days) - KNOWN
    return alerts / judged * 365, len([at for at in open_ if at < len(days)]) / judged


def _planted(
    life: Life, random: np.random.Generator, count: int
) -> Iterator[tuple[str, list[tuple[int, list[Rows]]]]]:
    starts = np.linspace(KNOWN + DAYS, len(life.rows) - DAYS, count).astype(int)
    for fault, change in plants(life.project):
        found = []
        for start in starts:
            rows = change(pd.concat(life.rows[start : start + DAYS]), random)
            found.append((int(start), [day for _, day in rows.groupby("day", sort=True)]))
        yield fault, found


def _caught(
    life: Life, monitor: Streaming, trained: np.ndarray, stretches: Sequence[tuple[int, list[Rows]]]
) -> str:
    """Share of starts after which an alarm came within two weeks, none open before; median days."""
    days = streamed(life, life.rows, monitor, trained)
    hits = []
    for start, rows in stretches:
        own = [*days[start - DAYS : start], *streamed(life, rows, monitor, trained)]
        found = told(monitor, days[: start - DAYS], own)
        open_ = [at for at in found if DAYS - ALERT <= at < DAYS]
        hits.append([] if open_ else [at - DAYS + 1 for at in found if at >= DAYS][:1])
    delays = [first for hit in hits for first in hit]
    return f"{len(delays) / len(hits):.2f}" + (f" ({np.median(delays):.0f})" if delays else " (-)")


def _remember() -> None:
    """The same days are calibrated on for every fault."""
    held: dict[object, float] = {}
    made = calibration.setting

    def remembered(make, settings, known, false_a_year):  # type: ignore[no-untyped-def]
        key = (make.__self__.__class__, settings, known.round(9).tobytes(), false_a_year)
        if key not in held:
            held[key] = made(make, settings, known, false_a_year)
        return held[key]

    calibration.setting = remembered
