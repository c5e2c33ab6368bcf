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

    trained.register(january, "boosting")
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
    taken = trained.ok(trained.step("promote", "promote", inputs={"compare": [compared.handover]}))
    assert taken.values == {"seq": 2, "version": 2}

    trained.register(february, "constant")
    refused = trained.ok(trained.step("compare"))
    assert refused.values["verdict"] == "refuse"
    assert refused.metrics["gain"] < 0
    assert "worse" in refused.values["reasons"][0]  # type: ignore[index]
    skipped = trained.step("promote", "promote", inputs={"compare": [refused.handover]})
    assert skipped.status is Status.SKIPPED
    assert trained.rows("select max(seq) from ledger.champion where project = %s") == [(2,)]


def test_both_models_predict_the_same_rows_and_an_overlap_is_said(
    trained: Trained, january: Handover
) -> None:
    trained.register(january, "table")
    trained.ok(trained.promote())
    early = trained.snapshot(
        flights(),
        {
            "train": ("2013-01-01", "2013-01-07"),
            "validation": ("2013-01-07", "2013-01-09"),
            "holdout": ("2013-01-09", "2013-01-19"),
        },
    )
    trained.register(early, "boosting")
    compared = trained.ok(trained.step("compare"))
    said = [reason for reason in compared.values["reasons"] if "the comparison favours it" in reason]  # type: ignore[union-attr]
    assert len(said) == 1
    assert "2013-01-20" in said[0]


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
