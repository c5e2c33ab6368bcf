"""From a challenger to a champion: the comparison, the gate, the compare-and-set."""

import dataclasses
import json
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Literal

import pytest

from mlcycle.adapters.tracking.server import Tracking
from mlcycle.adapters.warehouse.connection import Warehouse
from mlcycle.contract import Decision, Handover, Result, Status
from mlcycle.ledger import champion as champions
from tests.conftest import Platform
from tests.snapshots import FEBRUARY, JANUARY, Trained, flights, flights_project

CONSTANT = {"family": "rate_table", "params": {"by": ["weekday"], "smoothing": 1e9}}
CROWD = 50


@pytest.fixture
def trained(platform: Platform, mlflow_url: str) -> Trained:
    project = flights_project()
    candidates = {**project.document()["candidates"], "constant": CONSTANT}
    document = {**project.document(), "candidates": candidates}
    document["gate"] = {**document["gate"], "min_rows": 1000}
    return Trained(platform, type(project).model_validate(document), mlflow_url)


@pytest.fixture
def january(trained: Trained) -> Handover:
    return trained.snapshot(flights(), JANUARY)


@pytest.fixture
def february(trained: Trained) -> Handover:
    return trained.snapshot(flights(), FEBRUARY)


def test_the_first_champion_must_beat_the_zero_rule(trained: Trained, january: Handover) -> None:
    trained.register(january, "constant")
    refused = trained.ok(trained.step("compare"))
    assert refused.values["verdict"] == "refuse"
    assert refused.values["champion_seq"] == 0
    promoted = trained.step("promote", "promote", inputs={"compare": [refused.handover]})
    assert promoted.status is Status.SKIPPED
    assert "zero rule" in promoted.message
    assert trained.rows("select count(*) from ledger.champion where project = %s") == [(0,)]

    trained.register(january, "table")
    compared = trained.ok(trained.step("compare"))
    assert compared.values["verdict"] == "promote"
    assert compared.metrics["gain"] > 0
    champion = trained.ok(trained.step("promote", "promote", inputs={"compare": [compared.handover]}))
    assert champion.values == {"seq": 1, "version": compared.values["challenger"]}


def test_a_better_challenger_takes_over_and_a_worse_one_is_refused(
    trained: Trained, january: Handover, february: Handover
) -> None:
    trained.register(january, "constant")
    with Warehouse(trained.settings("promote")).transaction() as cursor:  # past the gate, to begin with
        champions.crown(
            *(cursor, trained.project.name, 1),
            expected_seq=0,
            action="promote",
            actor="test",
            reason="test",
        )
    trained.register(february, "boosting")
    compared = trained.ok(trained.step("compare"))
    assert (compared.values["champion"], compared.values["champion_seq"]) == (1, 1)
    assert compared.values["verdict"] == "promote"
    ((statistics, reasons),) = trained.rows(
        "select statistics, reasons from ledger.comparison where project = %s"
    )
    assert statistics["gain"] == compared.metrics["gain"] > 0
    assert reasons == compared.values["reasons"]
    assert compared.links["comparison"].startswith("reports/")
    page = trained.artifacts.read(compared.links["comparison"]).decode()
    assert page.count("data:image/png") == 2
    assert "champion version 1" in page
    assert "the zero rule" in page
    taken = trained.ok(trained.step("promote", "promote", inputs={"compare": [compared.handover]}))
    assert taken.values == {"seq": 2, "version": 2}

    march = trained.snapshot(
        flights(),
        {
            "train": ("2013-01-01", "2013-03-01"),
            "validation": ("2013-03-01", "2013-03-08"),
            "holdout": ("2013-03-08", "2013-03-22"),
        },
    )
    trained.register(march, "constant")
    refused = trained.ok(trained.step("compare"))
    assert refused.values["verdict"] == "refuse"
    assert refused.metrics["gain"] < 0
    assert "worse" in refused.values["reasons"][0]  # type: ignore[index]
    skipped = trained.step("promote", "promote", inputs={"compare": [refused.handover]})
    assert skipped.status is Status.SKIPPED
    assert trained.rows("select max(seq) from ledger.champion where project = %s") == [(2,)]


