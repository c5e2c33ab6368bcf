"""The materialise step: the newest value online, only forward, whatever is doubled, killed or backfilled."""

import multiprocessing
import os
import signal
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest
from sqlalchemy import Engine, event

from mlcycle.adapters.datasets.point_in_time import joined_rows
from mlcycle.adapters.features import online_writer
from mlcycle.adapters.features import store as feature_store
from mlcycle.adapters.features.online import OnlineValues, get_online
from mlcycle.adapters.warehouse.connection import Warehouse
from mlcycle.contract import Request, Result, Status
from mlcycle.demo.world_data import day_file
from mlcycle.errors import InputError
from mlcycle.project import Project
from mlcycle.steps.runtime import run_step
from tests.conftest import Platform
from tests.raw_data import FLIGHTS, deliver, replace, request

FIRST, LAST = "2013-01-01", "2013-01-20"
ROW = {"carrier": "UA", "origin": "EWR", "dest": "IAH", "sched_hour": 7}


def run(platform: Platform, step: str, first: str, last: str = "", work: str = "") -> Result:
    """One step as a work of its own."""
    named = work or f"{step}-{time.monotonic_ns()}"
    result = run_step(request(step, FLIGHTS, first, last, work=named), platform.settings())
    assert result.exit_code == 0, result.message
    return result


@pytest.fixture
def fresh(platform: Platform) -> Platform:
    """20 days with their features; nothing online yet."""
    deliver(Warehouse(platform.settings("ingest")), FLIGHTS, FIRST, LAST)
    run(platform, "features", FIRST, LAST)
    return platform


def online(platform: Platform, at: str, *rows: dict[str, object]) -> OnlineValues:
    """What serving sees."""
    store = feature_store.store(platform.settings("serve"), FLIGHTS)
    return get_online(store, FLIGHTS, rows or (ROW,), datetime.fromisoformat(at).replace(tzinfo=UTC))


def stored(platform: Platform) -> list[tuple[object, ...]]:
    """The online tables themselves."""
    found: list[tuple[object, ...]] = []
    for view in FLIGHTS.features:
        found += platform.owner().query(
            f"select %s, encode(entity_key, 'hex'), feature_name, encode(value, 'hex'), event_ts "
            f'from online."flights__{view}" order by 1, 2, 3',
            (view,),
        )
    return found


def newest(platform: Platform, until: str) -> dict[str, datetime]:
    """The newest moment of each view in the warehouse."""
    return {
        view: platform.owner().query(
            f'select max(event_timestamp) from features."flights__{view}" where event_timestamp <= %s',
            (until,),
        )[0][0]
        for view in FLIGHTS.features
    }


def online_newest(platform: Platform) -> dict[str, datetime]:
    """The newest moment of each view online."""
    return {
        view: platform.owner().query(f'select max(event_ts) from online."flights__{view}"')[0][0]
        for view in FLIGHTS.features
    }


def test_serving_sees_what_training_sees(fresh: Platform) -> None:
    run(fresh, "materialize", FIRST, LAST)
    at = datetime(2013, 1, 21, tzinfo=UTC)
    # Rows of the moment at which everything online is the newest.
    flights = day_file("flights", "flights", "2013-01-21")
    assert flights is not None
    replace(Warehouse(fresh.settings("ingest")), FLIGHTS, "flights", [("2013-01-21", flights)])
    fresh.owner().query("update raw.flights__flights set sched_dep = %s where sched_dep >= %s", (at, at))
    (rows,) = joined_rows(Warehouse(fresh.settings()), FLIGHTS, at, at + timedelta(days=1), labels=False)
    keys = ["carrier", "origin", "dest", "sched_hour"]
    asked = rows.select(keys).to_pylist()
    values = online(fresh, "2013-01-21", *asked)
    assert len(asked) > 800
    for name, found in values.values.items():
        assert found == rows[name].to_pylist(), name
    assert pa.compute.count(rows["carrier_hour_late_28d"]).as_py() > 700


def test_serve_role_alone_is_enough_to_read(fresh: Platform) -> None:
    run(fresh, "materialize", LAST)
    found = online(fresh, "2013-01-21")
    assert found.values["carrier_late_7d"][0] is not None
    assert found.known["carrier_recent"] == [datetime(2013, 1, 21, tzinfo=UTC)]


def test_a_value_older_than_its_ttl_is_withheld_and_named(fresh: Platform) -> None:
    run(fresh, "materialize", LAST)
    found = online(fresh, "2013-01-23")  # weather lasts a day, the other views fourteen or more
    assert found.stale == [["wind_speed", "wind_gust", "precip_3h", "visib"]]
    assert found.values["wind_speed"] == [None]
    assert found.values["dest_late_14d"][0] is not None


def test_a_value_known_only_later_is_withheld_and_named(fresh: Platform) -> None:
    run(fresh, "materialize", LAST)
    found = online(fresh, "2013-01-20T12:00")
    assert "carrier_late_7d" in found.early[0]
    assert found.values["carrier_late_7d"] == [None]


def test_an_unknown_entity_has_no_value_and_a_missing_one_is_refused(fresh: Platform) -> None:
    run(fresh, "materialize", LAST)
    found = online(fresh, "2013-01-21", {**ROW, "carrier": "??"})
    assert found.values["carrier_late_7d"] == [None]
    assert found.known["carrier_recent"] == [None]
    with pytest.raises(InputError, match="row 1 lacks dest"):
        online(fresh, "2013-01-21", ROW, {**ROW, "dest": None})


