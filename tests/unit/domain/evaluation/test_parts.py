"""Each part on a model whose truth is known, and every part on the rows that break such code."""

import json
from dataclasses import replace
from typing import get_args

import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.isotonic import IsotonicRegression

from mlcycle.domain.evaluation import (
    abstention,
    baselines,
    behaviour,
    coverage,
    groups,
    importance,
    parts,
    recalibration,
    residuals,
    threshold,
    weak_slices,
    worst,
)
from mlcycle.domain.evaluation.calibrator import isotonic, log_odds
from mlcycle.domain.examples import Rows
from mlcycle.project.training import USUAL_PARTS, PartName
from tests.unit.domain.evaluation.made import PAYOFF, Wishes, classes, frame_of, labels_of, numbers


def test_the_threshold_that_pays_is_found() -> None:
    found = threshold.run(classes(6000))
    assert found["if_calibrated"] == pytest.approx(45 / (45 + 140))
    assert abs(found["chosen"] - 45 / 185) < 0.08  # type: ignore[operator]
    assert found["gain"]["low"] > 0  # type: ignore[index]
    best = found["value_if_chosen"] - found["value"]  # type: ignore[operator]
    assert best == pytest.approx(found["gain"]["value"])  # type: ignore[index]


def test_the_curve_of_money_is_that_of_each_threshold_alone() -> None:
    subject = classes(300)
    grid = np.array([0.0, 0.2, subject.predictions[7], 1.1])  # a row at the threshold is acted on
    weights = np.linspace(0.5, 1.5, 300)
    expected = [
        (weights * threshold.row_value(PAYOFF, subject.labels, subject.predictions, t)).sum() for t in grid
    ]
    found = threshold.curve(PAYOFF, subject.labels, subject.predictions, weights, grid)
    np.testing.assert_allclose(found, expected)
    subject_value = subject.task.value(replace_threshold(0.2), subject.labels, subject.predictions, weights)
    assert found[1] == pytest.approx(subject_value)


def replace_threshold(value: float) -> object:
    return PAYOFF.model_copy(update={"threshold": value})


def test_platt_mends_a_model_that_is_too_sure() -> None:
    subject = classes(4000)
    too_sure = [1 / (1 + np.exp(-2.5 * log_odds(p))) for p in (subject.predictions, subject.before)]
    found = recalibration.run(replace(subject, predictions=too_sure[0], before=too_sure[1]))
    platt = found["curves"]["platt"]
    assert platt["better"]
    assert platt["gain_on_own_rows"]["low"] > 0
    assert sum(curve["kept"] for curve in found["curves"].values()) == 1
    assert found["own_rows"] == {"fitted": 2000, "judged": 2000}
    assert platt["ece"]["value"] < found["ece"]["value"] / 2
    assert platt["log_loss"] < found["log_loss"]


def test_a_calibrated_model_is_left_as_it_is() -> None:
    found = recalibration.run(classes(4000))
    assert not any(curve["kept"] or curve["better"] for curve in found["curves"].values())
    assert found["ece"]["low"] == 0


def test_isotonic_and_reliability_equal_scikit_learn() -> None:
    subject = classes(800)
    said = np.round(subject.predictions, 2)
    ours = isotonic(subject.labels, said)
    theirs = IsotonicRegression(out_of_bounds="clip").fit(said, subject.labels)
    np.testing.assert_allclose(
        ours(subject.before), theirs.predict(subject.before), atol=2e-7
    )  # ours never says nought
    seen, due = calibration_curve(subject.labels, subject.predictions, n_bins=10, strategy="quantile")
    shown = recalibration.run(subject)["reliability"]
    np.testing.assert_allclose([point[0] for point in shown], due, atol=0.01)
    np.testing.assert_allclose([point[1] for point in shown], seen, atol=0.02)


def test_leaving_the_unsure_rows_out_helps() -> None:
    found = abstention.run(classes(4000))
    mistakes = found["mistakes"]
    assert mistakes[0] < 0.5 * mistakes[-1]  # type: ignore[index]
    assert found["shares"][-1] == 1.0  # type: ignore[index]


def test_a_slice_that_is_worse_is_found_and_chance_is_not() -> None:
    assert weak_slices.run(numbers(4000, 20))["surely_worse"] == 0  # errors are the same everywhere
    subject = classes(4000, 20)
    flipped = subject.labels.copy()
    wrong = (subject.holdout.frame["shop"] == "c").to_numpy()
    flipped[wrong] = 1 - flipped[wrong]
    found = weak_slices.run(replace(subject, holdout=Rows(subject.holdout.frame, flipped)))
    assert found["slices"][0]["name"] == "shop=c"
    assert found["slices"][0]["named"]
    assert found["slices"][0]["least"] > 0
    assert found["looked_at"] == 4 + 6 + 5  # shops and none; fifths of x and none; fifths of idle


