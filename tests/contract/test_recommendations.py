"""The monitor of recommendations on served rows of a real warehouse."""

from collections import Counter
from typing import Any

import numpy as np
import pytest

from mlcycle.adapters.artifacts.store import ArtifactStore
from mlcycle.adapters.monitoring import registry
from mlcycle.adapters.warehouse.connection import Warehouse
from mlcycle.contract import Status
from mlcycle.domain.recommendations import gini
from mlcycle.errors import ConfigError
from mlcycle.project import Project
from mlcycle.steps.runtime import run_step
from tests.conftest import Platform
from tests.contract.test_brought import DOCUMENT
from tests.raw_data import deliver, request
from tests.reign import crown

LAST = "2013-02-09"
OFF = {name: {"enabled": False} for name in registry.names() if name != "recommendations"}


def project(**params: object) -> Project:
    watch = {**OFF, "recommendations": {"params": {"item": "dest", **params}}}
    return Project.model_validate({**DOCUMENT, "monitors": {"window": "2 days", "watch": watch}})


ACTED, RANKED = project(), project(group=["origin", "sched_hour"], top=2)


@pytest.fixture
def served(platform: Platform) -> Platform:
    """Nine windows of two days, served."""
    ingest = Warehouse(platform.settings("ingest"))
    deliver(ingest, ACTED, "2013-01-01", LAST)
    ingest.close()
    built = run_step(request("features", ACTED, "2013-01-01", LAST), platform.settings())
    assert built.status is Status.OK, built.message
    assert run_step(request("labels", ACTED, "2013-01-01", LAST), platform.settings()).status is Status.OK
    crown(platform, ACTED, "2013-01-05", "2013-01-22")
    assert run_step(request("score", ACTED, "2013-01-23", LAST), platform.settings()).status is Status.OK
    return platform


def watch(platform: Platform, one: Project, work: str) -> dict[str, tuple[str, float, str, dict[str, Any]]]:
    result = run_step(request("monitor", one, LAST, work=work), platform.settings())
    assert result.status is Status.OK, result.message
    rows = platform.owner().query(
        "select subject, status, value, message, details from ledger.monitor_result where monitor = 'recommendations'"
    )
    assert result.links["recommendations"] == rows[0][4].get("link", result.links["recommendations"])
    return {subject: tuple(rest) for subject, *rest in rows}  # type: ignore[misc]


def head(platform: Platform, share: float = 0.8) -> set[str]:
    rows = platform.owner().query(
        """select f.dest, count(*) from raw.flights__flights f join serving.label l
             on l.event_time = f.sched_dep and l.entity_key = f.carrier || '|' || f.flight || '|' || f.origin
           where l.label = 1 and f.sched_dep between %s and %s group by 1 order by 2 desc, 1""",
        platform.owner().query(
            """select manifest #>> '{splits,train,start}', manifest #>> '{splits,train,end}'
               from ledger.dataset"""
        )[0],
    )
    total, found, above = sum(count for _, count in rows), set(), 0
    for item, count in rows:
        if above < share * total:
            found.add(item)
        above += count
    return found


@pytest.mark.parametrize("one", [ACTED, RANKED], ids=["by the threshold", "the best of a group"])
def test_the_figures_are_those_of_the_rows(served: Platform, one: Project) -> None:
    found = watch(served, one, "once")
    rows = served.owner().query(
        """select p.partition, f.origin, f.sched_hour, f.dest, p.prediction, p.entity_key, p.event_time
           from serving.prediction p join raw.flights__flights f
             on f.sched_dep = p.event_time and f.carrier || '|' || f.flight || '|' || f.origin = p.entity_key
           where p.partition >= '2013-02-08' order by p.prediction desc, p.event_time, p.entity_key collate "C" """
    )
    places: Counter[Any] = Counter()
    told: Counter[str] = Counter({row[3]: 0 for row in rows})
    for row in rows:
        places[row[:3]] += 1
        chosen = row[4] >= 0.25 if one is ACTED else places[row[:3]] <= 2
        told[row[3]] += chosen
    _, value, words, details = found[""]
    shown = details["windows"][LAST]
    counts, popular = np.array(list(told.values()), dtype=float), head(served)
    assert shown["catalogue"] == len(told)
    assert shown["recommended"] == counts.sum()
    assert value == shown["diversity"] == pytest.approx((counts > 0).mean())
    assert shown["gini"] == pytest.approx(gini(counts))
    tail = {item: count for item, count in told.items() if item not in popular}
    assert 0 < len(popular) < len(told)
    assert shown["tail_share"] == pytest.approx(sum(tail.values()) / counts.sum())
    assert shown["tail_items"] == pytest.approx(np.mean([count > 0 for count in tail.values()]))
    assert "by popularity: head 0." in words
    page = ArtifactStore(served.settings().artifacts_url).read(details["link"]).decode()
    assert ("The AUC on" in page) is (one is ACTED)
    assert ("The precision of what was" in page) is (one is RANKED)


def test_it_warns_where_recommendations_narrow_and_not_before(served: Platform) -> None:
    before = watch(served, RANKED, "before")
    assert {status for status, *_ in before.values()} == {"ok"}
    assert "diversity" in before, "eight windows were read"
    served.owner().query(
        """update serving.prediction_log p set prediction = 0.001
           from raw.flights__flights f
           where f.sched_dep = p.event_time and f.carrier || '|' || f.flight || '|' || f.origin = p.entity_key
             and p.event_time >= '2013-02-08' and f.dest not in ('ATL', 'ORD', 'LAX', 'MIA', 'BOS')"""
    )
    after = watch(served, RANKED, "after")
    assert after["diversity"][0] == after["gini"][0] == "warn"
    assert after["diversity"][1] < before["diversity"][1] - 0.1
    assert "is usual" in after["gini"][2]


def test_a_column_that_is_not_there_is_one_line() -> None:
    with pytest.raises(
        ConfigError, match=r"^monitor 'recommendations': 'movie' is no column of the entity table"
    ):
        registry.watching(project(item="movie"))
    with pytest.raises(ConfigError, match="'user' is no column"):
        registry.watching(project(group=["user"]))
