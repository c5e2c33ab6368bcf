"""Features that are said instead of written: equal to a calculation by hand, by day and at once, without the future."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from mlcycle.adapters.features import replay
from mlcycle.adapters.warehouse.connection import Warehouse
from mlcycle.contract import Result, Status
from mlcycle.demo.world_data import day_file
from mlcycle.project import Project
from mlcycle.steps.runtime import run_step
from tests.conftest import Platform
from tests.raw_data import FLIGHTS, deliver, request

MAKE = {
    "flights_6h": {"count": "rows", "over": "6 hours"},
    "mean_12h": {"mean": "distance", "over": "12 hours"},
    "std_12h": {"std": "distance", "over": "12 hours"},
    "far_6h": {"max": "distance", "over": "6 hours"},
    "before": {"lag": "distance", "by": "3 hours"},
    "change": {"difference": "distance", "by": "3 hours"},
    "newest": {"last": "distance"},
    "share": {"ratio": ["newest", "far_6h"]},
}
OF_ROWS = {
    "hour_of": {"calendar": "hour"},
    "day_of": {"calendar": "sin_weekday"},
    "reach": {"bin": "distance", "edges": [500, 1000, 2000]},
    "pair": {"cross": ["origin", "dest"]},
}
KNOWN, TTL = pd.Timedelta("2h"), pd.Timedelta("1D")


def project(make: dict[str, Any] = MAKE, **view: Any) -> Project:
    document = FLIGHTS.document()
    made = {"entities": ["dest"], "reads": ["flights"], "ttl": "1 day", "known": "2 hours", "make": make}
    document["features"] = {"made": {**made, **view}}
    inputs = [name for name, one in make.items() if set(one) - {"cross", "calendar", "bin", "edges"}]
    document["inputs"] = {"numeric": ["distance", *inputs], "categorical": ["dest"]}
    document["evaluation"] |= {
        "slices": [],
        "groups": [],
        "must_not_matter": [],
        "directions": {},
        "heuristic": "table",
    }
    document["candidates"] = {"table": {"family": "rate_table", "params": {"by": ["dest"]}}}
    return Project.model_validate(document)


@pytest.fixture
def compute(platform: Platform) -> Callable[..., Result]:
    runs = iter(range(1000))

    def run(spec: Project, first: str, last: str = "") -> Result:
        return run_step(
            request("features", spec, first, last, work=f"features-{next(runs)}"), platform.settings("train")
        )

    return run


def flights(days: int) -> pd.DataFrame:
    import io

    parts = [
        pd.read_csv(io.BytesIO(day_file("flights", "flights", f"2013-01-{day:02}") or b""))
        for day in range(1, days + 1)
    ]
    rows = pd.concat(parts, ignore_index=True)
    rows["known"] = pd.to_datetime(rows["sched_dep"], utc=True) + KNOWN
    return rows


def by_hand(rows: pd.DataFrame, dest: str, at: pd.Timestamp) -> dict[str, Any]:
    """What the features of a destination are at a moment, looked up one by one."""
    own = rows[(rows["dest"] == dest) & (rows["known"] <= at)]
    six, twelve = (own[own["known"] >= at - pd.Timedelta(hours=h)]["distance"] for h in (6, 12))
    now = own[own["known"] == at]["distance"].mean()
    old = own[(own["known"] <= at - pd.Timedelta("3h")) & (own["known"] >= at - pd.Timedelta("3h") - TTL)]
    before = old[old["known"] == old["known"].max()]["distance"].mean() if len(old) else np.nan
    return {
        "flights_6h": len(six),
        "mean_12h": twelve.mean(),
        "std_12h": twelve.std(),
        "far_6h": six.max(),
        "before": before,
        "change": now - before,
        "newest": now,
        "share": now / six.max(),
    }


def values(platform: Platform, names: list[str]) -> list[tuple[Any, ...]]:
    return platform.owner().query(
        f'select dest, event_timestamp, {", ".join(names)} from features."flights__made" order by 1, 2'
    )


def test_windows_are_what_they_are_by_hand(platform: Platform, compute: Callable[..., Result]) -> None:
    deliver(Warehouse(platform.settings("ingest")), FLIGHTS, "2013-01-01", "2013-01-03")
    done = compute(project(), "2013-01-01", "2013-01-03")
    assert done.status is Status.OK, done.message
    found = values(platform, list(MAKE))
    rows = flights(3)
    moments = rows[["dest", "known"]].drop_duplicates()
    end = pd.Timestamp("2013-01-04", tz="UTC")
    assert len(found) == len(moments[moments["known"] <= end])
    rng = np.random.default_rng(0)
    for at in rng.permutation(len(found))[:150]:
        dest, moment, *said = found[at]
        expected = list(by_hand(rows, dest, pd.Timestamp(moment)).values())
        told = np.array([np.nan if each is None else each for each in said], dtype=float)
        np.testing.assert_allclose(
            told, np.array(expected, dtype=float), rtol=1e-9, atol=1e-6, err_msg=f"{dest} {moment}"
        )
    platform.owner().query("truncate ledger.feature_partition")
    for day in (1, 2, 3):
        assert compute(project(), f"2013-01-0{day}").status is Status.OK
    again = values(platform, list(MAKE))
    assert [row[:2] for row in again] == [row[:2] for row in found]
    np.testing.assert_allclose(
        np.array([row[2:] for row in again], dtype=float),
        np.array([row[2:] for row in found], dtype=float),
        rtol=1e-9,
        atol=1e-6,
    )
    window = datetime(2013, 1, 1, tzinfo=UTC), datetime(2013, 1, 4, tzinfo=UTC)
    with Warehouse(platform.settings("train")).reading() as cursor:
        assert replay.check_views(cursor, platform.settings("train"), project(), *window) > 0


def test_features_of_a_row_itself_are_known_with_it(
    platform: Platform, compute: Callable[..., Result]
) -> None:
    deliver(Warehouse(platform.settings("ingest")), FLIGHTS, "2013-01-01", "2013-01-01")
    spec = project(OF_ROWS, entities=["carrier", "flight", "origin"], known="0 hours")
    done = compute(spec, "2013-01-01")
    assert done.status is Status.OK, done.message
    query = 'select v.*, f.distance, f.origin, f.dest from features."flights__made" v join raw."flights__flights" f'
    on = (
        "on (v.carrier, v.flight, v.origin, v.event_timestamp) = (f.carrier, f.flight, f.origin, f.sched_dep)"
    )
    names = ["event_timestamp", "hour_of", "day_of", "reach", "pair", "distance", "origin", "dest"]
    listed = ", ".join(f"x.{name}" for name in names[:-3])
    rows = platform.owner().query(
        f"select {listed}, x.distance, x.o, x.dest from ({query.replace('f.origin,', 'f.origin as o,')} {on}) x"
    )
    assert len(rows) > 500
    for moment, hour, day, reach, pair, distance, origin, dest in rows:
        assert hour == moment.hour
        assert day == pytest.approx(np.sin(2 * np.pi * moment.isoweekday() / 7))
        assert reach == np.searchsorted([500, 1000, 2000], distance, side="right")
        assert pair == f"{origin}|{dest}"


@pytest.mark.parametrize(
    ("make", "view", "expected"),
    [
        ({"a": {"mean": "distance"}}, {}, "mean needs over"),
        (
            {"a": {"mean": "distanse", "over": "1 day"}},
            {},
            "mean names 'distanse', which is no column of the table",
        ),
        ({"a": {"mean": "dest", "over": "1 day"}}, {}, "mean of 'dest', which is text: a number is needed"),
        (
            {"a": {"mean": "distance", "over": "1 day"}},
            {"known": None},
            "say known: how long after its event time",
        ),
        ({"a": {"last": "distance"}, "b": {"calendar": "hour"}}, {}, "make two views"),
        (
            {"a": {"ratio": ["b", "c"]}, "b": {"last": "distance"}},
            {},
            "ratio names 'c', which is no other feature",
        ),
        ({"a": {"last": "distance", "max": "distance"}}, {}, "this one says max, last"),
    ],
)
def test_what_cannot_be_made_is_said_in_one_line(
    make: dict[str, Any], view: dict[str, Any], expected: str
) -> None:
    with pytest.raises((ValidationError, ValueError), match=expected):
        project(make, **view)


def test_a_stored_project_is_read_back_as_it_was() -> None:
    spec = project()
    assert Project.model_validate(spec.document()) == spec
    assert spec.features["made"].lookback == pd.Timedelta("1 day 5 hours")
    assert spec.features["made"].columns["flights_6h"] == "integer"
