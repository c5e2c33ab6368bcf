"""Models made of models: they learn, they are kept, they honour seeds, weights, lengths and a stop."""

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlcycle import models
from mlcycle.domain.examples import Rows
from mlcycle.domain.folds import KFold, Plan
from mlcycle.domain.metrics import log_loss, rmse, roc_auc
from mlcycle.errors import ConfigError, IntegrityError
from mlcycle.models import boosting, out_of_fold
from mlcycle.models.base import Job, Model
from mlcycle.models.boosting import Boosting
from mlcycle.models.rate_table import RateTable
from tests.unit.models.test_families import COLUMNS, make_job

TREES = {"family": "hist_gradient_boosting", "params": {"max_iter": 25, "max_leaf_nodes": 8}}
LINE = {"family": "linear"}
TABLE = {
    "classification": {"family": "rate_table", "params": {"by": ["carrier", "sched_hour"]}},
    "regression": {"family": "rate_table", "params": {"by": ["origin", "hour_utc"]}},
}


def small(task: str, **changes: Any) -> Job:
    """Every sixth flight: ensembles fit many times."""
    job, each = make_job(task), 6 if task == "classification" else 1
    some = job.train.whole()
    rows = Rows(some.frame.iloc[::each], some.labels[::each])
    return dataclasses.replace(job, train=rows, **changes)


def params_of(family: str, task: str) -> dict[str, Any]:
    two = {"table": TABLE[task], "trees": TREES}
    return {
        "bagging": {"member": TREES, "bags": 3, "sample": 0.7},
        "voting": {"members": two, "weights": {"trees": 2}},
        "stacking": {"members": {**two, "line": LINE}},
    }[family]


def fit(family: str, job: Job, **changes: Any) -> Model:
    params = models.parse_params(family, {**params_of(family, job.task), **changes})
    return models.family(family).fit(job, params, family)


ENSEMBLES = ["bagging", "voting", "stacking"]


@pytest.fixture(scope="module", params=[(e, t) for e in ENSEMBLES for t in COLUMNS], ids="-".join)
def fitted(request: pytest.FixtureRequest) -> tuple[str, Job, Model]:
    family, task = request.param
    job = small(task)
    return family, job, fit(family, job)


def test_it_predicts_later_rows_better_than_the_mean(fitted: tuple[str, Job, Model]) -> None:
    _, job, model = fitted
    rows = job.validation.whole()
    said = model.predict(rows.frame)
    if job.task == "classification":
        assert roc_auc(rows.labels, said) > 0.55
    else:
        mean = np.full(rows.count, job.train.whole().labels.mean())
        assert rmse(rows.labels, said) < 0.98 * rmse(rows.labels, mean)


def test_what_is_loaded_predicts_the_very_same(fitted: tuple[str, Job, Model], tmp_path: Path) -> None:
    family, job, model = fitted
    models.save(model, tmp_path)
    rows = job.validation.whole().frame
    assert (models.load(tmp_path).predict(rows) == model.predict(rows)).all()
    files = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*") if path.is_file()}
    assert "model.json" in files
    assert all(name == "model.json" or name.startswith("members/") for name in files)
    assert {"scikit-learn", "skops"} <= set(model.requires)
    assert model.predict(rows.iloc[:0]).shape == (0,)
    assert family == models.load(tmp_path).card.family


def test_the_same_seed_gives_the_very_same_model(fitted: tuple[str, Job, Model]) -> None:
    family, job, model = fitted
    rows = job.validation.whole().frame
    assert (fit(family, job).predict(rows) == model.predict(rows)).all()


def test_a_member_that_is_gone_or_another_one_is_refused(
    fitted: tuple[str, Job, Model], tmp_path: Path
) -> None:
    _, _, model = fitted
    models.save(model, tmp_path)
    first, *_, last = sorted((tmp_path / "members").iterdir())
    card = json.loads((last / "model.json").read_text())
    (last / "model.json").write_text(
        json.dumps({**card, "task": "regression" if card["task"] != "regression" else "classification"})
    )
    with pytest.raises(IntegrityError, match="the ensemble's card says"):
        models.load(tmp_path)
    models.save(model, tmp_path)
    shutil.rmtree(first)
    with pytest.raises(IntegrityError, match=f"member '{first.name}' of the ensemble: there is no model"):
        models.load(tmp_path)


def test_a_vote_is_the_weighted_mean_of_its_members() -> None:
    job = small("classification")
    model = fit("voting", job)
    rows = job.validation.whole().frame
    said = {name: member.predict(rows) for name, member in model.members.items()}  # type: ignore[attr-defined]
    np.testing.assert_allclose(model.predict(rows), (said["table"] + 2 * said["trees"]) / 3)


