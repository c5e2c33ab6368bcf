"""A monitor's wish, or the calendar's, becomes a shadow: when one is trained, and what stands against it."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from pydantic import ValidationError

from mlcycle.contract import Handover, Result, Status
from mlcycle.ledger import retention
from mlcycle.project import Project
from mlcycle.steps.runtime import run_step
from tests.conftest import Platform
from tests.raw_data import FLIGHTS, request

SPLITS = {
    "train": ("2013-01-01", "2013-01-16"),
    "validation": ("2013-01-17", "2013-01-31"),
    "holdout": ("2013-02-01", "2013-02-15"),
}
NOTED = "select source, wants, accepted, refused_because from ledger.retrain_request order by request_id"


def with_retrain(**changes: object) -> Project:
    document = FLIGHTS.document()
    value = {**document["value"], "prices": {"cpu_hour": 3.0}}
    return Project.model_validate({**document, "value": value, "retrain": {**document["retrain"], **changes}})


def ask(platform: Platform, day: str, wish: str = "", project: Project = FLIGHTS, **fields: Any) -> Result:
    """What a run of the monitors for a day leads to; they wish nothing unless it is said why."""
    if not fields:
        fields = {
            "inputs": {"monitor": [Handover(values={"retrain": {"wanted": bool(wish), "reason": wish}})]}
        }
    work = f"retrain-{day}-{wish}-{sorted(fields)}"
    return run_step(request("request_retrain", project, day, work=work, **fields), platform.settings())


@pytest.fixture
def delivered(platform: Platform) -> Platform:
    """Flights and arrivals of January to April, none of which is the past yet when a step begins."""
    platform.owner().query(
        """insert into ledger.batch (project, table_name, partition, status, current, digest, rows, token,
                                    published_at)
           select 'flights', t, to_char(d, 'YYYY-MM-DD'), 'published', true, '', 800, 0,
                  now() + interval '1 day'
           from unnest(array['flights', 'arrivals']) t,
                generate_series('2013-01-01'::date, '2013-04-30', '1 day') d"""
    )
    return platform


@pytest.fixture
def reigning(delivered: Platform) -> Platform:
    """With a champion that learnt to the end of January and was judged by half of February."""
    splits = {
        name: {"start": f"{start}T00:00:00+00:00", "end": f"{end}T00:00:00+00:00", "rows": 1000}
        for name, (start, end) in SPLITS.items()
    }
    manifest = {"project": "flights", "digest": "d" * 64, "as_of": "2013-02-16T00:00:00+00:00"}
    manifest |= {"splits": splits, "parts": []}  # type: ignore[dict-item]
    owner = delivered.owner()
    owner.query(
        "insert into ledger.dataset (project, digest, uri, manifest, rows) values ('flights', %s, '', %s, 1)",
        ("d" * 64, json.dumps(manifest)),
    )
    owner.query(
        """insert into ledger.model_version (project, version, run_id, candidate, model_uri, manifest,
               manifest_digest, dataset_digest, metrics)
           values ('flights', 1, 'r', 'boosting', 'm', '{}', 'x', %s, '{}')""",
        ("d" * 64,),
    )
    owner.query(
        """insert into ledger.champion (project, seq, version, action, actor, reason)
           values ('flights', 1, 1, 'promote', 'test', '')"""
    )
    return delivered


def test_a_wish_trains_a_shadow_and_a_page_that_stays_open_not_one_a_day(reigning: Platform) -> None:
    first = ask(reigning, "2013-03-05", "skill is down")
    assert first.status is Status.OK, first.error
    assert first.message == "shadow asked for by monitor: skill is down"
    assert "cooldown of 7 days: the last shadow" in ask(reigning, "2013-03-06", "skill is down").message
    assert ask(reigning, "2013-03-12", "skill is down").status is Status.OK
    noted = reigning.owner().query(NOTED)
    assert [row[:3] for row in noted] == [
        ("monitor", "shadow", True),
        ("monitor", "shadow", False),
        ("monitor", "shadow", True),
    ]
    assert ask(reigning, "2013-03-05", "skill is down").replayed


def test_a_shadow_is_due_a_while_after_the_last_one_or_the_promotion(reigning: Platform) -> None:
    assert ask(reigning, "2013-03-14").message == "the monitors ask for no retrain"
    due = ask(reigning, "2013-03-15")
    assert due.message == (
        "shadow asked for by period: 28 days since the last shadow or promotion, as of 2013-02-16"
    )
    assert ask(reigning, "2013-03-16").message == "the monitors ask for no retrain"
    assert ask(reigning, "2013-04-11").message == "the monitors ask for no retrain"
    assert ask(reigning, "2013-04-12").status is Status.OK
    assert reigning.owner().query(NOTED) == 2 * [("period", "shadow", True, "")]


@pytest.mark.parametrize(
    ("day", "rows", "why"),
    [
        ("2013-02-14", 800, "would learn up to 2013-01-30 00:00, the champion has learnt up to 2013-01-31"),
        (
            "2013-02-18",
            800,
            "to compare on 5 blocks of time unknown to the champion they must be until 2013-02-20",
        ),
        ("2013-03-05", 50, "900 labelled rows since the champion's own, the gate asks for 2000"),
    ],
    ids=["nothing new to learn", "nothing new to be judged by", "few rows"],
)
def test_a_shadow_that_could_show_nothing_is_not_trained(
    reigning: Platform, day: str, rows: int, why: str
) -> None:
    reigning.owner().query("update ledger.batch set rows = %s", (rows,))
    refused = ask(reigning, day, "skill is down")
    assert refused.status is Status.SKIPPED
    assert why in refused.message
    often = with_retrain(shadow_every="1 day")
    due = ask(reigning, "2013-02-18" if rows == 800 else day, project=often)
    assert "a shadow is due and not trained yet: " in due.message
    assert len(reigning.owner().query(NOTED)) == 1  # the calendar says so every day: it is noted once it may


def test_without_a_champion_a_wish_gets_one_line(delivered: Platform) -> None:
    refused = ask(delivered, "2013-03-05", "skill is down")
    assert "there is no champion to train beside: start flights_retrain" in refused.message
    assert ask(delivered, "2013-03-05").message == "the monitors ask for no retrain"


def test_a_champion_of_a_candidate_that_is_gone_has_no_recipe(reigning: Platform) -> None:
    document = FLIGHTS.document()
    rest = {name: each for name, each in document["candidates"].items() if name != "boosting"}
    refused = ask(reigning, "2013-03-05", "skill", Project.model_validate({**document, "candidates": rest}))
    assert "candidate 'boosting' is not in the project file any more" in refused.message


def test_a_shadow_whose_retrain_would_be_refused_is_not_trained(reigning: Platform) -> None:
    assert ask(reigning, "2013-03-03", params={"reason": "new routes"}).status is Status.OK
    assert "cooldown of 7 days: the last retrain" in ask(reigning, "2013-03-05", "skill is down").message
    never = with_retrain(budget=0)
    assert "budget is 0" in ask(reigning, "2013-03-25", "skill", never).message


def test_the_past_asks_for_no_shadow(reigning: Platform) -> None:
    reigning.owner().query(
        """select ledger.ensure_month('ledger.monitor_result', '2013-03-01');
           insert into ledger.monitor_result (project, partition, monitor, status, message)
           values ('flights', '2013-03-20', 'volume', 'ok', '')"""
    )
    assert "2013-03-20 was monitored already" in ask(reigning, "2013-03-15", "skill").message
    assert "not trained yet: 2013-03-20 was monitored already" in ask(reigning, "2013-03-16").message
    assert len(reigning.owner().query(NOTED)) == 1


def worked(platform: Platform, step: str, candidate: str, hours: float) -> None:
    """An attempt that ended just now."""
    task = f"{step}.{candidate}" if candidate else step
    platform.owner().query(
        """insert into ledger.attempt (work, project, step, state, started_at, finished_at, host)
           values (%s, 'flights', %s, 'done', now() - make_interval(mins => %s), now(), '')""",
        (f"flights_x/run/{task}/-1/2", step, round(hours * 60)),
    )


@pytest.mark.parametrize(
    ("budget", "why"),
    [
        ({"budget_hours": 4.5}, "budget of 4.5 hours of training in 30 days: 5.00 are used"),
        ({"budget_money": 15}, "budget of 15 EUR for training in 30 days: 15.00 are used"),
    ],
    ids=["hours", "money"],
)
def test_what_training_and_shadows_used_is_counted(
    reigning: Platform, budget: dict[str, float], why: str
) -> None:
    worked(reigning, "extract", "", 100)  # no training
    worked(reigning, "train", "boosting", 1)  # on two cores
    worked(reigning, "fit_shadow", "boosting", 1)
    project = with_retrain(**budget)
    assert ask(reigning, "2013-03-05", "skill is down", project).status is Status.OK
    worked(reigning, "dataset", "", 1)
    assert why in ask(reigning, "2013-03-15", "skill is down", project).message
    won = {"shadow": [Handover(values={"reason": "it is better", "why_not": ""})]}
    assert why in ask(reigning, "2013-03-16", project=project, inputs=won).message
    person = ask(reigning, "2013-03-16", project=project, params={"reason": "by hand"})
    assert person.status is Status.OK


def test_housekeeping_keeps_what_a_budget_is_counted_from(platform: Platform) -> None:
    for step in ("train", "extract"):
        worked(platform, step, "", 1)
    owner = platform.owner()
    owner.query("update ledger.attempt set started_at = now() - interval '60 days'")
    for days, left in ((30, ["train"]), (-330, [])):
        with owner.transaction() as cursor:
            before = datetime.now(UTC) - timedelta(days=days)
            assert retention.count_attempts(cursor, before) == 1
            retention.delete_attempts(cursor, before)
        assert [step for (step,) in owner.query("select step from ledger.attempt")] == left


@pytest.mark.parametrize(
    ("retrain", "message"),
    [
        ({"budget_hours": 5, "per": "400 days"}, "per is more than 365 days"),
        ({"asks": "never"}, "Input should be 'shadow' or 'page'"),
        ({"confidence": 1}, "less than 1"),
    ],
    ids=["per", "asks", "confidence"],
)
def test_what_cannot_be_is_refused(retrain: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        with_retrain(**retrain)


def test_a_budget_of_money_needs_a_price_list() -> None:
    document = FLIGHTS.document()
    with pytest.raises(ValidationError, match="budget_money needs a price list"):
        Project.model_validate({**document, "retrain": {**document["retrain"], "budget_money": 5}})