def test_guardrails_are_measured_told_and_refuse(
    trained: Trained, january: Handover, february: Handover
) -> None:
    document = trained.project.document()
    document["gate"]["guardrails"] = {
        "calibration": {"max_error": 0.2},
        "latency": {"max_ms": 60_000, "max_ratio": 1000, "rows": 200},
        "size": {"max_mib": 50},
        "fairness": {"columns": ["origin"], "rate": "selection_rate", "max_difference": 0.9},
    }
    trained.project = type(trained.project).model_validate(document)
    trained.register(january, "table")
    trained.ok(trained.promote())
    trained.register(february, "boosting")
    compared = trained.ok(trained.step("compare"))
    ((kept,),) = trained.rows(
        "select statistics -> 'guardrails' from ledger.comparison where project = %s order by comparison_id desc limit 1"
    )
    assert set(kept) == {"calibration", "latency", "size", "fairness of origin"}
    assert all(each["passed"] for each in kept.values()), kept
    assert all(each["champion"] for each in kept.values()), kept
    page = trained.artifacts.read(compared.links["comparison"]).decode()
    assert page.count("data:image/png") == 5  # two of calibration, one of fairness
    assert "Limits that no gain buys off" in page

    document["gate"]["guardrails"]["size"] = {"max_mib": 0.0001}
    trained.project = type(trained.project).model_validate(document)
    refused = trained.ok(trained.step("compare"))
    assert refused.values["verdict"] == "refuse"
    assert any(str(said).startswith("guardrail size") for said in refused.values["reasons"])  # type: ignore[union-attr]


def test_rows_that_the_champion_was_chosen_on_are_left_out(trained: Trained, january: Handover) -> None:
    trained.register(january, "table")
    trained.ok(trained.promote())
    later = trained.snapshot(
        flights(),
        {
            "train": ("2013-01-01", "2013-01-18"),
            "validation": ("2013-01-18", "2013-01-24"),
            "holdout": ("2013-01-24", "2013-02-07"),
        },
    )
    trained.register(later, "boosting")
    compared = trained.ok(trained.step("compare"))
    said: list[str] = compared.values["reasons"]  # type: ignore[assignment]
    assert any(
        reason.startswith("rows before 2013-01-29 00:00 are left out: champion version 1") for reason in said
    )
    assert any(reason.startswith("these rows are looked at for the first time") for reason in said)
    rows = flights()
    fresh = rows.event_time.between("2013-01-29T00:00Z", "2013-02-07T00:00Z", inclusive="left")
    assert compared.metrics["rows"] == fresh.sum()
    again = trained.ok(trained.step("compare"))
    assert any("looked at for the second time" in reason for reason in again.values["reasons"])  # type: ignore[union-attr]
    ((statistics,),) = trained.rows(
        "select statistics from ledger.comparison where project = %s order by comparison_id limit 1 offset 1"
    )
    assert [each["rival"] for each in statistics["rivals"]] == [
        "champion version 1",
        "the anchor (champion version 1)",
        "the zero rule",
    ]


def test_too_few_rows_beside_the_champion_s_own_are_refused_without_a_look(
    trained: Trained, january: Handover
) -> None:
    trained.register(january, "table")
    trained.ok(trained.promote())
    trained.register(january, "boosting")
    compared = trained.ok(trained.step("compare"))
    assert compared.values["verdict"] == "refuse"
    assert "0 blocks of time remain" in compared.message
    assert "train again once labels are known until 2013-02-03" in compared.message
    assert "gain" not in compared.metrics
    assert (
        trained.step("promote", "promote", inputs={"compare": [compared.handover]}).status is Status.SKIPPED
    )


def test_the_first_champion_is_the_anchor_until_a_model_is_proven_better(
    trained: Trained, january: Handover, february: Handover
) -> None:
    trained.register(january, "table")
    trained.ok(trained.promote())
    assert trained.rows("select version, comparison_id from ledger.anchor where project = %s") == [(1, 1)]
    document = trained.project.document()
    document["gate"] |= {"min_gain": -1.0}  # anything passes: the anchor stays all the same
    trained.project = type(trained.project).model_validate(document)
    trained.register(february, "constant")
    promoted = trained.promote()
    if promoted.status is Status.SKIPPED:  # the zero rule stands in the way of a constant
        assert "zero rule" in promoted.message
    assert trained.rows("select version from ledger.anchor where project = %s") == [(1,)]