def test_a_bag_is_fitted_on_its_own_rows(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Rows] = []
    told = Boosting.fit.__func__  # type: ignore[attr-defined]

    def watched(cls: Any, job: Job, *args: Any) -> Any:
        seen.append(job.train.whole())
        return told(cls, job, *args)

    monkeypatch.setattr(Boosting, "fit", classmethod(watched))
    job = small("classification")
    weights = np.linspace(0.5, 1.5, job.train.count)
    job = dataclasses.replace(job, train=dataclasses.replace(job.train.whole(), weights=weights))
    fit("bagging", job)
    whole = job.train.whole()
    at = {index: i for i, index in enumerate(whole.frame.index)}
    assert len(seen) == 3
    for rows in seen:
        assert rows.count == round(0.7 * whole.count)
        positions = np.array([at[index] for index in rows.frame.index])
        assert (np.diff(positions) >= 0).all()  # in order of time still
        assert len(np.unique(positions)) < len(positions)  # with replacement
        np.testing.assert_array_equal(rows.labels, whole.labels[positions])
        assert rows.weights is not None
        np.testing.assert_allclose(rows.weights, weights[positions] / weights[positions].mean())
    assert not np.array_equal(seen[0].frame.index, seen[1].frame.index)


def test_stacking_learns_from_predictions_of_rows_not_learnt() -> None:
    """A member that knows its training rows by heart and nothing else is not believed."""
    random = np.random.default_rng(3)
    job = small("classification")
    some = job.train.whole()
    frame = some.frame.assign(distance=np.arange(some.count) + random.random(some.count))
    job = dataclasses.replace(job, train=Rows(frame, some.labels), folds=Plan(KFold(4)))
    by_heart = {
        "family": "random_forest",
        "params": {"n_estimators": 10, "min_samples_leaf": 1, "max_samples": 1.0},
    }
    model = fit("stacking", job, members={"heart": by_heart, "table": TABLE["classification"]})
    heart, final = model.members["heart"], model.members["final"]  # type: ignore[attr-defined]
    assert log_loss(some.labels, np.clip(heart.predict(frame), 0.01, 0.99)) < 0.6 * log_loss(
        some.labels, np.full(some.count, some.labels.mean())
    )
    numbers = dict(zip(["heart", "table"], final._coefficients[0].numbers, strict=True))
    assert numbers["heart"] < numbers["table"]


def test_folds_fit_everything_on_their_own_rows_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """What is learnt of a category, too: one that only the predicted rows have is never seen."""
    cards = []
    told = RateTable.fit.__func__  # type: ignore[attr-defined]

    def watched(cls: Any, *args: Any) -> Any:
        model = told(cls, *args)
        cards.append(model.card)
        return model

    monkeypatch.setattr(RateTable, "fit", classmethod(watched))
    job = small("classification", folds=Plan(KFold(2, seed=0)))
    rows = job.train.whole()
    fold = Plan(KFold(2, seed=0)).of(rows, classes=True)[0]
    carrier = rows.frame["carrier"].to_numpy(dtype=object).copy()
    carrier[fold.test[:50]] = "only here"
    job = dataclasses.replace(job, train=Rows(rows.frame.assign(carrier=carrier), rows.labels))
    params = models.parse_params("rate_table", TABLE["classification"]["params"])  # type: ignore[arg-type]
    found = out_of_fold.out_of_fold(job, params, "rate_table")
    assert len(found.covered) == rows.count
    assert ["only here" in card.encoder.categories["carrier"] for card in cards] == [False, True]
    by_hand = RateTable.fit(
        dataclasses.replace(job, train=out_of_fold.at(job.train.whole(), fold.train)), params, "rate_table"
    )  # type: ignore[arg-type]
    wanted = by_hand.predict(job.train.whole().frame.iloc[fold.test])
    np.testing.assert_array_equal(found.predictions[fold.test], wanted)


class Killed(BaseException):
    """As a signal does."""


