"""Point-in-time join of the 336,776 flights of 2013 with four feature views, against its peers.

Ours reads PostgreSQL and joins in bounded chunks; equality with pandas ``merge_asof`` on every row is
checked first. Peers in the same run: ``merge_asof`` with everything in memory already, DuckDB's ASOF
JOIN on the same, LATERAL in PostgreSQL, and Feast's own PostgreSQL store, which takes minutes and so
gets a sample. ``--rows 5000000`` multiplies the flights and shows our peak memory.
Run: ``python -m benchmarks.point_in_time``.
"""

import argparse
import multiprocessing
import platform
import resource
import statistics
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
from benchmarks.common import postgres, warehouse
from psycopg2 import sql
from pydantic import SecretStr
from tests.raw_data import FLIGHTS, deliver, request

from mlcycle.adapters.datasets.point_in_time import equivalent_sql, joined_rows
from mlcycle.adapters.features import store as feature_store
from mlcycle.adapters.warehouse.arrow import arrow_type, read_table
from mlcycle.adapters.warehouse.connection import Warehouse, feature_table, raw_table
from mlcycle.settings import Settings
from mlcycle.steps.runtime import run_step

FIRST, LAST = "2013-01-01", "2014-01-01"
WINDOW = {"start": datetime(2013, 1, 1, tzinfo=UTC), "end": datetime(2014, 1, 2, tzinfo=UTC)}
GOAL, LIMIT_GIB = 3.0, 4.0
FEAST_SECONDS = 90


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3, help="rounds of each, medians shown")
    parser.add_argument(
        "--rows", type=int, default=0, help="also join about so many rows, and show the memory"
    )
    parser.add_argument(
        "--feast-rows", type=int, default=500, help="sample for Feast's own store; 0 leaves it out"
    )
    options = parser.parse_args()
    with postgres() as (server, folder):
        settings = warehouse(server, folder)
        _fill(settings)
        _compare(settings["train"], options.rounds, options.feast_rows)
        if options.rows:
            owner = Settings(warehouse_dsn=SecretStr(server.dsn("bench")), artifacts_url="file:///")
            _large(settings["train"], Warehouse(owner), options.rows)


def _fill(settings: dict[str, Settings]) -> None:
    print("loading the flights and computing their features ...", flush=True)
    deliver(Warehouse(settings["ingest"]), FLIGHTS, FIRST, LAST)
    result = run_step(request("features", FLIGHTS, FIRST, LAST), settings["train"])
    if result.exit_code:
        raise SystemExit(result.message)
    print(f"features: {result.message} in {result.seconds:.1f} s")


def _ours(settings: Settings, *, labels: bool) -> pa.Table:
    return pa.concat_tables(joined_rows(Warehouse(settings), FLIGHTS, **WINDOW, labels=labels))


def _compare(settings: Settings, rounds: int, feast_rows: int) -> None:
    tables = _in_memory(settings)
    ours, peer = _ours(settings, labels=False).to_pandas(), _merge_asof(tables)
    peer = peer.rename(columns={"sched_dep": "event_time"})
    peer = peer.sort_values(["event_time", "entity_key"], ignore_index=True)
    pd.testing.assert_frame_equal(
        ours.drop(columns="partition"), peer[[name for name in ours if name != "partition"]], check_exact=True
    )
    print(f"equal to merge_asof on all {len(ours)} rows")
    contenders: dict[str, Callable[[], Any]] = {
        "merge_asof, all in memory already": lambda: _merge_asof(tables),
        "merge_asof, read out first": lambda: _merge_asof(_in_memory(settings)),
        "DuckDB ASOF JOIN, in memory already": lambda: _duckdb(tables),
        "mlcycle": lambda: _ours(settings, labels=False),
        "mlcycle, with labels": lambda: _ours(settings, labels=True),
        "LATERAL in PostgreSQL, with labels": lambda: _lateral(settings),
    }
    seconds: dict[str, list[float]] = {name: [] for name in contenders}
    for _ in range(rounds):
        for name, run in contenders.items():
            began = time.perf_counter()
            run()
            seconds[name].append(time.perf_counter() - began)
    base = statistics.median(seconds["merge_asof, all in memory already"])
    size = f"{len(ours)} rows, {len(FLIGHTS.features)} views"
    print(f"\n{platform.machine()}, Python {platform.python_version()}, {size}")
    print(f"{'':40}{'seconds':>9}{'x merge_asof':>14}")
    for name, took in seconds.items():
        print(f"{name:40}{statistics.median(took):9.2f}{statistics.median(took) / base:14.2f}")
    found = statistics.median(seconds["mlcycle"]) / base
    print(f"goal: at most {GOAL:g} x merge_asof: {'met' if found <= GOAL else 'NOT met'}")
    if feast_rows:
        took = _feast(settings, tables, feast_rows)
        each = statistics.median(seconds["mlcycle"]) / len(ours) * 1e6
        said = f"not done in {FEAST_SECONDS} s" if took is None else f"{took / feast_rows * 1e6:.0f} us a row"
        print(
            f"Feast's PostgreSQL store, a sample of {feast_rows} rows: {said}; mlcycle: {each:.1f} us a row"
        )


