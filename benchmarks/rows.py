"""Five million rows of twenty columns as the monitors see them: seconds, memory, and how far off a sample is.

    python -m benchmarks.rows [--rows 5000000] [--evidently]

A week of made rows lies in a throw-away warehouse; its null is of made training days. Beside it stand the
same verdicts from every row, and, by option, Evidently's preset on the week and as many rows before it, which
takes minutes and gigabytes. Each in a process of its own, whose memory is read from the system.
"""

import argparse
import multiprocessing
import os
import resource
import time
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import psycopg2
from benchmarks.common import postgres, warehouse
from tests.raw_data import FLIGHTS

from mlcycle.adapters.datasets.point_in_time import joined_rows
from mlcycle.adapters.monitoring import days, samples
from mlcycle.adapters.warehouse.connection import Warehouse
from mlcycle.domain import day_verdicts, effects, tally
from mlcycle.domain.partitions import Partition, Unit
from mlcycle.domain.tally import Tally
from mlcycle.project import Project
from mlcycle.settings import Settings

NUMBERS = [f"n{at:02}" for at in range(14)]
TEXTS = [f"c{at:02}" for at in range(6)]
TRAINED, A_DAY = 180, 3_000
FIRST, LENGTH = "2013-07-01", 7
SEED = 20130101
SHIFTED, RENAMED = "n03", "c02"  # what is wrong in the week: .3 sd, and 15 % of the rows


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=int, default=5_000_000)
    parser.add_argument("--evidently", action="store_true", help="its preset, too")
    options = parser.parse_args()
    print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; {options.rows} rows x 20 columns")
    with postgres() as (server, folder):
        settings = warehouse(server, folder)["train"]
        began = time.perf_counter()
        _fill(server.dsn("bench"), options.rows)
        print(f"made in {time.perf_counter() - began:.0f} s")
        ours = _alone(_sampled, settings)
        ours.tell(f"drift, dependence and values on a sample of {ours.rows}")
        whole = _alone(_every, settings)
        whole.tell("the same on every row")
        print(f"told of: {ours.told}, on every row {whole.told}")
        print(f"effects differ by {np.nanmax(np.abs(ours.effects - whole.effects)):.4f} at the most")
        if options.evidently:
            peer = _alone(_evidently, options.rows)
            peer.tell("Evidently's preset, the rows in memory")
            print(f"ratio 1/{peer.seconds / ours.seconds:.0f} of the time, 1/{peer.memory / ours.memory:.0f}")


@dataclass(frozen=True)
class Watched:
    """Seconds, MiB above the libraries and in all, rows read, effects and what was told of."""

    seconds: float
    processor: float
    memory: float
    rows: int
    effects: Any
    told: list[str]

    def tell(self, what: str) -> None:
        """One line."""
        print(
            f"{what}: {self.seconds:.1f} s ({self.processor:.1f} s of the process's own CPU), "
            f"{self.memory:.0f} MiB at the most"
        )


def _alone(work: Any, given: Any) -> Watched:
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        found: Watched = pool.submit(work, given).result()
        return found


def _project() -> Project:
    """Flights' project with twenty columns of its own and no views."""
    document = FLIGHTS.document()
    table = document["source"]["tables"]["flights"]
    table["columns"] = {
        **{name: table["columns"][name] for name in ("carrier", "flight", "origin", "sched_dep")},
        **dict.fromkeys(NUMBERS, "double"),
        **dict.fromkeys(TEXTS, "text"),
    }
    table["expectations"] = []
    document["features"] = {}
    document["inputs"] = {"categorical": TEXTS, "numeric": NUMBERS}
    document["evaluation"]["slices"] = []
    document["candidates"] = {
        "heuristic": {"family": "rate_table", "params": {"by": [TEXTS[0]]}},
        "boosting": document["candidates"]["boosting"],
    }
    document["evaluation"]["heuristic"] = "heuristic"
    return Project.model_validate(document)


def _fill(dsn: str, rows: int) -> None:
    """A week, made by the server: normal numbers in pairs that go together, and texts of a few values."""
    start = Partition.parse(FIRST, _project().unit).start
    columns = ", ".join(f"{name} double precision" for name in NUMBERS)
    texts = ", ".join(f"{name} text" for name in TEXTS)
    # A sum of uniforms is nearly normal and quick to make; the last of a pair takes half of the first.
    numbers = ", ".join(
        f"(random() + random() + random() - 1.5) * 2 + {0.3 if name == SHIFTED else 0}" for name in NUMBERS
    )
    words = ", ".join(
        f"case when random() < .15 then 'new' else 'v' || floor(random() * {3 + 4 * at})::int end"
        if name == RENAMED
        else f"'v' || floor(random() * {3 + 4 * at})::int"
        for at, name in enumerate(TEXTS)
    )
    with psycopg2.connect(dsn) as connection, connection.cursor() as cursor:
        cursor.execute("select setseed(.2013)")
        cursor.execute(
            f"""create table raw.flights__flights (carrier text, flight bigint, origin text,
                  sched_dep timestamptz, {columns}, {texts}, _batch_id bigint not null)"""
        )
        for day in range(LENGTH):
            key = (start + timedelta(days=day)).strftime("%Y-%m-%d")
            count = rows * (day + 1) // LENGTH - rows * day // LENGTH
            cursor.execute(
                """insert into ledger.batch
                     (project, table_name, partition, status, current, digest, rows, token)
                   values ('flights', 'flights', %s, 'published', true, md5(%s), %s, 0)
                   returning batch_id""",
                (key, key, count),
            )
            (batch,) = cursor.fetchone() or (0,)
            cursor.execute(
                f"""insert into raw.flights__flights select 'AA', number, 'JFK',
                      %s::timestamptz + number * interval '1 day' / %s, {numbers}, {words}, %s
                    from generate_series(0, %s) number""",
                (start + timedelta(days=day), count, batch, count - 1),
            )
        cursor.execute("create index on raw.flights__flights (sched_dep)")
        cursor.execute("grant select on raw.flights__flights to mlcycle_train")
    connection.autocommit = True
    connection.cursor().execute("vacuum analyze raw.flights__flights")
    connection.close()


