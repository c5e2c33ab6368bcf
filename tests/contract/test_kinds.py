"""Snapshots and static tables beside events: delivered, joined as they were known, corrected, replaced."""

from datetime import timedelta
from typing import Any

import pytest

from mlcycle.adapters.artifacts.store import ArtifactStore
from mlcycle.contract import Result, Status
from mlcycle.domain.partitions import Partition, Unit
from mlcycle.project import Project
from mlcycle.steps.runtime import run_step
from tests import calendars, raw_data
from tests.calendars import SHOPS
from tests.conftest import Platform
from tests.contract.ingest import Ingest

START, COUNT = "2013-03-10", 24
FIRST = Partition.parse(START, Unit.DAY)
LAST = FIRST.shift(COUNT - 1)
GONE = range(10, 13)  # days whose state lacks shop 3
WINDOW = "event_timestamp > %(start)s and event_timestamp <= %(end)s"
VIEWS = {
    "prices_known": (
        {"price": "double"},
        ["prices"],
        f"select * from (select shop, valid_from as event_timestamp, price from {{prices}}) v where {WINDOW}",
    ),
    "prices_then": (
        {"worth": "double"},
        ["sales", "prices"],
        "select s.shop, s.at as event_timestamp, s.size * p.price as worth from {sales} s join {prices} p "
        "on p.shop = s.shop and p.valid_from <= s.at and s.at < p.valid_to "
        "where s.at > %(start)s and s.at <= %(end)s",
    ),
    "levels_known": (
        {"level": "integer"},
        ["levels"],
        f"select * from (select shop, valid_from as event_timestamp, level from {{levels}}) v where {WINDOW}",
    ),
    "regions_now": (
        {"region": "text"},
        ["sales", "regions"],
        "select s.shop, s.at as event_timestamp, r.region from {sales} s join {regions} r using (shop) "
        "where s.at > %(start)s and s.at <= %(end)s",
    ),
}


def project(**views: Any) -> Project:
    document = calendars.project("day", "UTC", START).document()
    document["source"]["tables"] |= {
        "prices": {"kind": "snapshot", "columns": {"shop": "text", "price": "double"}, "key": ["shop"]},
        "levels": {
            "kind": "snapshot",
            "columns": {"shop": "text", "changed": "timestamp", "level": "integer"},
            "key": ["shop"],
            "event_time": "changed",
        },
        "regions": {"kind": "static", "columns": {"shop": "text", "region": "text"}, "key": ["shop"]},
    }
    document["features"] = {
        name: {
            **{"entities": ["shop"], "columns": columns, "reads": reads, "sql": sql},
            **{"ttl": "400 days", "lookback": "1 day"},
        }
        for name, (columns, reads, sql) in {**VIEWS, **views}.items()
    }
    document["features"]["prices_then"]["ttl"] = document["features"]["regions_now"]["ttl"] = "1 hour"
    more = [name for columns, _, _ in views.values() for name in columns]
    document["inputs"] = {
        "categorical": ["shop", "region"],
        "numeric": ["size", "price", "worth", "level", *more],
    }
    return Project.model_validate(document)


def price(shop: int, day: int) -> float:
    """Of the state at the end of a day; it changes every few days."""
    return 10.0 + shop + day // 3


def state(day: int, raised: float = 0.0) -> bytes:
    """The whole state at the end of a day."""
    rows = [
        f"s{shop:02},{price(shop, day) + raised}" for shop in range(SHOPS) if not (shop == 3 and day in GONE)
    ]
    return "\n".join(["shop,price", *rows, ""]).encode()


def changes(day: int) -> bytes:
    """Shops whose level changed on a day, at six; all of them on the first."""
    at = f"{FIRST.shift(day).key}T06:00:00Z"
    rows = [f"s{shop:02},{at},{day}" for shop in range(SHOPS) if day == 0 or shop % 7 == day % 7]
    return "\n".join(["shop,changed,level", *rows, ""]).encode()


def level(shop: int, day: int) -> int:
    """What is known at noon of a day."""
    return next(at for at in range(day, -1, -1) if at == 0 or shop % 7 == at % 7)


def regions(of_first: str = "north") -> bytes:
    rows = [f"s{shop:02},{of_first if shop == 0 else 'south'}" for shop in range(SHOPS)]
    return "\n".join(["shop,region", *rows, ""]).encode()