def _in_memory(settings: Settings) -> dict[str, pd.DataFrame]:
    """The flights and every view's values, whole, sorted as merge_asof wants them."""
    found = {}
    with Warehouse(settings).reading() as cursor:
        columns = {name: arrow_type(kind) for name, kind in FLIGHTS.entity_table.columns.items()}
        query = sql.SQL("select {}, concat_ws('|', carrier, flight, origin) from {}").format(
            sql.SQL(", ").join(map(sql.Identifier, columns)), raw_table("flights", "flights")
        )
        schema = pa.schema([*columns.items(), ("entity_key", pa.string())])
        found["flights"] = read_table(cursor, query, None, schema).to_pandas().sort_values("sched_dep")
        for name, view in FLIGHTS.features.items():
            columns = {key: arrow_type(FLIGHTS.entity_table.columns[key]) for key in view.entities}
            columns["event_timestamp"] = arrow_type("timestamp")
            columns |= {column: arrow_type(kind) for column, kind in view.columns.items()}
            query = sql.SQL("select {} from {}").format(
                sql.SQL(", ").join(map(sql.Identifier, columns)), feature_table("flights", name)
            )
            values = read_table(cursor, query, None, pa.schema(list(columns.items())))
            found[name] = values.to_pandas().sort_values("event_timestamp")
    return found


def _merge_asof(tables: dict[str, pd.DataFrame]) -> pd.DataFrame:
    joined = tables["flights"]
    for name, view in FLIGHTS.features.items():
        joined = pd.merge_asof(
            joined,
            tables[name],
            left_on="sched_dep",
            right_on="event_timestamp",
            by=view.entities,
            tolerance=view.ttl,
        ).drop(columns="event_timestamp")
    return joined


def _duckdb(tables: dict[str, pd.DataFrame]) -> pa.Table:
    with duckdb.connect() as database:
        joins, columns = [], ["f.*"]
        database.register("flights", tables["flights"])
        for name, view in FLIGHTS.features.items():
            database.register(name, tables[name])
            same = " and ".join(f"f.{key} = {name}.{key}" for key in view.entities)
            joins.append(f"asof left join {name} on {same} and f.sched_dep >= {name}.event_timestamp")
            fresh = (
                f"f.sched_dep - {name}.event_timestamp <= interval '{view.ttl.total_seconds():.0f} seconds'"
            )
            columns += [f"case when {fresh} then {name}.{column} end as {column}" for column in view.columns]
        query = f"select {', '.join(columns)} from flights f {' '.join(joins)}"
        return database.sql(query).to_arrow_table()


def _lateral(settings: Settings) -> None:
    with Warehouse(settings).reading() as cursor, Path("/dev/null").open("wb") as sink:
        statement = cursor.mogrify(equivalent_sql(FLIGHTS), WINDOW).decode()
        cursor.copy_expert(f"copy ({statement}) to stdout", sink)


def _feast(settings: Settings, tables: dict[str, pd.DataFrame], rows: int) -> float | None:
    """Seconds for a sample, or None where it did not finish in ``FEAST_SECONDS``."""
    feature_store.ensure(Warehouse(settings), settings, FLIGHTS)
    columns = ["carrier", "origin", "dest", "sched_hour", "sched_dep"]
    asked = tables["flights"].sample(rows, random_state=1)[columns]
    asked = asked.rename(columns={"sched_dep": "event_timestamp"})
    receiving, sending = multiprocessing.Pipe(duplex=False)
    child = multiprocessing.get_context("spawn").Process(target=_ask_feast, args=(settings, asked, sending))
    child.start()
    receiving.recv()  # Feast is loaded
    took: float | None = receiving.recv() if receiving.poll(FEAST_SECONDS) else None
    child.kill()
    child.join()
    return took


def _ask_feast(settings: Settings, asked: pd.DataFrame, sending: Any) -> None:
    store = feature_store.store(settings, FLIGHTS)
    names = [f"{name}:{column}" for name, view in FLIGHTS.features.items() for column in view.columns]
    sending.send("ready")
    began = time.perf_counter()
    found = store.get_historical_features(entity_df=asked, features=names).to_df()
    assert len(found) == len(asked)
    sending.send(time.perf_counter() - began)


def _large(settings: Settings, owner: Warehouse, rows: int) -> None:
    copies = max(1, round(rows / 336_776))
    print(f"\nmultiplying the flights by {copies} ...", flush=True)
    columns = sql.SQL(", ").join(map(sql.Identifier, [*FLIGHTS.entity_table.columns, "_batch_id"]))
    owner.query(
        sql.SQL("insert into {0} ({1}) select {2} from {0}, generate_series(1, %s) as copy").format(
            raw_table("flights", "flights"),
            columns,
            sql.SQL(columns.as_string(owner.connection).replace('"flight",', "flight + 10000 * copy,")),
        ),
        (copies - 1,),
    )
    owner.query("update ledger.batch set rows = rows * %s where table_name = 'flights'", (copies,))
    receiving, sending = multiprocessing.Pipe(duplex=False)
    child = multiprocessing.get_context("spawn").Process(target=_drain, args=(settings, sending))
    child.start()
    joined, took, gib = receiving.recv()
    child.join()
    verdict = "within" if gib <= LIMIT_GIB else "ABOVE"
    print(f"{joined} rows in {took:.1f} s, peak {gib:.2f} GiB: {verdict} the {LIMIT_GIB:g} GiB allowed")


def _drain(settings: Settings, sending: Any) -> None:
    """In a process of its own, so that the peak is the join's alone."""
    began = time.perf_counter()
    rows = sum(chunk.num_rows for chunk in joined_rows(Warehouse(settings), FLIGHTS, **WINDOW, labels=False))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    sending.send((rows, time.perf_counter() - began, peak))


if __name__ == "__main__":
    main()