def test_the_heuristic_stands_in_the_way_of_what_is_worse(trained: Trained, january: Handover) -> None:
    entries = [trained.ok(trained.train(january, name)).handover for name in ("table", "constant")]
    evaluated = trained.ok(trained.evaluate(january, entries))
    best = {**evaluated.handover.values, "best": entries[1].values}
    handover = evaluated.handover.model_copy(update={"values": best})
    trained.ok(trained.step("register", inputs={"evaluate": [handover]}))
    compared = trained.ok(trained.step("compare"))
    assert compared.values["verdict"] == "refuse"
    assert any("of the heuristic table:" in reason for reason in compared.values["reasons"])  # type: ignore[union-attr]


def test_comparing_the_champion_with_itself_is_nothing_to_do(trained: Trained, january: Handover) -> None:
    trained.register(january, "table")
    trained.ok(trained.promote())
    result = trained.step("compare")
    assert result.status is Status.SKIPPED
    assert "is the champion already" in result.message


def test_comparing_without_a_model_says_what_to_do(trained: Trained) -> None:
    result = trained.step("compare")
    assert result.error is not None
    assert "run its train stage first" in result.error.message


def test_of_fifty_promotions_at_once_one_wins_and_every_loser_is_told(
    trained: Trained, january: Handover
) -> None:
    trained.register(january, "table")
    compared = trained.ok(trained.step("compare"))

    def promote(number: int) -> Result:
        return trained.step(
            "promote", "promote", work=f"crowd-{number}", inputs={"compare": [compared.handover]}
        )

    with ThreadPoolExecutor(CROWD) as crowd:
        results = list(crowd.map(promote, range(CROWD)))
    won = [result for result in results if result.status is Status.OK]
    lost = [result for result in results if result.status is Status.FAILED]
    assert (len(won), len(lost)) == (1, CROWD - 1)
    for result in lost:
        assert result.error is not None
        assert result.error.kind == "conflict"
        assert "number 1, version 1" in result.error.message
    assert trained.rows("select seq, version from ledger.champion where project = %s") == [(1, 1)]
    assert trained.rows(
        "select count(*) from ledger.publication where key = 'outcome' and work like 'crowd-%%' and %s <> ''"
    ) == [(1,)]


def test_a_retry_of_the_winner_promotes_nothing_twice(trained: Trained, january: Handover) -> None:
    trained.register(january, "table")
    compared = trained.ok(trained.step("compare"))
    inputs = {"compare": [compared.handover]}
    first = trained.ok(trained.step("promote", "promote", work="once", inputs=inputs))
    trained.platform.owner().query("update ledger.attempt set state = 'running', result = null")
    again = trained.ok(trained.step("promote", "promote", work="once", inputs=inputs))
    assert again.replayed
    assert again.values == first.values
    assert trained.rows("select count(*) from ledger.champion where project = %s") == [(1,)]


def test_a_stale_comparison_loses(trained: Trained, january: Handover, february: Handover) -> None:
    """Compared with no champion there; by the time of the promotion there is one."""
    trained.register(january, "table")
    early = trained.ok(trained.step("compare"))
    trained.ok(trained.step("promote", "promote", inputs={"compare": [early.handover]}))
    late = trained.step("promote", "promote", inputs={"compare": [early.handover]})
    assert late.error is not None
    assert late.error.kind == "conflict"


def test_a_model_changed_after_registration_is_not_promoted(
    trained: Trained, january: Handover, tmp_path: object
) -> None:
    trained.register(january, "table")
    compared = trained.ok(trained.step("compare"))
    ((uri,),) = trained.rows("select model_uri from ledger.model_version where project = %s")
    client = Tracking(trained.settings(), trained.project.name).client
    path = trained.platform.folder / "rates.json"
    path.write_text(json.dumps({"by": [], "default": 1.0, "rates": []}))
    client.log_model_artifact(uri.removeprefix("models:/"), str(path), "data/model")
    result = trained.step("promote", "promote", inputs={"compare": [compared.handover]})
    assert result.error is not None
    assert result.error.kind == "integrity"
    assert trained.rows("select count(*) from ledger.champion where project = %s") == [(0,)]