def test_of_many_rows_some_are_looked_at_and_it_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    subject = classes(4000, 20)
    whole = worst.run(subject)["values"]
    for module in (weak_slices, worst):
        monkeypatch.setattr(module, "LARGE", 3000)
    found = weak_slices.run(subject)
    assert found["rows"] == "on 3,000 of 4,000 rows, drawn at random with a seed"
    assert sum(each["rows"] for each in found["slices"] if each["named"]) == 3000
    some = worst.run(subject)["values"]
    assert some[0]["name"] == whole[0]["name"]
    assert some[0]["among_worst"] == whole[0]["among_worst"]


def test_rates_of_groups_by_hand() -> None:
    found = groups.rates(np.array([1.0, 1, 0, 0]), np.array([0.9, 0.1, 0.8, 0.2]), 0.5)
    assert found["true_positive_rate"] == found["false_positive_rate"] == found["accuracy"] == 0.5
    uneven = groups.rates(np.array([1.0, 0, 0, 0]), np.array([0.9, 0.6, 0.1, 0.2]), 0.5)
    assert (uneven["false_positive_rate"], uneven["true_negative_rate"]) == (1 / 3, 1 - 1 / 3)
    alone = groups.rates(np.array([1.0]), np.array([0.9]), 0.5)
    assert (alone["true_negative_rate"], alone["roc_auc"], alone["false_negative_rate"]) == (None, None, 0.0)
    columns = groups.run(classes())["columns"]["shop"]["groups"]
    assert set(columns) == {"a", "b", "c", "(missing)"}
    assert columns["b"]["selection_rate"] > columns["a"]["selection_rate"]
    assert columns["a"]["over_thresholds"]["selection_rate"][4] == columns["a"]["selection_rate"]


def test_what_does_not_matter_and_what_goes_the_wrong_way_is_told() -> None:
    wishes = Wishes(must_not_matter=["idle", "shop"], directions={"x": "up", "idle": "down"})
    found = behaviour.run(classes(wishes=wishes))
    assert found["must_not_matter"]["idle"]["kept"]
    assert not found["must_not_matter"]["shop"]["kept"]
    assert found["directions"]["x"]["kept"]
    assert found["by_noise"]["idle"]["moved"] == 0 < found["by_noise"]["x"]["moved"]
    other = behaviour.run(classes(wishes=Wishes(directions={"x": "down"})))["directions"]["x"]
    assert (other["kept"], other["against"]) == (False, 1.0)


def test_importance_and_dependence_are_of_what_the_model_looks_at() -> None:
    subject = classes(5000)
    found = importance.run(subject)
    assert found["rows"] == "on 2,000 of 5,000 rows, drawn at random with a seed"
    assert next(iter(found["columns"])) == "x"
    assert found["columns"]["idle"]["mean"] == 0
    along = importance.dependence(subject)["columns"]
    assert along["x"]["mean"] == sorted(along["x"]["mean"])
    assert np.ptp(along["idle"]["mean"]) == 0
    shops = dict(zip(along["shop"]["at"], along["shop"]["mean"], strict=True))
    assert shops["b"] > shops["a"] == shops["c"]


def test_residuals_tell_an_offset_a_slope_and_a_memory() -> None:
    subject = numbers(4000)
    clean = residuals.run(subject)
    assert abs(clean["mean"]) < 0.06
    assert abs(clean["autocorrelation"]) < 0.06
    assert clean["standard_deviation"] == pytest.approx(1, abs=0.05)
    walk = np.cumsum(np.random.default_rng(2).normal(0, 1, 4000))
    moved = replace(subject, holdout=Rows(subject.holdout.frame, subject.labels + subject.predictions + walk))
    bad = residuals.run(moved)
    assert bad["autocorrelation"] > 0.9
    assert bad["slope_on_prediction"] > 0.5


