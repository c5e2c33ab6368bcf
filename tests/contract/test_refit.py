"""What passed the gate is trained again on all rows, and that is what is served."""

import pytest

from mlcycle.contract import Handover, Result, Status
from mlcycle.ledger.models import learnt_until
from tests.conftest import Platform
from tests.snapshots import FEBRUARY, JANUARY, Trained, flights, flights_project


@pytest.fixture
def trained(platform: Platform, mlflow_url: str) -> Trained:
    document = flights_project().document()
    document["gate"] |= {"min_rows": 1000, "confidence": 0.6}
    return Trained(platform, type(flights_project()).model_validate(document), mlflow_url)


def refit(trained: Trained, compared: Result, candidate: str, work: str = "") -> Result:
    inputs = {"compare": [compared.handover]}
    return trained.step("refit", work=work, inputs=inputs, params={"candidate": candidate})


def promote(trained: Trained, compared: Result, *refits: Result) -> Result:
    handed = {"compare": [compared.handover], "refit": [result.handover for result in refits]}
    return trained.step("promote", "promote", inputs=handed)


def test_the_winner_is_trained_again_on_every_row_and_served(trained: Trained) -> None:
    january: Handover = trained.snapshot(flights(), JANUARY)
    trained.register(january, "boosting")
    compared = trained.ok(trained.step("compare"))
    assert compared.values["verdict"] == "promote", compared.message
    other = trained.ok(refit(trained, compared, "table"))
    assert "version 1 is of boosting" in other.message
    done = trained.ok(refit(trained, compared, "boosting", "once"))
    rows = flights().event_time.between("2013-01-01T00:00Z", "2013-01-29T00:00Z", inclusive="left").sum()
    assert done.values == {"version": 2, "judged": 1, "rows": rows}
    assert "judged was version 1; served will be version 2" in done.message

    trained.platform.owner().query("update ledger.attempt set state = 'running', result = null")
    again = trained.ok(refit(trained, compared, "boosting", "once"))
    assert again.replayed
    assert trained.rows("select version, judged from ledger.model_version where project = %s order by 1") == [
        (1, None),
        (2, 1),
    ]

    promoted = trained.ok(promote(trained, compared, other, done))
    assert promoted.values == {"seq": 1, "version": 2}
    assert "judged was version 1, served is its refit" in promoted.message
    assert trained.rows("select version from ledger.anchor where project = %s") == [(1,)]
    with trained.platform.owner().transaction() as cursor:
        ends = learnt_until(cursor, trained.project.name, [1, 2])
    assert {version: str(end.date()) for version, end in ends.items()} == {1: "2013-01-20", 2: "2013-01-29"}

    # The next challenger meets what was judged, on rows that the refit has not learnt either.
    assert trained.step("compare").status is Status.SKIPPED
    trained.register(trained.snapshot(flights(), FEBRUARY), "boosting")
    met = trained.ok(trained.step("compare"))
    assert (met.values["champion"], met.values["champion_seq"]) == (2, 1)
    assert any("champion version 2 as it was judged, version 1" in said for said in met.values["reasons"])  # type: ignore[union-attr]


def test_what_the_gate_refused_is_not_trained_again(trained: Trained) -> None:
    document = trained.project.document()
    document["gate"] |= {"min_rows": 10**6}
    trained.project = type(trained.project).model_validate(document)
    trained.register(trained.snapshot(flights(), JANUARY), "table")
    compared = trained.ok(trained.step("compare"))
    done = trained.ok(refit(trained, compared, "table"))
    assert "the gate refused version 1" in done.message
    assert promote(trained, compared, done).status is Status.SKIPPED
    assert trained.rows("select count(*) from ledger.model_version where project = %s") == [(1,)]


def test_a_project_may_serve_what_was_judged(trained: Trained) -> None:
    document = trained.project.document()
    document["gate"] |= {"refit": False}
    trained.project = type(trained.project).model_validate(document)
    trained.register(trained.snapshot(flights(), JANUARY), "table")
    compared = trained.ok(trained.step("compare"))
    done = trained.ok(refit(trained, compared, "table"))
    assert "served as it was judged" in done.message
    assert trained.ok(promote(trained, compared, done)).values == {"seq": 1, "version": 1}