def test_mlflow_away_does_not_stop_a_promotion(trained: Trained, january: Handover) -> None:
    trained.register(january, "table")
    compared = trained.ok(trained.step("compare"))
    away = dataclasses.replace(trained, mlflow_url="http://127.0.0.1:9")
    away.ok(away.step("promote", "promote", inputs={"compare": [compared.handover]}))
    late = away.step("reconcile", "promote")
    assert late.error is not None
    assert (late.error.kind, late.error.retryable) == ("unavailable", True)
    trained.ok(trained.step("reconcile", "promote"))
    assert Tracking(trained.settings(), trained.project.name).aliases() == {"champion": 1}


def answer(choice: Literal["approve", "reject"]) -> Decision:
    return Decision(choice=choice, user="ann", user_id="7", at=datetime.now(UTC), reason="seen it")


@pytest.mark.parametrize("decision", ["approve", "reject"])
def test_what_a_person_decided_is_recorded(
    trained: Trained, january: Handover, decision: Literal["approve", "reject"]
) -> None:
    trained.register(january, "table")
    compared = trained.ok(trained.step("compare"))
    result = trained.step(
        "promote",
        "promote",
        inputs={"compare": [compared.handover]},
        decision=answer(decision),
    )
    assert result.status is (Status.OK if decision == "approve" else Status.SKIPPED), result.error
    assert trained.rows(
        "select decision, decided_by, reason, version from ledger.approval where project = %s"
    ) == [(decision, "ann", "seen it", 1)]
    crowned = trained.rows("select actor, reason from ledger.champion where project = %s")
    assert len(crowned) == (decision == "approve")
    if crowned:
        assert crowned[0][0] == "ann"
        assert "seen it" in crowned[0][1]


def test_a_project_that_asks_for_approval_is_not_promoted_without(
    trained: Trained, january: Handover
) -> None:
    document = {**trained.project.document(), "approval": {"required": True}}
    trained.project = type(trained.project).model_validate(document)
    trained.register(january, "table")
    # What run conf could carry before decisions had a field of their own.
    for params in ({}, {"decision": "approve", "decided_by": "mallory"}):
        result = trained.promote(**params)
        assert result.error is not None
        assert result.error.kind == "conflict"
        assert "there is no record of one" in result.error.message
    assert trained.rows("select count(*) from ledger.approval where project = %s") == [(0,)]
    assert trained.rows("select count(*) from ledger.champion where project = %s") == [(0,)]


def test_a_decision_outlives_the_try_that_brought_it(trained: Trained, january: Handover) -> None:
    """The try that was answered died before it promoted; its retry comes without the answer."""
    document = {**trained.project.document(), "approval": {"required": True}}
    trained.project = type(trained.project).model_validate(document)
    trained.register(january, "table")
    inputs = {"compare": [trained.ok(trained.step("compare")).handover]}
    owner = trained.platform.owner()
    owner.query("revoke insert on ledger.champion from mlcycle_promote")
    died = trained.step("promote", "promote", work="once", inputs=inputs, decision=answer("approve"))
    owner.query("grant insert on ledger.champion to mlcycle_promote")
    assert died.status is Status.FAILED
    trained.ok(trained.step("promote", "promote", work="once", inputs=inputs))
    assert trained.rows("select decision, decided_by from ledger.approval where project = %s") == [
        ("approve", "ann")
    ]
    assert trained.rows("select seq, actor from ledger.champion where project = %s") == [(1, "ann")]


@pytest.mark.parametrize("role", ["train", "ingest"])
def test_no_other_role_can_promote(trained: Trained, january: Handover, role: str) -> None:
    trained.register(january, "table")
    result = trained.promote(role=role)
    assert result.error is not None
    assert "permission denied" in result.error.message