def test_old_days_never_set_a_value_back(fresh: Platform) -> None:
    run(fresh, "materialize", LAST)
    before = stored(fresh)
    for day in ("2013-01-05", "2013-01-19", "2013-01-02"):
        run(fresh, "materialize", day)
    assert stored(fresh) == before
    position = "select position from ledger.watermark where stream = 'online'"
    assert fresh.owner().query(position) == [(datetime(2013, 1, 21, tzinfo=UTC),)]


def test_feast_alone_would_set_it_back(fresh: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    """The guard off: the test above can fail."""
    run(fresh, "materialize", LAST)
    before = stored(fresh)
    monkeypatch.setattr(online_writer, "_forward", lambda *_: True)
    fresh.owner().query("delete from ledger.watermark where stream = 'online'")
    run(fresh, "materialize", "2013-01-05")
    assert stored(fresh) != before


def test_a_corrected_value_of_the_same_moment_goes_online(fresh: Platform) -> None:
    run(fresh, "materialize", LAST)
    before = online(fresh, "2013-01-21").values["carrier_late_7d"]
    data = day_file("flights", "arrivals", "2013-01-15")
    assert data is not None
    late = b"\n".join(
        line.rpartition(b",")[0] + b",99" if at and line else line
        for at, line in enumerate(data.split(b"\n"))
    )
    replace(Warehouse(fresh.settings("ingest")), FLIGHTS, "arrivals", [("2013-01-15", late)])
    run(fresh, "features", "2013-01-16")
    written = run(fresh, "materialize", "2013-01-16").values["written"]
    assert written["carrier_recent"] > 10
    assert written["origin_weather"] == 0
    after = online(fresh, "2013-01-21").values["carrier_late_7d"]
    assert after[0] > before[0]


def test_two_at_once_leave_the_newest(fresh: Platform) -> None:
    run(fresh, "materialize", FIRST)
    ranges = [("2013-01-10", ""), (LAST, ""), ("2013-01-15", "")]
    threads = [threading.Thread(target=run, args=(fresh, "materialize", *days)) for days in ranges]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert online_newest(fresh) == newest(fresh, "2013-01-21")


def die_after(platform: Platform, asked: Request, view: str) -> None:
    """A step's process that is killed when it has written one view online and not yet committed."""
    written = online_writer.OnlineWriter.write

    def write(self: online_writer.OnlineWriter, name: str, values: pa.Table) -> int:
        done = written(self, name, values)
        if name == view:
            os.kill(os.getpid(), signal.SIGKILL)
        return done

    online_writer.OnlineWriter.write = write  # type: ignore[method-assign]
    run_step(asked, platform.settings())


@pytest.mark.parametrize("view", ["dest_recent", "origin_weather"])
def test_one_killed_beside_another_loses_no_interval(fresh: Platform, view: str) -> None:
    run(fresh, "materialize", "2013-01-10")
    asked = request("materialize", FLIGHTS, LAST, work="killed")
    other = threading.Thread(target=run, args=(fresh, "materialize", "2013-01-15"))
    # Forked, so that it need not import Feast again.
    killed = multiprocessing.get_context("fork").Process(target=die_after, args=(fresh, asked, view))
    killed.start()
    other.start()
    killed.join(120)
    other.join(60)
    assert killed.exitcode == -signal.SIGKILL
    result = run(fresh, "materialize", LAST, work="killed")
    assert not result.replayed
    assert online_newest(fresh) == newest(fresh, "2013-01-21")
    assert fresh.owner().query("select count(*) from ledger.publication where work = 'killed'") == [(1,)]


def test_a_second_run_writes_nothing_and_a_retry_replays(fresh: Platform) -> None:
    run(fresh, "materialize", LAST, work="one")
    assert set(run(fresh, "materialize", LAST).values["written"].values()) == {0}
    fresh.owner().query("update ledger.attempt set state = 'failed' where work = 'one'")
    again = run(fresh, "materialize", LAST, work="one")
    assert again.replayed
    assert again.values["written"]["origin_weather"] == 3


def test_features_that_were_never_computed_are_named(platform: Platform) -> None:
    deliver(Warehouse(platform.settings("ingest")), FLIGHTS, FIRST, FIRST)
    result = run_step(request("materialize", FLIGHTS, FIRST), platform.settings())
    assert result.status is Status.FAILED
    assert "'carrier_recent' was never computed: run the step features first" in result.message


def test_the_first_definitions_of_several_projects_at_once_are_applied(platform: Platform) -> None:
    """Feast looks for its registry's tables and creates them without a lock."""
    projects = [Project.model_validate({**FLIGHTS.document(), "name": f"p{number}"}) for number in range(4)]

    def apply(project: Project) -> bool:
        return feature_store.ensure(Warehouse(platform.settings()), platform.settings(), project)

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(apply, projects)) == [True] * 4
    assert not apply(projects[0])
    assert platform.owner().query(
        "select count(*) from features.feature_views where project_id like 'p%%'"
    ) == [(4 * len(FLIGHTS.features),)]


def test_a_projects_definitions_cost_the_same_beside_many_others(platform: Platform) -> None:
    """Feast reads every project's definitions again after each object that it writes."""
    statements = 0

    @event.listens_for(Engine, "before_cursor_execute")
    def count(*_: object) -> None:
        nonlocal statements
        statements += 1

    costs = []
    try:
        for number in range(8):
            project = Project.model_validate({**FLIGHTS.document(), "name": f"many{number}"})
            statements = 0
            assert feature_store.ensure(Warehouse(platform.settings()), platform.settings(), project)
            costs.append(statements)
    finally:
        event.remove(Engine, "before_cursor_execute", count)
    assert costs[1] > 0
    assert costs[1:] == [costs[1]] * 7
