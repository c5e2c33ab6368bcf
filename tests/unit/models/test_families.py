"""Every family on both tasks: it learns, it keeps, it is refused where it is not what was kept."""

import json
import pickle
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mlcycle import models
from mlcycle.domain.examples import Rows
from mlcycle.domain.metrics import rmse, roc_auc
from mlcycle.errors import ConfigError, InputError, IntegrityError
from mlcycle.models.base import Job, Model
from mlcycle.models.registry import check_task
from tests.snapshots import flights, weather

FAMILIES: dict[str, dict[str, dict[str, Any]]] = {
    "rate_table": {
        "classification": {"by": ["carrier", "sched_hour"], "smoothing": 50},
        "regression": {"by": ["origin", "hour_utc"]},
    },
    "hist_gradient_boosting": {
        "classification": {"max_iter": 30, "min_samples_leaf": 100},
        "regression": {"max_iter": 60},
    },
    "linear": {"classification": {}, "regression": {}},
    "naive": {"regression": {"column": "temp"}},
    "random_forest": {
        "classification": {"n_estimators": 15, "max_samples": 0.2},
        "regression": {"n_estimators": 15, "min_samples_leaf": 10, "max_features": 0.7},
    },
    "lightgbm": {
        "classification": {"num_iterations": 30, "num_leaves": 15, "min_data_in_leaf": 100},
        "regression": {"num_iterations": 40, "min_data_in_leaf": 10},
    },
    "deep_cross": {
        "classification": {"epochs": 3, "layers": [32], "batch_size": 512},
        "regression": {"epochs": 10, "layers": [32], "batch_size": 128, "learning_rate": 0.01, "rare": 5},
    },
}
WEIGHTS = {
    "rate_table": "rates.json",
    "hist_gradient_boosting": "model.skops",
    "linear": "coefficients.json",
    "naive": "naive.json",
    "random_forest": "model.skops",
    "lightgbm": "model.txt",
    "deep_cross": "model.onnx",
}
COLUMNS = {
    "classification": (
        ["carrier", "origin", "dest"],
        ["sched_hour", "sched_minute_of_day", "weekday", "distance"],
    ),
    # hour_utc is a number that is taken as a name; wind_gust is mostly missing
    "regression": (["origin", "hour_utc"], ["temp", "dewp", "humid", "wind_speed", "wind_gust", "pressure"]),
}
CASES = [(family, task) for family, tasks in FAMILIES.items() for task in tasks]


def make_job(task: str, report: Any = lambda *_: None) -> Job:
    frame = flights() if task == "classification" else weather()
    categorical, numeric = COLUMNS[task]
    until = pd.Timestamp("2013-02-01" if task == "classification" else "2013-03-15", tz="UTC")
    train = frame[frame.event_time < until]
    later = frame[(frame.event_time >= until) & (frame.event_time < until + pd.Timedelta(days=7))]
    rows = [Rows(part[[*categorical, *numeric]], part["label"].to_numpy(float)) for part in (train, later)]
    return Job(task, categorical, numeric, rows[0], rows[1], 1, report)  # type: ignore[arg-type]


def fit_params(family: str, task: str) -> dict[str, Any]:
    return dict(FAMILIES[family][task])


def _fit(family: str, task: str, **changes: Any) -> Model:
    params = models.parse_params(family, {**fit_params(family, task), **changes})
    return models.family(family).fit(make_job(task), params, family)


@pytest.fixture(scope="module", params=CASES, ids=["-".join(case) for case in CASES])
def fitted(request: pytest.FixtureRequest) -> tuple[str, str, Model]:
    family, task = request.param
    return family, task, _fit(family, task)


def test_it_predicts_later_rows_better_than_the_mean(fitted: tuple[str, str, Model]) -> None:
    family, task, model = fitted
    job = make_job(task)
    predictions = model.predict(job.validation.frame)
    labels = job.validation.labels
    if family == "naive":  # learns no level: another week's mean is nothing to it
        assert np.corrcoef(labels, predictions)[0, 1] > 0.3
    elif task == "classification":
        assert ((predictions > 0) & (predictions < 1)).all()
        assert roc_auc(labels, predictions) > 0.55
    else:
        assert rmse(labels, predictions) < 0.98 * rmse(labels, np.full(len(labels), job.train.labels.mean()))


