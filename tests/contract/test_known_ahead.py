"""A plan for tomorrow is an input of today's forecast from when it was decided, as the page of features says."""

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

from mlcycle.adapters.artifacts.store import ArtifactStore
from mlcycle.contract import Result, Status
from mlcycle.domain.partitions import Partition
from mlcycle.project import Project
from mlcycle.steps.runtime import run_step
from tests import calendars, raw_data
from tests.calendars import SHOPS
from tests.conftest import ROOT, Platform
from tests.contract.ingest import Ingest

START, COUNT = "2013-03-10", 24
FIRST = datetime(2013, 3, 10, tzinfo=UTC)


def project() -> Project:
    """Tomorrow's sales out of tomorrow's price; the view is the one that docs/features.md shows."""
    page = (ROOT / "docs" / "features.md").read_text()
    (sql,) = re.findall(r"```sql\n(-- Known ahead.*?)```", page, re.DOTALL)
    document = calendars.project("day", "UTC", START).document()
    document["source"]["tables"]["plans"] = {
        "columns": {"shop": "text", "decided": "timestamp", "day": "timestamp", "price": "double"},
        "key": ["shop", "day"],
        "event_time": "decided",
    }
    document["features"] = {
        "planned": {
            **{"entities": ["shop"], "columns": {"price_tomorrow": "double"}, "reads": ["plans"], "sql": sql},
            **{"ttl": "1 day", "lookback": "30 days"},
        }
    }
    document["inputs"] = {"categorical": ["shop"], "numeric": ["size", "price_tomorrow"]}
    return Project.model_validate(document)


def decided(shop: int, day: int) -> list[tuple[datetime, float]]:
    """When the price of a shop's day was decided, and how high: some days ahead, some again, some too late."""
    morning = FIRST + timedelta(days=day)
    if (shop + day) % 5 == 0:
        return [(morning - timedelta(hours=3), 9.0 + day)]  # of the evening before: noon does not know it
    first = (morning - timedelta(days=2 + shop % 3, hours=5), 10.0 + day)
    again = (morning - timedelta(days=1, hours=20), 20.0 + day)
    return [first, again] if shop % 4 == 0 else [first]


def test_a_plan_is_known_from_when_it_was_decided(platform: Platform) -> None:
    spec = project()
    folder: Path = platform.folder / "source" / "shops"
    (folder / "plans").mkdir(parents=True)
    (folder / "sales.csv").write_bytes(calendars.delivery(spec.unit, START, COUNT))
    made: dict[str, list[str]] = {}
    for shop in range(SHOPS):
        for day in range(COUNT + 2):
            for moment, price in decided(shop, day):
                line = f"s{shop:02},{moment:%Y-%m-%dT%H:%M:%SZ},{FIRST + timedelta(days=day):%Y-%m-%dT%H:%M:%SZ},{price}"
                made.setdefault(f"{moment:%Y-%m-%d}", []).append(line)
    last = Partition.parse(START, spec.unit).shift(COUNT - 1).key
    for key in (each.key for each in Partition.parse(START, spec.unit).to(Partition.parse(last, spec.unit))):
        lines = ["shop,decided,day,price", *made[key]]
        (folder / "plans" / f"{key}.csv").write_text("\n".join(lines) + "\n")
    for table in spec.source.tables:
        done = Ingest(platform, spec, table).run(START, last)
        assert done["publish"].exit_code == 0, done["publish"].message

    def run(step: str, first: str, until: str = "") -> Result:
        found = run_step(raw_data.request(step, spec, first, until), platform.settings())
        assert found.status is Status.OK, found.message
        return found

    run("features", START, last)
    splits = calendars.rows_of(ArtifactStore(platform.settings().artifacts_url), run("dataset", last))
    rows = [row for split in splits.values() for row in split]
    known = 0
    for row in rows:
        shop, at = int(row["shop"][1:]), row["event_time"]
        tomorrow = (at - FIRST).days + 1
        told = [price for moment, price in decided(shop, tomorrow) if FIRST <= moment <= at]
        assert row["price_tomorrow"] == (told[-1] if told else None), row
        known += bool(told)
    assert 0.6 * len(rows) < known < 0.95 * len(rows)
