"""A shadow of the champion on real rows: when it wins, when not, and that nothing of it is ever served."""

import pandas as pd
import pytest

from mlcycle.contract import Handover, PartitionRange, Result, Status
from mlcycle.project import Project
from tests.conftest import Platform
from tests.snapshots import FLIGHT_CANDIDATES, JANUARY, Trained, flights, flights_project

MARCH = {
    "train": ("2013-01-01", "2013-03-01"),
    "validation": ("2013-03-01", "2013-03-08"),
    "holdout": ("2013-03-09", "2013-03-23"),
}
#: What the champion of January has learnt, as a shadow would: of both splits.
CHAMPIONS_ROWS = {"train": ("2013-01-01", "2013-01-08"), "validation": ("2013-01-08", "2013-01-15")}
DAY = PartitionRange(first="2013-03-23", last="2013-03-23")
REGISTERED = "select (select count(*) from ledger.model_version v where v.project = p.name), (select count(*) from ledger.champion c where c.project = p.name), (select count(*) from ledger.comparison c where c.project = p.name) from (select %s as name) p"


def changed(project: Project, **parts: dict[str, object]) -> Project:
    document = project.document()
    for name, part in parts.items():
        document[name] = {**document[name], **part}
    return Project.model_validate(document)


@pytest.fixture
def trained(platform: Platform, mlflow_url: str) -> Trained:
    project = changed(flights_project(), gate={"min_rows": 1000, "confidence": 0.6, "refit": False})
    return Trained(platform, project, mlflow_url)


@pytest.fixture
def reigning(trained: Trained) -> Trained:
    """With a champion of the first half of January."""
    trained.register(trained.snapshot(flights(), JANUARY), "boosting")
    trained.ok(trained.promote())
    return trained


def another_world() -> pd.DataFrame:
    """The flights, of which from February on those of half of the carriers are late where they were not."""
    found = flights().copy()
    turned = (found["event_time"] >= "2013-02-01T00:00Z") & found["carrier"].isin(["UA", "B6", "EV"])
    found.loc[turned, "label"] = 1 - found.loc[turned, "label"]
    return found


def fit(trained: Trained, dataset: Handover, candidate: str = "boosting", work: str = "") -> Result:
    return trained.step(
        "fit_shadow", work=work, inputs={"dataset": [dataset]}, params={"candidate": candidate}
    )


def compared(trained: Trained, dataset: Handover, *fits: Result, work: str = "") -> Result:
    handed = {"dataset": [dataset], "fit_shadow": [each.handover for each in fits]}
    return trained.step("shadow", work=work, inputs=handed)


def ask(trained: Trained, shadow: Result) -> Result:
    return trained.step("request_retrain", partitions=DAY, inputs={"shadow": [shadow.handover]})


def test_a_shadow_of_fresh_data_wins_and_asks_and_nothing_of_it_is_registered(reigning: Trained) -> None:
    before = reigning.rows(REGISTERED)
    march = reigning.snapshot(another_world(), MARCH)
    other = reigning.ok(fit(reigning, march, "table"))
    assert "nothing to do for table: the champion is of boosting" in other.message
    done = reigning.ok(fit(reigning, march, work="fit once"))
    assert done.values["learnt_until"] == "2013-03-08T00:00:00+00:00"
    told = reigning.ok(compared(reigning, march, other, done, work="compare once"))
    assert told.metrics["gain"] > 0
    assert told.metrics["confidence"] > 0.975
    assert told.values["why_not"] == ""
    assert "trained on data up to 2013-03-08 00:00 it is better by" in str(told.values["reason"])

    # Killed after they had published, and run again: the same answers, no second training.
    reigning.platform.owner().query("update ledger.attempt set state = 'running', result = null")
    assert reigning.ok(fit(reigning, march, work="fit once")).values == done.values
    assert reigning.ok(compared(reigning, march, other, done, work="compare once")).values == told.values

    asked = reigning.ok(ask(reigning, told))
    assert asked.values["reason"] == told.values["reason"]
    noted = "select source, wants, accepted, reason from ledger.retrain_request where project = %s"
    assert reigning.rows(noted) == [("shadow", "retrain", True, told.values["reason"])]
    assert reigning.rows(REGISTERED) == before
    assert "champion already" in reigning.step("compare").message  # the newest version is the champion still