def _made(rows: int, random: np.random.Generator) -> dict[str, Any]:
    """Rows as the server makes them, without what is wrong with the week."""
    found: dict[str, Any] = {name: (random.random((3, rows)).sum(axis=0) - 1.5) * 2 for name in NUMBERS}
    for at, name in enumerate(TEXTS):
        words = np.array([f"v{number}" for number in range(3 + 4 * at)], dtype=object)
        found[name] = words[random.integers(0, len(words), rows)]
    return found


def _trained() -> days.Nulls:
    """A champion's training days as counts; that is made once for a champion."""
    random = np.random.default_rng(SEED)
    first = _made(20_000, random)
    scheme: list[tally.Numeric | tally.Categorical] = [tally.numeric(name, first[name]) for name in NUMBERS]
    scheme += [tally.categorical(name, tally.frequencies(list(first[name]))) for name in TEXTS]
    at = np.repeat(np.arange(TRAINED), A_DAY)
    counts = tally.count(scheme, _made(len(at), random), at, TRAINED)
    start = Unit.DAY.number(Partition.parse(FIRST, _project().unit).start) - TRAINED
    return days.nulls(days.Days(scheme, start, counts, LENGTH, 365), "training")


def _verdicts(nulls: days.Nulls, now: Tally) -> tuple[Any, list[str]]:
    scheme, usual = nulls.days.scheme, nulls.days.counts.whole()
    distances = effects.distances(scheme, now, usual)[0]
    rule = day_verdicts.Rule(0.005, 0.1)
    names = nulls.days.names
    found = day_verdicts.drift("drift", names, distances, nulls.drift, rule, {})
    changes = effects.dependences(now, usual)[0]
    sides = (effects.paired(side)[0] for side in (usual, now))
    found += day_verdicts.dependence(names, changes, nulls.dependence, rule, *sides)
    found += day_verdicts.values(names, effects.shares(scheme, now)[0], nulls.ceilings)
    told = sorted(f"{item.monitor}:{item.subject}" for item in found if item.status == "warn")
    return np.concatenate([distances, changes]), told


def _window() -> tuple[datetime, datetime]:
    start = Partition.parse(FIRST, _project().unit).start
    return start, start + timedelta(days=LENGTH)


def _sampled(settings: Settings) -> Watched:
    """As the monitors do."""
    project, nulls = _project(), _trained()
    _verdicts(nulls, nulls.days.counts[:LENGTH].whole())  # the nulls and the libraries are there

    def read() -> tuple[Tally, int]:
        table = samples.window(Warehouse(settings), project, *_window(), project.monitors.sample)
        return days.of(nulls.days, project, table, _window()[0]), table.num_rows

    return _watched(nulls, read)


def _every(settings: Settings) -> Watched:
    """Every row, a chunk at a time."""
    project, nulls = _project(), _trained()
    _verdicts(nulls, nulls.days.counts[:LENGTH].whole())

    def read() -> tuple[Tally, int]:
        found, rows = tally.empty(nulls.days.scheme, 1), 0
        for chunk in joined_rows(Warehouse(settings), project, *_window(), labels=False):
            found = found + days.of(nulls.days, project, chunk, _window()[0])
            rows += chunk.num_rows
        return found, rows

    return _watched(nulls, read)


def _watched(nulls: days.Nulls, read: Any) -> Watched:
    began, spent = time.perf_counter(), time.process_time()
    counts, rows = read()
    measured, told = _verdicts(nulls, counts)
    seconds, processor = time.perf_counter() - began, time.process_time() - spent
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return Watched(seconds, processor, memory, rows, measured, told)


def _evidently(rows: int) -> Watched:
    """The preset on frames that are in memory already."""
    import pandas as pd
    from evidently import DataDefinition, Dataset, Report
    from evidently.presets import DataDriftPreset

    random = np.random.default_rng(SEED)
    definition = DataDefinition(numerical_columns=NUMBERS, categorical_columns=TEXTS)
    now, before = (Dataset.from_pandas(pd.DataFrame(_made(rows, random)), definition) for _ in range(2))
    began, spent = time.perf_counter(), time.process_time()
    Report([DataDriftPreset()]).run(now, before).dict()
    seconds, processor = time.perf_counter() - began, time.process_time() - spent
    memory = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return Watched(seconds, processor, memory, rows, np.array([]), [])


if __name__ == "__main__":
    main()