class Shops:
    """The platform with all four tables of the project delivered and ingested."""

    def __init__(self, platform: Platform, own: Project) -> None:
        self.platform, self.project, self.runs = platform, own, 0
        self.folder = platform.folder / "source" / "shops"
        self.folder.mkdir(parents=True, exist_ok=True)
        (self.folder / "sales.csv").write_bytes(calendars.delivery(Unit.DAY, START, COUNT))
        (self.folder / "regions.csv").write_bytes(regions())
        for day in range(COUNT):
            self.lay("prices", day, state(day))
            self.lay("levels", day, changes(day))

    def lay(self, table: str, day: int, data: bytes) -> None:
        path = self.folder / table / f"{FIRST.shift(day).key}.csv"
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(data)

    def ingest(self, table: str, first: str = START, last: str = LAST.key) -> Result:
        done = Ingest(self.platform, self.project, table).run(first, last)
        assert done["publish"].exit_code == 0, done["publish"].message
        return done["publish"]

    def run(self, step: str, first: str, last: str = "") -> Result:
        self.runs += 1
        asked = raw_data.request(step, self.project, first, last, work=f"{step}-{self.runs}")
        return run_step(asked, self.platform.settings())

    def dataset(self) -> tuple[Result, list[dict[str, Any]]]:
        """Bring features up to date and take a data set: its rows."""
        done = self.run("features", START, LAST.key)
        assert done.exit_code == 0, done.message
        made = self.run("dataset", LAST.key)
        assert made.status is Status.OK, made.message
        splits = calendars.rows_of(ArtifactStore(self.platform.settings().artifacts_url), made)
        return made, [row for rows in splits.values() for row in rows]


@pytest.fixture
def shops(platform: Platform) -> Shops:
    found = Shops(platform, project())
    for table in found.project.source.tables:
        found.ingest(table)
    return found


def check(rows: list[dict[str, Any]], raised: dict[int, float], first_region: str) -> None:
    """Every row against a hand calculation; prices of some days' states were raised by a correction."""
    assert len(rows) > 8 * SHOPS
    for row in rows:
        shop, day = (
            int(row["shop"][1:]),
            (Partition.parse(row["partition"], Unit.DAY).start - FIRST.start).days,
        )
        known = day - 1  # the state at the end of yesterday
        there = known >= 0 and not (shop == 3 and known in GONE)
        expected = price(shop, known) + raised.get(known, 0.0) if there else None
        size = calendars.size(shop, Unit.DAY.number(row["event_time"]))
        assert row["worth"] == (None if expected is None else pytest.approx(size * expected)), row
        if there:
            assert row["price"] == expected
        assert row["level"] == level(shop, day)
        assert row["region"] == (first_region if shop == 0 else "south")


def test_each_row_has_the_versions_that_were_known_then_and_corrections_are_honoured(shops: Shops) -> None:
    made, rows = shops.dataset()
    check(rows, {}, "north")
    assert {row["partition"] for row in rows if row["shop"] == "s03" and row["worth"] is None} >= {
        FIRST.shift(day + 1).key for day in GONE
    }
    unchanged, _ = shops.dataset()
    assert unchanged.outputs["manifest"].digest == made.outputs["manifest"].digest

    shops.lay("prices", 6, state(6, raised=100.0))
    assert shops.ingest("prices").values["published"] == 1
    corrected, rows = shops.dataset()
    check(rows, {6: 100.0}, "north")
    assert corrected.outputs["manifest"].digest != made.outputs["manifest"].digest


def test_a_static_table_is_delivered_once_and_replaced_as_a_whole(shops: Shops) -> None:
    made, rows = shops.dataset()
    held = "select partition, current, rows from ledger.batch where table_name = 'regions' order by batch_id"
    assert shops.platform.owner().query(held) == [(START, True, SHOPS)]
    assert shops.ingest("regions", LAST.key).status is Status.SKIPPED  # as it is, whatever day asks

    (shops.folder / "regions.csv").write_bytes(regions("coast"))
    assert shops.ingest("regions", LAST.key).values["published"] == 1
    assert shops.platform.owner().query(held) == [(START, False, SHOPS), (START, True, SHOPS)]
    replaced, rows = shops.dataset()
    check(rows, {}, "coast")
    assert replaced.outputs["manifest"].digest != made.outputs["manifest"].digest


def test_a_view_that_looks_at_how_long_a_version_will_last_is_refused(platform: Platform) -> None:
    leak = (
        {"lasts": "double"},
        ["levels"],
        "select * from (select shop, valid_from as event_timestamp, extract(epoch from least(valid_to, "
        f"valid_from + interval '99 days') - valid_from) as lasts from {{levels}}) v where {WINDOW}",
    )
    shops = Shops(platform, project(patience=leak))
    for table in shops.project.source.tables:
        shops.ingest(table)
    done = shops.run("features", START, LAST.key)
    assert done.exit_code == 0, done.message
    refused = shops.run("dataset", LAST.key)
    assert refused.status is not Status.OK
    assert "patience" in refused.message
    assert "lasts" in refused.message


def test_a_lagging_state_is_known_so_many_partitions_later(platform: Platform) -> None:
    document = project().document()
    document["source"]["tables"]["prices"]["lag"] = 2
    shops = Shops(platform, Project.model_validate(document))
    for table in shops.project.source.tables:
        shops.ingest(table)
    _, rows = shops.dataset()
    for row in rows:
        shop, day = int(row["shop"][1:]), (row["event_time"] - FIRST.start) // timedelta(days=1)
        if day > 2 and shop != 3:
            assert row["price"] == price(shop, day - 3)