def test_what_is_loaded_predicts_the_very_same(fitted: tuple[str, str, Model], tmp_path: Path) -> None:
    family, task, model = fitted
    models.save(model, tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {"model.json", WEIGHTS[family]}
    rows = make_job(task).validation.frame
    assert (models.load(tmp_path).predict(rows) == model.predict(rows)).all()


def test_the_same_seed_gives_the_very_same_model(fitted: tuple[str, str, Model]) -> None:
    family, task, model = fitted
    rows = make_job(task).validation.frame
    assert (_fit(family, task).predict(rows) == model.predict(rows)).all()
    if family == "deep_cross":
        assert (_fit(family, task, seed=18).predict(rows) != model.predict(rows)).any()


def test_missing_and_never_seen_values_are_predicted(fitted: tuple[str, str, Model]) -> None:
    _, task, model = fitted
    categorical, numeric = COLUMNS[task]
    rows = (
        make_job(task)
        .validation.frame.head(4)
        .astype(dict.fromkeys(numeric, float))
        .astype(dict.fromkeys(categorical, object))
    )
    rows.iloc[0, :] = None
    rows.iloc[1, : len(categorical)] = "never seen"
    rows.iloc[2, len(categorical) :] = np.inf
    assert np.isfinite(model.predict(rows)).all()


def test_one_row_predicts_as_it_does_among_others(fitted: tuple[str, str, Model]) -> None:
    _, task, model = fitted
    rows = make_job(task).validation.frame.head(50)
    together = model.predict(rows)
    alone = np.concatenate([model.predict(rows.iloc[i : i + 1]) for i in range(50)])
    np.testing.assert_allclose(alone, together, rtol=1e-5)
    assert model.predict(rows.iloc[:0]).shape == (0,)


def test_a_missing_column_is_named(fitted: tuple[str, str, Model]) -> None:
    _, task, model = fitted
    column = model.card.params["by"][0] if "by" in model.card.params else COLUMNS[task][1][0]
    with pytest.raises(InputError, match=f"input column '{column}' is missing"):
        model.predict(make_job(task).validation.frame.drop(columns=column))


@pytest.mark.parametrize("fault", ["truncated", "garbage", "pickle", "swapped", "gone"])
def test_broken_weights_are_refused(fitted: tuple[str, str, Model], tmp_path: Path, fault: str) -> None:
    family, _, model = fitted
    models.save(model, tmp_path)
    weights = tmp_path / WEIGHTS[family]
    data = weights.read_bytes()
    if fault == "truncated":
        weights.write_bytes(data[: len(data) // 2])
    elif fault == "garbage":
        weights.write_bytes(b"\x00" * 100)
    elif fault == "pickle":
        weights.write_bytes(pickle.dumps(_Bomb(tmp_path / "exploded")))
    elif fault == "swapped":
        card = json.loads((tmp_path / "model.json").read_text())
        card["family"] = "deep_cross" if family != "deep_cross" else "hist_gradient_boosting"
        (tmp_path / "model.json").write_text(json.dumps(card))
    else:
        weights.unlink()
    with pytest.raises(IntegrityError):
        models.load(tmp_path)
    assert not (tmp_path / "exploded").exists()


class _Bomb:
    """What runs code when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return Path.touch, (self.path,)


def test_a_skops_file_with_a_foreign_type_is_refused_by_name(tmp_path: Path) -> None:
    import skops.io
    from sklearn.preprocessing import FunctionTransformer

    models.save(_fit("hist_gradient_boosting", "classification", max_iter=1), tmp_path)
    skops.io.dump(FunctionTransformer(shutil.rmtree), tmp_path / "model.skops")
    with pytest.raises(IntegrityError, match=r"holds .*rmtree, which no boosting model has"):
        models.load(tmp_path)


@pytest.mark.parametrize("change", [{"family": "astrology"}, {"more": 1}, {"version": "mlcycle.model/9"}])
def test_a_card_that_is_not_ours_is_refused(tmp_path: Path, change: dict[str, Any]) -> None:
    models.save(_fit("rate_table", "classification"), tmp_path)
    card = json.loads((tmp_path / "model.json").read_text())
    (tmp_path / "model.json").write_text(json.dumps({**card, **change}))
    with pytest.raises(IntegrityError):
        models.load(tmp_path)


def test_an_empty_folder_holds_no_model(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="there is no model in"):
        models.load(tmp_path)


ROUNDS = {
    "rate_table": [1],
    "hist_gradient_boosting": list(range(1, 31)),
    "linear": [1],
    "random_forest": [10, 15],
    "lightgbm": list(range(1, 31)),
    "deep_cross": [1, 2, 3],
}


def test_losses_of_every_round_are_reported() -> None:
    for family, rounds in ROUNDS.items():
        seen: list[tuple[int, int, dict[str, float]]] = []
        params = models.parse_params(family, FAMILIES[family]["classification"])
        models.family(family).fit(
            make_job("classification", lambda *told, seen=seen: seen.append(told)), params, family
        )
        assert [done for done, _, _ in seen] == rounds
        assert seen[-1][0] == seen[-1][1]
        losses = [{name: told[name] for name in told if name.endswith("_loss")} for *_, told in seen]
        assert all(0 < loss < 1 for told in losses for loss in told.values())
        assert set(losses[-1]) == {"train_loss", "validation_loss"}


def test_boosting_stops_early_on_the_later_rows() -> None:
    model = _fit(
        "hist_gradient_boosting",
        "classification",
        max_iter=300,
        learning_rate=0.5,
        early_stopping=True,
        patience=5,
    )
    assert model._estimator.n_iter_ < 100  # type: ignore[attr-defined]


def test_a_rate_is_the_smoothed_mean_by_hand(tmp_path: Path) -> None:
    job = make_job("classification")
    model = _fit("rate_table", "classification", by=["carrier"], smoothing=50)
    chosen = (job.train.frame["carrier"] == "UA").to_numpy()
    labels = job.train.labels
    expected = (labels[chosen].sum() + 50 * labels.mean()) / (chosen.sum() + 50)
    found = model.predict(pd.DataFrame({"carrier": ["UA", "??"]}))
    np.testing.assert_allclose(found, [expected, labels.mean()])
    models.save(model, tmp_path)
    table = json.loads((tmp_path / "rates.json").read_text())
    assert [[["UA"], pytest.approx(expected)]] == [row for row in table["rates"] if row[0] == ["UA"]]


def test_a_naive_forecast_is_the_value_itself_and_the_median_where_there_is_none() -> None:
    job, model = make_job("regression"), _fit("naive", "regression")
    found = model.predict(pd.DataFrame({"temp": [31.5, None, np.inf]}))
    np.testing.assert_array_equal(
        found, [31.5, *[np.sort(job.train.labels)[(len(job.train.labels) - 1) // 2]] * 2]
    )
    with pytest.raises(ConfigError, match="column names 'wind_chill', which is not among"):
        _fit("naive", "regression", column="wind_chill")
    with pytest.raises(ConfigError, match="'naive' predicts numbers: a ranking needs another family"):
        check_task("naive", "ranking")


def test_a_rate_by_a_column_that_is_no_input_is_refused() -> None:
    with pytest.raises(ConfigError, match="by names 'label'"):
        _fit("rate_table", "classification", by=["label"])


WEIGHED = ["rate_table", "hist_gradient_boosting", "linear", "random_forest", "lightgbm"]


@pytest.mark.parametrize("family", WEIGHED)
def test_a_row_is_learnt_as_many_times_as_it_stands_for(family: str) -> None:
    job = make_job("classification")
    frame, labels = job.train.frame, job.train.labels
    stands = np.where(labels > 0.5, 3.0, 1.0)
    rows = Rows(frame, labels, stands / stands.mean())
    params = models.parse_params(family, fit_params(family, "classification"))
    said = models.family(family).fit(replace(job, train=rows, validation=rows), params, family).predict(frame)
    wanted = 3 * labels.mean() / (1 + 2 * labels.mean())
    assert np.average(said, weights=stands) == pytest.approx(wanted, abs=0.06)
    assert wanted > labels.mean() + 0.15
