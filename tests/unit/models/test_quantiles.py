"""Families that learn quantiles: better than the training's, in order, the median served, through their files."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from scipy import sparse
from sklearn.linear_model import QuantileRegressor

from mlcycle import models
from mlcycle.domain.evaluation.conformal import Shifts
from mlcycle.domain.metrics import pinball
from mlcycle.domain.quantiles import of_labels, point, values_of
from mlcycle.domain.tasks import task_of
from mlcycle.errors import ConfigError, InputError, IntegrityError
from mlcycle.models import boosting, kept, lightgbm
from mlcycle.models.base import Job, Model
from mlcycle.models.conformal import FILE, Conformal
from mlcycle.models.export.forms import onnx_of
from mlcycle.models.export.graphs import NotConverted
from mlcycle.models.linear_quantiles import fit as fit_line
from mlcycle.models.out_of_fold import out_of_fold
from mlcycle.models.quantile_models import said
from mlcycle.models.rate_table import _by_group
from mlcycle.models.registry import QUANTILES, check_task, families, family
from tests.table_job import PARAMS, job

LEVELS = (0.1, 0.5, 0.9)
SMALL: dict[str, dict[str, Any]] = {
    "rate_table": {"by": ["city"]},
    "linear": {},
    "hist_gradient_boosting": {"max_iter": 15, "min_samples_leaf": 40, "max_leaf_nodes": 7},
    "lightgbm": {"num_iterations": 15, "min_data_in_leaf": 40, "num_leaves": 7},
    "mlp": PARAMS,
    "wide_and_deep": PARAMS,
    "deep_cross": PARAMS,
    "dlrm": PARAMS,
}
EACH = pytest.mark.parametrize("name", SMALL)


def fitted(name: str, on: Job, **changes: Any) -> Model:
    params = models.parse_params(name, {**SMALL[name], **changes})
    return models.family(name).fit(on, params, name)


@EACH
def test_it_says_later_rows_quantiles_better_than_the_trainings(name: str, tmp_path: Path) -> None:
    told: list[tuple[int, int, dict[str, float]]] = []
    on = job("regression", lambda *each: told.append(each), quantiles=LEVELS, weighted=True)
    model, later = fitted(name, on), on.validation.whole()
    found = said(model, later.frame, LEVELS)
    assert found.shape == (later.count, 3, 2)
    assert (np.diff(values_of(found), axis=1) >= 0).all()
    zero = task_of("regression").without_model(on.train.whole().labels, later.count, quantiles=LEVELS)
    assert pinball(later.labels, found) < 0.95 * pinball(later.labels, zero)
    assert 0.6 < task_of("regression").readings(later.labels, found)["coverage_80"] < 0.95  # type: ignore[operator]
    assert np.array_equal(model.predict(later.frame), point(found))
    rounds = [each for each in told if each[2]]
    assert [done for done, _, _ in rounds] == list(range(1, rounds[-1][1] + 1))
    assert rounds[-1][2]["validation_loss"] == pytest.approx(pinball(later.labels, found), abs=0.1)

    models.save(model, tmp_path)
    again = models.load(tmp_path)
    assert again.card.quantiles == list(LEVELS)
    assert np.array_equal(said(again, later.frame, LEVELS), found)
    assert said(again, later.frame.iloc[:0], LEVELS).shape == (0, 3, 2)
    assert again.predict(later.frame.iloc[:0]).shape == (0,)
    with pytest.raises(NotConverted, match="models of quantiles are not converted"):
        onnx_of(again)


@pytest.mark.parametrize("name", ["hist_gradient_boosting", "lightgbm"])
def test_a_refit_takes_each_levels_own_rounds(name: str) -> None:
    long = {"hist_gradient_boosting": {"max_iter": 60}, "lightgbm": {"num_iterations": 60}}[name]
    on = job("regression", quantiles=LEVELS, count=800)
    first = fitted(name, on, **long, early_stopping=True, patience=3, learning_rate=0.5)
    rounds = first.card.member_rounds
    assert set(rounds) == {"10", "50", "90"}
    assert first.card.rounds == max(rounds.values()) < 60
    again = fitted(
        name, replace(on, rounds=first.card.rounds, member_rounds=rounds), **long, learning_rate=0.5
    )
    assert again.card.member_rounds == rounds
    frame = on.validation.whole().frame
    assert np.allclose(said(again, frame, LEVELS), said(first, frame, LEVELS), atol=1e-9)


@pytest.mark.parametrize("name", ["hist_gradient_boosting", "lightgbm"])
def test_a_stop_ends_the_fits_that_follow_after_a_round(name: str) -> None:
    model = fitted(name, job("regression", lambda *_: True, quantiles=LEVELS, count=300))
    assert model.card.member_rounds == {"10": 1, "50": 1, "90": 1}


@pytest.mark.parametrize(("name", "module"), [("hist_gradient_boosting", boosting), ("lightgbm", lightgbm)])
def test_a_killed_fit_goes_on_with_the_levels_that_were_done(
    name: str, module: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "ROUNDS", 2)
    monkeypatch.setattr(kept, "EVERY", 0.0)
    changes = {"hist_gradient_boosting": {"max_iter": 6}, "lightgbm": {"num_iterations": 6}}[name]
    on = job("regression", quantiles=LEVELS, count=300, checkpoints=tmp_path)
    frame = on.validation.whole().frame
    undisturbed = fitted(name, replace(on, checkpoints=None), **changes)
    asked: list[int] = []

    def kills(done: int, of: int, _: dict[str, float]) -> None:
        asked.append(done)
        if done == 6 + 5:  # of the second level
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fitted(name, replace(on, report=kills), **changes)
    asked.clear()
    again = fitted(name, replace(on, report=lambda done, of, losses: asked.append(done)), **changes)
    assert np.array_equal(said(again, frame, LEVELS), said(undisturbed, frame, LEVELS))
    if name == "lightgbm":  # scikit-learn's losses are kept with the trees, and told again
        assert min(each for each in asked if each > 6) == 6 + 5


def test_a_model_of_other_levels_is_asked_between_its_own() -> None:
    on = job("regression", quantiles=LEVELS, count=300)
    model, frame = fitted("rate_table", on), on.validation.whole().frame
    own = values_of(said(model, frame, LEVELS))
    between = values_of(said(model, frame, (0.3, 0.5)))
    assert np.allclose(between, np.stack([(own[:, 0] + own[:, 1]) / 2, own[:, 1]], axis=1))
    assert np.array_equal(said(model, frame), own[:, 1])
    number = fitted("rate_table", job("regression", count=300))
    assert np.array_equal(
        values_of(said(number, frame, LEVELS)), np.tile(number.predict(frame)[:, None], (1, 3))
    )
    with pytest.raises(InputError, match="has learnt no quantiles"):
        number.quantiles(frame)


def test_groups_quantiles_are_those_of_each_group_alone() -> None:
    draw = np.random.default_rng(2)
    labels, groups, weights = draw.normal(size=200), draw.integers(0, 7, 200), draw.uniform(0.5, 2, 200)
    found = _by_group(labels, groups, weights, LEVELS)
    for group in range(7):
        here = groups == group
        assert found[group].tolist() == of_labels(labels[here], LEVELS, weights[here]).tolist()


def test_the_smoothed_line_loses_next_to_nothing_to_the_linear_programme() -> None:
    draw = np.random.default_rng(1)
    rows = draw.normal(size=(400, 4))
    labels = rows @ np.arange(4) + (0.5 + np.abs(rows[:, 0])) * draw.standard_t(3, 400)
    slopes, starts = fit_line(sparse.csr_matrix(rows), labels, None, LEVELS, l2=1e-6, max_iter=500)
    for level, slope, start in zip(LEVELS, slopes, starts, strict=True):
        exact = QuantileRegressor(quantile=level, alpha=0, solver="highs").fit(rows, labels)
        losses = [
            np.maximum(level * left, (level - 1) * left).mean()
            for left in (labels - exact.predict(rows), labels - rows @ slope - start)
        ]
        assert losses[0] <= losses[1] <= 1.005 * losses[0]
        assert np.mean(labels <= rows @ slope + start) == pytest.approx(level, abs=0.01)


def test_shifts_are_part_of_the_model_and_are_checked(tmp_path: Path) -> None:
    on = job("regression", quantiles=LEVELS, count=300)
    model, frame = fitted("rate_table", on), on.validation.whole().frame
    shifted = Conformal(model, Shifts(levels=list(LEVELS), shifts=[-3.0, 1.0, 4.0], rows=50))
    own = values_of(said(model, frame, LEVELS))
    assert np.allclose(values_of(said(shifted, frame, LEVELS)), own + np.array([-3.0, 1.0, 4.0]))
    assert np.allclose(shifted.predict(frame), own[:, 1] + 1)
    models.save(shifted, tmp_path)
    again = models.load(tmp_path)
    assert isinstance(again, Conformal)
    assert np.array_equal(said(again, frame, LEVELS), said(shifted, frame, LEVELS))
    kept = (tmp_path / FILE).read_text()
    for broken, words in (
        (kept.replace("0.9", "0.95"), "is not of the quantiles that the model's card names"),
        (kept.replace("-3.0", "null"), "holds no conformal shifts"),
        ("{", "holds no conformal shifts"),
    ):
        (tmp_path / FILE).write_text(broken)
        with pytest.raises(IntegrityError, match=words):
            models.load(tmp_path)


def test_out_of_fold_predictions_are_quantiles() -> None:
    on = job("regression", quantiles=LEVELS, count=300)
    whole = on.train.whole()
    frame = whole.frame.assign(event_time=np.arange(300).astype("datetime64[h]").astype("datetime64[ns]"))
    params = models.parse_params("rate_table", SMALL["rate_table"])
    found = out_of_fold(replace(on, train=replace(whole, frame=frame)), params, "rate_table")
    assert found.predictions.shape == (300, 3, 2)
    assert 0 < len(found.covered) < 300
    assert np.unique(found.predictions[found.covered][:, :, 1]).tolist() == list(LEVELS)


def test_families_that_cannot_say_so_in_one_line() -> None:
    for name in families():
        assert family(name).learns_quantiles == (families()[name] in QUANTILES)
    check_task("linear", "regression", LEVELS)
    check_task("random_forest", "regression")
    with pytest.raises(
        ConfigError, match="'random_forest' does not learn quantiles: of ours rate_table, hist"
    ):
        check_task("random_forest", "regression", LEVELS)


@pytest.mark.parametrize("name", ["linear", "rate_table"])
def test_a_file_of_other_levels_is_refused(name: str, tmp_path: Path) -> None:
    model = fitted(name, job("regression", quantiles=LEVELS, count=300))
    model.write(tmp_path)
    card = model.card.model_copy(update={"quantiles": [0.05, 0.1, 0.5, 0.9]})
    with pytest.raises(IntegrityError, match="quantiles"):
        family(name).read(tmp_path, card)
