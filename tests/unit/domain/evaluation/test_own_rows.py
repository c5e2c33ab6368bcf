from typing import Any

import numpy as np
import pytest
from pydantic import ValidationError
from sklearn.linear_model import LogisticRegression

from mlcycle.domain.evaluation.calibrator import Calibrator, log_odds, platt
from mlcycle.domain.evaluation.own_rows import Choice, Foretold, choose
from mlcycle.domain.evaluation.recalibration import expected_error

DAYS = 30


def made(seed: int, too_sure: float, rows: int = 1500) -> tuple[Any, Any, Any, Any]:
    """Labels, what a model says (its log odds times ``too_sure``), the truth, and the day of each row."""
    random = np.random.default_rng(seed)
    true = 1 / (1 + np.exp(-random.normal(-1, 1, rows)))
    labels = (random.random(rows) < true).astype(float)
    said = 1 / (1 + np.exp(-too_sure * log_odds(true)))
    return labels, said, true, np.arange(rows) * DAYS // rows


def chosen(seed: int, too_sure: float) -> Choice:
    labels, said, _, days = made(seed, too_sure)
    return choose(labels, said, days, "auto")


def test_a_calibrated_model_is_changed_as_rarely_as_is_said() -> None:
    changed = sum(chosen(seed, 1.0).calibrator is not None for seed in range(40))
    assert changed <= 2  # .025 is said; seeds are fixed, docs/evaluation.md has more of them


def test_the_error_of_a_model_that_is_too_sure_falls() -> None:
    before, after, kept = [], [], 0
    for seed in range(8):
        choice = chosen(seed, 2.5)
        labels, said, _, _ = made(1000 + seed, 2.5, 4000)
        before.append(expected_error(labels, said))
        kept += choice.calibrator is not None
        after.append(expected_error(labels, said if choice.calibrator is None else choice.calibrator(said)))
    assert kept >= 7
    assert np.mean(after) < 0.4 * np.mean(before)


def test_the_later_half_says_nothing_of_what_the_curve_is() -> None:
    labels, said, _, days = made(3, 2.5)
    other = np.where(days < DAYS // 2, labels, said > 0.5)  # there the model is not sure enough
    honest, spoilt = choose(labels, said, days, "platt"), choose(other, said, days, "platt")
    assert honest.curves == spoilt.curves
    assert honest.calibrator is not None
    assert spoilt.calibrator is None  # what was judged is the later half


def folds(seed: int, too_sure: float) -> Foretold:
    labels, said, _, _ = made(seed, too_sure)
    return Foretold(labels, said)


def test_out_of_fold_predictions_fit_the_curve_and_all_of_validation_judges_it() -> None:
    labels, said, _, days = made(3, 2.5)
    choice = choose(labels, said, days, "platt", out_of_fold=folds(4, 2.5))
    assert choice.calibrator == platt(*made(4, 2.5)[:2])
    assert choice.judged == len(labels)
    turned = choose(1 - labels, said, days, "platt", out_of_fold=folds(4, 2.5))
    assert turned.curves == choice.curves  # no row of validation has a say in what the curve is


def test_out_of_fold_predictions_that_are_unlike_the_model_change_nothing() -> None:
    changed = 0
    for seed in range(20):  # folds are too sure, the model is not: their curve makes it worse
        labels, said, _, days = made(seed, 1.0)
        changed += (
            choose(labels, said, days, "auto", out_of_fold=folds(100 + seed, 2.5)).calibrator is not None
        )
    assert changed == 0


def test_with_out_of_fold_predictions_half_the_days_are_enough() -> None:
    labels, said, _, _ = made(3, 3.0)
    blocks = np.arange(len(labels)) * 9 // len(labels)
    assert choose(labels, said, blocks, "platt").calibrator is None
    assert choose(labels, said, blocks, "platt", out_of_fold=folds(4, 3.0)).calibrator is not None
    few = choose(labels, said, blocks // 3, "platt", out_of_fold=folds(4, 3.0))
    assert few.why == "validation has 3 blocks of time, 5 are needed: they judge it"


def test_folds_of_one_class_fit_no_curve() -> None:
    labels, said, _, days = made(3, 2.5)
    choice = choose(labels, said, days, "auto", out_of_fold=Foretold(np.zeros(9), np.full(9, 0.2)))
    assert choice.why == "what folds predict holds one class only"


@pytest.mark.parametrize(
    ("days", "one_class", "why"),
    [(9, False, "validation has 9 blocks of time, 10 are needed"), (30, True, "one class only")],
    ids=["few days", "one class"],
)
def test_where_nothing_can_be_judged_there_is_no_curve(days: int, one_class: bool, why: str) -> None:
    labels, said, _, _ = made(1, 2.5)
    blocks = np.arange(len(labels)) * days // len(labels)
    choice = choose(np.where(one_class & (blocks < 20), 0.0, labels), said, blocks, "auto")
    assert choice.calibrator is None
    assert why in choice.why


def test_platt_equals_scikit_learn_and_weights_are_copies() -> None:
    labels, said, _, _ = made(7, 2.0, 40_000)
    found = platt(labels, said)
    theirs = LogisticRegression(C=np.inf, tol=1e-10).fit(log_odds(said)[:, None], labels)
    # Platt's targets are not 0 and 1; of this many rows that is hardly seen.
    assert found.slope == pytest.approx(float(theirs.coef_[0, 0]), abs=1e-3)
    assert found.intercept == pytest.approx(float(theirs.intercept_[0]), abs=1e-3)
    times = np.random.default_rng(0).integers(1, 4, 500)
    copied = platt(np.repeat(labels[:500], times), np.repeat(said[:500], times))
    assert platt(labels[:500], said[:500], times.astype(float)).slope == pytest.approx(copied.slope)


@pytest.mark.parametrize(
    "wrong",
    [
        {"method": "platt", "slope": -1.0},
        {"method": "platt", "slope": float("nan")},
        {"method": "isotonic"},
        {"method": "isotonic", "at": [0.1, 0.1], "to": [0.2, 0.3]},
        {"method": "isotonic", "at": [0.1, 0.2], "to": [0.3, 0.2]},
        {"method": "isotonic", "at": [0.1], "to": [1.2]},
        {"method": "platt", "more": 1},
    ],
    ids=["falls", "nan", "no points", "same place", "goes down", "no probability", "unknown"],
)
def test_what_is_no_curve_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Calibrator.model_validate(wrong)