@pytest.mark.parametrize("family", ENSEMBLES)
def test_a_retry_fits_only_what_the_dead_attempt_had_not(
    family: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = small("classification")
    undisturbed = fit(family, job).predict(job.validation.whole().frame)
    count, dies_at = 0, [2]
    told = Boosting.fit.__func__  # type: ignore[attr-defined]

    def dying(cls: Any, *args: Any) -> Any:
        nonlocal count
        count += 1
        if count in dies_at:
            raise Killed
        return told(cls, *args)

    monkeypatch.setattr(Boosting, "fit", classmethod(dying))
    kept = dataclasses.replace(job, checkpoints=tmp_path)
    if family == "voting":
        dies_at = [1]
    with pytest.raises(Killed):
        fit(family, kept)
    fits = {"bagging": 3, "voting": 1, "stacking": 6}[family]  # of the trees
    again = fit(family, kept).predict(job.validation.whole().frame)
    assert count == fits + 1  # each once, and the one that was killed
    np.testing.assert_array_equal(again, undisturbed)
    fit(family, kept)
    assert count == fits + 1  # all of it is there


@pytest.mark.parametrize("family", ENSEMBLES)
def test_a_fit_as_long_as_an_earlier_one_does_not_look_at_validation(family: str) -> None:
    stops = {
        "family": "hist_gradient_boosting",
        "params": {"max_iter": 200, "learning_rate": 0.7, "early_stopping": True, "patience": 2},
    }
    changes: dict[str, Any] = {"members": {"table": TABLE["classification"], "trees": stops}}
    if family == "bagging":
        changes = {"member": stops, "bags": 2}
    if family == "voting":
        changes["weights"] = {}
    job = small("classification")
    first = fit(family, job, **changes)
    rounds = first.card.member_rounds
    assert 0 < first.card.rounds == max(rounds.values()) < 200
    garbage = Rows(
        job.validation.whole().frame, np.random.default_rng(0).integers(0, 2, job.validation.count) * 1.0
    )
    length = {"rounds": first.card.rounds, "member_rounds": rounds}
    again = fit(family, dataclasses.replace(job, validation=garbage, **length), **changes)
    assert again.card.member_rounds == rounds
    rows = job.validation.whole().frame
    np.testing.assert_array_equal(again.predict(rows), first.predict(rows))


def test_once_stopped_every_member_stops(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(boosting, "ROUNDS", 1)
    asked: list[dict[str, float]] = []

    def stop(done: int, of: int, losses: dict[str, float]) -> bool:
        asked.append(losses)
        return len(asked) == 1  # said once

    job = small("classification", report=stop)
    model = fit("bagging", job)
    assert [m.card.rounds for m in model.members.values()] == [1, 1, 1]  # type: ignore[attr-defined]


def test_ensembles_of_ensembles_and_no_deeper() -> None:
    inner = {"family": "voting", "params": {"members": {"a": LINE, "b": TABLE["classification"]}}}
    job = small("classification")
    model = fit("bagging", job, member=inner, bags=2)
    assert set(model.card.member_rounds) == {"bag_0", "bag_0.a", "bag_0.b", "bag_1", "bag_1.a", "bag_1.b"}
    assert np.isfinite(model.predict(job.validation.whole().frame)).all()
    deep = {"family": "bagging", "params": {"member": inner}}
    with pytest.raises(ConfigError, match="an ensemble 3 deep"):
        models.parse_params("bagging", {"member": deep})


@pytest.mark.parametrize(
    ("family", "given", "says"),
    [
        ("voting", {"members": {"a": LINE}}, "members: needs 2 at the least"),
        ("voting", {"members": {"a": LINE, "b": LINE}, "weights": {"c": 1}}, "weights names 'c'"),
        ("voting", {"members": {"a": LINE, "b": LINE}, "weights": {"a": 0}}, "weights are above 0"),
        ("stacking", {"members": {"a": LINE, "final": LINE}}, "called 'final'"),
        ("stacking", {"members": {"a": LINE, "../b": LINE}}, "is not a name"),
        ("bagging", {"member": {"family": "astrology"}}, "no model family 'astrology'"),
        ("bagging", {"member": {"family": "linear", "params": {"l3": 1}}}, "no parameter 'l3'"),
        ("bagging", {"member": LINE, "bags": 1}, "bags: 1 is below 2"),
    ],
    ids=["one", "weight", "nought", "final", "name", "family", "parameter", "bags"],
)
def test_nonsense_is_refused_in_one_line(family: str, given: dict[str, Any], says: str) -> None:
    with pytest.raises(ConfigError, match=says) as refused:
        models.parse_params(family, given)
    assert "\n" not in refused.value.message


def test_rows_count_as_many_times_as_they_stand_for() -> None:
    job = small("classification")
    rows = job.train.whole()
    stands = np.where(rows.labels > 0.5, 3.0, 1.0)
    weighed = Rows(rows.frame, rows.labels, stands / stands.mean())
    wanted = 3 * rows.labels.mean() / (1 + 2 * rows.labels.mean())
    for family in ENSEMBLES:
        said = fit(family, dataclasses.replace(job, train=weighed)).predict(rows.frame)
        assert np.average(said, weights=stands) == pytest.approx(wanted, abs=0.08)