def test_coverage_tells_missing_and_never_seen_values() -> None:
    subject = classes()
    frame = subject.holdout.frame.assign(shop="new", x=100.0)
    found = coverage.run(replace(subject, holdout=Rows(frame, subject.labels)))["inputs"]
    assert found["shop"]["never_seen"] == found["x"]["never_seen"] == 1.0
    low = coverage.run(replace(subject, holdout=Rows(frame.assign(x=-100.0), subject.labels)))["inputs"]
    assert low["x"]["never_seen"] == 1.0
    assert found["x"]["missing_in_training"] == pytest.approx(0.05, abs=0.02)
    assert coverage.run(classes())["inputs"]["shop"]["never_seen"] == 0


def test_the_worst_rows_are_those_of_most_loss() -> None:
    subject = classes()
    found = worst.run(subject)
    loss = subject.task.row_loss(subject.labels, subject.predictions)
    assert found["rows"][0]["loss"] == pytest.approx(loss.max())
    assert 0 < found["share_of_loss"] < 1


def test_gains_are_over_who_knows_less() -> None:
    found = baselines.beside(classes(4000))["others"]
    assert list(found) == ["random", "zero_rule"]  # type: ignore[call-overload]
    assert all(each["gain"]["low"] > 0 for each in found.values())  # type: ignore[attr-defined]


def _one_rare() -> object:
    subject = classes()
    labels = np.zeros(1200)
    labels[7] = 1
    return replace(subject, holdout=Rows(subject.holdout.frame, labels))


def _all_missing() -> object:
    subject = classes()
    frame = subject.holdout.frame.assign(x=np.nan, shop=None)
    return replace(subject, holdout=Rows(frame, subject.labels))


def _weighted(subject: object) -> object:
    weights = np.linspace(0.5, 1.5, len(subject.labels))  # type: ignore[attr-defined]
    holdout = subject.holdout  # type: ignore[attr-defined]
    return replace(subject, holdout=Rows(holdout.frame, holdout.labels, weights))  # type: ignore[type-var]


SUBJECTS = {
    "usual classes": classes,
    "usual numbers": numbers,
    "20 rows": lambda: classes(20, 2),
    "20 numbers": lambda: numbers(20, 2),
    "one rare positive": _one_rare,
    "one class": lambda: replace(classes(), holdout=Rows(frame_of(1200, 1), np.zeros(1200))),
    "a constant": lambda: replace(
        classes(),
        predictions=np.full(1200, 0.3),
        before=np.full(1200, 0.3),
        predict=lambda frame: np.full(len(frame), 0.3),
    ),
    "a constant number": lambda: replace(
        numbers(), predictions=np.full(1200, 3.0), predict=lambda frame: np.full(len(frame), 3.0)
    ),
    "labels that are one number": lambda: replace(
        numbers(), holdout=Rows(frame_of(1200, 1), np.full(1200, 3.0))
    ),
    "inputs missing": _all_missing,
    "weighted rows": lambda: _weighted(classes()),
    "sure and wrong": lambda: replace(classes(), predictions=np.zeros(1200)),
}


@pytest.mark.parametrize("name", SUBJECTS)
def test_every_part_answers_on_any_rows(name: str) -> None:
    found = parts.run(SUBJECTS[name](), list(parts.PARTS), 1e9, lambda: 0.0)
    statuses = {part: each["status"] for part, each in found.items()}
    known = {part for part, status in statuses.items() if status == "not measured"}
    assert known == set(), {part: found[part]["why"] for part in known}
    json.dumps(found, allow_nan=False)


def test_a_project_can_name_every_part_there_is() -> None:
    assert set(get_args(PartName)) == set(parts.PARTS)
    assert set(USUAL_PARTS) == set(parts.PARTS) - {"learning_curve"}


def test_what_is_left_out_is_said() -> None:
    ticks = iter(range(1000))
    found = parts.run(classes(100, 2), ["figures", "slices", "errors"], 1.5, lambda: float(next(ticks)))
    assert found["figures"]["status"] == "done"
    assert found["slices"]["status"] == "left out"
    assert "evaluation.budget of 1.5 s was spent" in found["slices"]["why"]
    assert found["cost"]["why"] == "evaluation.parts does not name it"
    assert found["residuals"]["status"] == "left out"
    assert list(found) == list(parts.PARTS)


def test_the_newest_rows_are_taken() -> None:
    rows = Rows(frame_of(10, 1), np.arange(10.0))
    assert parts.newest(rows, 0.3).labels.tolist() == [7, 8, 9]
    assert parts.newest(rows, 0.001).count == 1


def test_labels_of_the_made_model_are_as_probable_as_it_says() -> None:
    frame = frame_of(5000, 9)
    assert abs(labels_of(frame, 1).mean() - classes(5000).predictions.mean()) < 0.03
