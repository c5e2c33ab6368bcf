"""The request_retrain step: who may ask, cooldown and budget in the data's time, and races."""

import time
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime
from typing import Any

import pytest
from psycopg2.extensions import cursor as Cursor

from mlcycle.contract import Handover, Result, Status
from mlcycle.ledger import retrain
from mlcycle.project import Project
from mlcycle.steps.runtime import run_step
from tests.conftest import Platform
from tests.raw_data import FLIGHTS, request

DOCUMENT = FLIGHTS.document()
#: A monitor's page is enough to ask. ``test_shadow_wish`` has the other way.
ASKING = Project.model_validate({**DOCUMENT, "retrain": {**DOCUMENT["retrain"], "asks": "page"}})


def ask(platform: Platform, day: str, work: str = "", **fields: Any) -> Result:
    """A monitor's wish as of the end of a day, unless the fields say something else."""
    if "params" not in fields:
        wish = {"retrain": {"wanted": True, "reason": f"log loss is up on {day}"}}
        fields = {"inputs": {"monitor": [Handover(values=wish)]}, **fields}
    work = work or f"retrain-{day}-{fields.get('params')}"
    return run_step(request("request_retrain", ASKING, day, work=work, **fields), platform.settings())


def test_a_monitor_is_held_by_the_cooldown_and_a_person_is_not(platform: Platform) -> None:
    first = ask(platform, "2013-03-01")
    assert first.status is Status.OK
    assert first.values == {"as_of": "2013-03-02T00:00:00+00:00", "reason": "log loss is up on 2013-03-01"}
    held = ask(platform, "2013-03-05")
    assert held.status is Status.SKIPPED
    assert "cooldown of 7 days" in held.message
    person = ask(platform, "2013-03-05", params={"reason": "new aircraft"})
    assert person.status is Status.OK
    assert "cooldown" in ask(platform, "2013-03-09").message  # counted from the person's
    assert ask(platform, "2013-03-12").status is Status.OK


def test_the_budget_counts_persons_too(platform: Platform) -> None:
    for day in ("01", "02"):
        assert ask(platform, f"2013-03-{day}", params={"reason": "trial"}).status is Status.OK
    assert ask(platform, "2013-03-09").status is Status.OK
    assert ask(platform, "2013-03-16").status is Status.OK
    assert "budget of 4 retrains in 30 days is used up" in ask(platform, "2013-03-23").message
    assert ask(platform, "2013-04-02").status is Status.OK


def test_a_backfill_asks_for_no_retrain_before_one_that_was_accepted(platform: Platform) -> None:
    assert ask(platform, "2013-06-01").status is Status.OK
    assert "later than" in ask(platform, "2013-03-01").message


def test_a_monitor_of_a_past_day_asks_for_nothing_and_says_why_and_a_person_may(platform: Platform) -> None:
    """A backfill's monitors found old decay, asked for a retrain, and it trained and promoted."""
    platform.owner().query(
        """select ledger.ensure_month('ledger.monitor_result', '2013-06-01');
           insert into ledger.monitor_result (project, partition, monitor, status, message)
           values ('flights', '2013-06-02', 'volume', 'ok', '')"""
    )
    past = ask(platform, "2013-06-01")
    assert past.status is Status.SKIPPED
    assert "the run is for the past: 2013-06-02 was monitored already" in past.message
    noted = platform.owner().query("select accepted, refused_because from ledger.retrain_request")
    assert noted == [(False, "the run is for the past: 2013-06-02 was monitored already")]
    assert ask(platform, "2013-06-01", params={"reason": "by hand"}).status is Status.OK


def test_history_that_nobody_monitored_is_the_past_all_the_same(platform: Platform) -> None:
    platform.owner().query(
        """insert into ledger.batch (project, table_name, partition, status, current, digest, rows, token,
               published_at)
           values ('flights', 'flights', '2013-06-20', 'published', true, '', 1, 0, now() - interval '1 hour')"""
    )
    assert "2013-06-20 is published already" in ask(platform, "2013-06-01").message
    assert ask(platform, "2013-06-14").status is Status.OK


@pytest.mark.parametrize(
    ("params", "why"),
    [({"reason": " \n "}, "needs a reason"), ({"reason": "x", "source": "cat"}, "source 'cat'")],
    ids=["no reason", "no such source"],
)
def test_a_bad_request_gets_one_clear_line(platform: Platform, params: dict[str, str], why: str) -> None:
    result = ask(platform, "2013-03-01", params=params)
    assert result.status is Status.FAILED
    assert why in result.message
    assert result.error is not None
    assert not result.error.retryable


def test_what_no_monitor_wants_is_skipped_and_not_noted(platform: Platform) -> None:
    quiet = {"monitor": [Handover(values={"retrain": {"wanted": False, "reason": ""}})]}
    assert ask(platform, "2013-03-01", inputs=quiet).status is Status.SKIPPED
    assert platform.owner().query("select count(*) from ledger.retrain_request") == [(0,)]


def test_of_many_at_once_one_is_accepted(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> None:
    read = retrain.accepted

    def slowly(cursor: Cursor, project: str, wants: retrain.Wants = "retrain") -> list[datetime]:
        found = read(cursor, project, wants)
        time.sleep(0.05)  # long enough for every other to have read the same, were they let in
        return found

    monkeypatch.setattr(retrain, "accepted", slowly)
    with ThreadPoolExecutor(8) as pool:
        results = list(pool.map(lambda n: ask(platform, "2013-03-01", work=f"race-{n}"), range(16)))
    assert [result.status for result in results].count(Status.OK) == 1
    assert all(result.status in (Status.OK, Status.SKIPPED) for result in results)
    rows = platform.owner().query(
        "select accepted, count(*) from ledger.retrain_request group by 1 order by 1"
    )
    assert rows == [(False, 15), (True, 1)]


def test_without_a_partition_a_request_speaks_of_the_newest_data(platform: Platform) -> None:
    platform.owner().query(
        """insert into ledger.batch (project, table_name, partition, status, current, digest, rows, token)
           values ('flights', 'flights', '2013-05-04', 'published', true, '', 1, 0)"""
    )
    result = ask(platform, "2013-03-01", params={"reason": "by hand"}, partitions=None)
    assert result.values["as_of"] == "2013-05-05T00:00:00+00:00"