def test_a_shadow_that_is_no_better_asks_for_nothing_and_says_why(reigning: Trained) -> None:
    march = reigning.snapshot(flights(), {**CHAMPIONS_ROWS, "holdout": MARCH["holdout"]})
    done = reigning.ok(fit(reigning, march))
    told = reigning.ok(compared(reigning, march, done))
    assert abs(told.metrics["gain"]) < 1e-9  # the champion's rows and its rounds: the champion
    asked = ask(reigning, told)
    assert asked.status is Status.SKIPPED
    assert "95.0% is asked for" in asked.message
    noted = "select source, accepted, refused_because from ledger.retrain_request where project = %s"
    assert reigning.rows(noted) == [("shadow", False, told.values["why_not"])]


def test_rows_that_the_champion_was_chosen_on_tell_nothing(reigning: Trained) -> None:
    late = {"train": ("2013-01-01", "2013-01-12"), "validation": ("2013-01-12", "2013-01-18")}
    january = reigning.snapshot(another_world(), {**late, "holdout": ("2013-01-19", "2013-02-02")})
    told = reigning.ok(compared(reigning, january, reigning.ok(fit(reigning, january))))
    assert "in 4 blocks of time that the champion has not seen" in str(told.values["why_not"])
    assert ask(reigning, told).status is Status.SKIPPED


def test_without_a_champion_or_its_candidate_there_is_one_line(trained: Trained) -> None:
    march = trained.snapshot(flights(), MARCH)
    nobody = fit(trained, march)
    assert nobody.status is Status.SKIPPED
    assert "has no champion to train beside: start" in nobody.message
    trained.register(trained.snapshot(flights(), JANUARY), "boosting")
    trained.ok(trained.promote())
    rest = {name: each for name, each in FLIGHT_CANDIDATES.items() if name != "boosting"}
    trained.project = Project.model_validate({**trained.project.document(), "candidates": rest})
    gone = fit(trained, march, "table")
    assert gone.status is Status.SKIPPED
    assert "candidate 'boosting' is not in the project file any more" in gone.message


def test_the_recipe_is_the_champions_and_not_todays(reigning: Trained) -> None:
    """Parameters that were changed since are of a model that nobody judged yet: that is training's matter."""
    other = {**FLIGHT_CANDIDATES["boosting"], "params": {"learning_rate": 0.0001}}
    document = reigning.project.document()
    reigning.project = Project.model_validate(
        {**document, "candidates": {**FLIGHT_CANDIDATES, "boosting": other}}
    )
    march = reigning.snapshot(flights(), {**CHAMPIONS_ROWS, "holdout": MARCH["holdout"]})
    told = reigning.ok(compared(reigning, march, reigning.ok(fit(reigning, march))))
    assert abs(told.metrics["gain"]) < 1e-9  # at the other rate it would have learnt nothing


def test_a_table_by_rate_is_a_recipe_too(trained: Trained) -> None:
    trained.register(trained.snapshot(flights(), JANUARY), "table")
    trained.ok(trained.promote())
    march = trained.snapshot(another_world(), MARCH)
    done = trained.ok(fit(trained, march, "table"))
    assert done.values["learnt_until"] == "2013-03-01T00:00:00+00:00"  # it tells no rounds: the train split
    assert trained.ok(compared(trained, march, done)).values["why_not"] == ""


def test_a_champion_crowned_meanwhile_is_not_judged_by_another_ones_shadow(reigning: Trained) -> None:
    march = reigning.snapshot(another_world(), MARCH)
    done = reigning.ok(fit(reigning, march))
    reigning.platform.owner().query(
        """insert into ledger.champion (project, seq, version, action, actor, reason)
           values (%s, 2, 1, 'rollback', 'test', '')""",
        (reigning.project.name,),
    )
    told = compared(reigning, march, done)
    assert told.status is Status.SKIPPED
    assert "champion number 1, beside which this was trained, is it no more" in told.message
