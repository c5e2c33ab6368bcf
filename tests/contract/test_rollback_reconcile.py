"""Rolling back by one more row of history, and MLflow's aliases following the ledger."""

import dataclasses

import pytest

from mlcycle.adapters.tracking.server import Tracking
from mlcycle.adapters.warehouse.connection import Warehouse
from mlcycle.contract import Status
from mlcycle.errors import Conflict
from mlcycle.ledger import champion as champions
from tests.conftest import Platform
from tests.snapshots import JANUARY, Trained, flights, flights_project


@pytest.fixture
def trained(platform: Platform, mlflow_url: str) -> Trained:
    """A project with versions 1 and 2, both of which have been champion."""
    trained = Trained(platform, flights_project(), mlflow_url)
    for seen in (0, 1):
        january = trained.snapshot(flights(), JANUARY)  # of a digest of its own: else it is version 1 again
        version = trained.register(january, "table").values["version"]
        _crown(trained, int(str(version)), seen)
    return trained


def _crown(trained: Trained, version: int, seen: int) -> int:
    with Warehouse(trained.settings("promote")).transaction() as cursor:
        return champions.crown(
            cursor,
            trained.project.name,
            version,
            expected_seq=seen,
            action="promote",
            actor="test",
            reason="test",
        )


def _history(trained: Trained) -> list[tuple[int, int, str]]:
    return trained.rows(  # type: ignore[return-value]
        "select seq, version, action from ledger.champion where project = %s order by seq"
    )


def _aliases(trained: Trained) -> dict[str, int]:
    return Tracking(trained.settings(), trained.project.name).aliases()


def test_a_rollback_adds_to_the_history_and_rewrites_nothing(trained: Trained) -> None:
    before = trained.rows("select * from ledger.champion where project = %s order by seq")
    result = trained.ok(trained.step("rollback", "promote", params={"reason": "too many complaints"}))
    assert result.values == {"seq": 3, "version": 1}
    after = trained.rows("select * from ledger.champion where project = %s order by seq")
    assert after[:2] == before
    assert _history(trained)[-1] == (3, 1, "rollback")
    assert trained.rows("select reason from ledger.champion where seq = 3 and project = %s") == [
        ("too many complaints",)
    ]
    # And back again: the version before this one is 2.
    assert trained.ok(trained.step("rollback", "promote")).values == {"seq": 4, "version": 2}


def test_a_rollback_goes_to_the_number_asked_for(trained: Trained) -> None:
    result = trained.ok(trained.step("rollback", "promote", params={"to": 1}))
    assert result.values == {"seq": 3, "version": 1}
    same = trained.step("rollback", "promote", params={"to": "3"})
    assert same.status is Status.SKIPPED
    for wrong, says in (("9", "it goes from 1 to 3"), ("last", "not a number")):
        refused = trained.step("rollback", "promote", params={"to": wrong})
        assert refused.error is not None
        assert says in refused.error.message
    assert len(_history(trained)) == 3


def test_a_retry_rolls_back_once(trained: Trained) -> None:
    first = trained.ok(trained.step("rollback", "promote", work="once"))
    trained.platform.owner().query("update ledger.attempt set state = 'running', result = null")
    again = trained.ok(trained.step("rollback", "promote", work="once"))
    assert again.replayed
    assert again.values == first.values
    assert len(_history(trained)) == 3


def test_a_rollback_goes_on_while_mlflow_is_away(trained: Trained) -> None:
    away = dataclasses.replace(trained, mlflow_url="http://127.0.0.1:9")
    assert away.ok(away.step("rollback", "promote")).values == {"seq": 3, "version": 1}


def test_nothing_to_roll_back_to_is_said(platform: Platform, mlflow_url: str) -> None:
    trained = Trained(platform, flights_project(), mlflow_url)
    result = trained.step("rollback", "promote")
    assert result.error is not None
    assert "has no champion yet" in result.error.message


def test_a_crown_on_a_history_that_moved_on_names_the_winner(trained: Trained) -> None:
    for seen in (0, 1, 5):  # behind, behind by one, and ahead of the history: no gap is left either
        with pytest.raises(Conflict, match="number 2, version 2"):
            _crown(trained, 1, seen)
    assert [seq for seq, _, _ in _history(trained)] == [1, 2]


def test_the_aliases_follow_the_ledger_however_wrong_they_are(trained: Trained) -> None:
    trained.ok(trained.step("reconcile", "promote"))
    assert _aliases(trained) == {"champion": 2, "previous": 1}
    trained.ok(trained.step("rollback", "promote"))
    trained.ok(trained.step("reconcile", "promote"))
    assert _aliases(trained) == {"champion": 1, "previous": 2}
    Tracking(trained.settings(), trained.project.name).set_alias("champion", 2)  # somebody's hand
    changed = trained.ok(trained.step("reconcile", "promote"))
    assert changed.values["changed"] == ["champion -> 1"]
    assert _aliases(trained) == {"champion": 1, "previous": 2}
    again = trained.ok(trained.step("reconcile", "promote"))
    assert again.values["changed"] == []


def test_without_a_champion_there_is_nothing_to_reconcile(platform: Platform, mlflow_url: str) -> None:
    result = Trained(platform, flights_project(), mlflow_url).step("reconcile", "promote")
    assert result.status is Status.SKIPPED
