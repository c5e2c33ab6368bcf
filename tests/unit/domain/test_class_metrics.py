"""Metrics of many classes against scikit-learn, and what each row adds to them against its own definition."""

import numpy as np
import pytest
from sklearn import metrics as sklearn

from mlcycle.domain.class_metrics import f1_influence, macro_f1
from mlcycle.domain.evaluation.of_many import of_rows
from mlcycle.domain.gate import Test
from mlcycle.domain.metrics import (
    HIGHER,
    METRICS,
    Array,
    NotMeasured,
    gain,
    influence,
    macro_roc_auc,
    measure,
    readings,
)
from mlcycle.domain.paired import paired_blocks
from mlcycle.domain.refit import unlike
from mlcycle.domain.slices import compare_slices
from mlcycle.domain.tasks import task_of
from mlcycle.errors import InputError

MANY = task_of("multiclass")
CLASSES = 5


def made(rows: int = 600, seed: int = 3, skill: float = 1.0) -> tuple[Array, Array]:
    """Labels of unlike frequency and probabilities that know something of them."""
    draw = np.random.default_rng(seed)
    labels = draw.choice(CLASSES, rows, p=[0.5, 0.25, 0.15, 0.07, 0.03]).astype(float)
    scores = draw.normal(size=(rows, CLASSES))
    scores[np.arange(rows), labels.astype(int)] += skill
    found = np.exp(scores)
    return labels, found / found.sum(axis=1, keepdims=True)


@pytest.mark.parametrize("weighted", [False, True], ids=["rows", "weights"])
def test_they_are_scikit_learns(weighted: bool) -> None:
    labels, said = made()
    weights = np.random.default_rng(5).uniform(0.1, 3, len(labels)) if weighted else None
    chosen = said.argmax(axis=1)
    found = {name: METRICS[name](labels, said, weights) for name in MANY.metrics}
    assert found == {
        "log_loss": pytest.approx(sklearn.log_loss(labels, said, sample_weight=weights), rel=1e-12),
        "accuracy": pytest.approx(sklearn.accuracy_score(labels, chosen, sample_weight=weights), rel=1e-12),
        "macro_f1": pytest.approx(
            sklearn.f1_score(labels, chosen, average="macro", sample_weight=weights), rel=1e-12
        ),
        "macro_roc_auc": pytest.approx(
            np.mean(
                [
                    sklearn.roc_auc_score(labels == each, said[:, each], sample_weight=weights)
                    for each in range(CLASSES)
                ]
            ),
            rel=1e-9,
        ),
    }
    if not weighted:  # scikit-learn's own mean takes no weights
        assert found["macro_roc_auc"] == pytest.approx(
            sklearn.roc_auc_score(labels, said, multi_class="ovr", average="macro"), rel=1e-12
        )


def test_a_class_without_rows_is_no_part_of_a_mean() -> None:
    labels, said = made()
    some = labels < 3
    assert macro_f1(labels[some], said[some]) == pytest.approx(
        sklearn.f1_score(labels[some], said[some].argmax(axis=1), average="macro", zero_division=0)
    )
    assert isinstance(macro_roc_auc(labels[some], said[some]), float)
    one = np.zeros(10)
    assert isinstance(macro_roc_auc(one, said[:10]), NotMeasured)
    assert "macro_roc_auc" not in measure("multiclass", one, said[:10])


@pytest.mark.parametrize("metric", MANY.metrics)
def test_a_rows_influence_is_what_the_metric_moves_by_when_it_weighs_more(metric: str) -> None:
    labels, said = made(200)
    found = influence(metric, labels, said)
    assert not isinstance(found, NotMeasured)
    assert abs(found.mean()) < 1e-9
    base = METRICS[metric](labels, said, None)
    step, rows = 1e-4, len(labels)
    for row in (0, 17, 101):
        weights = np.ones(rows)
        weights[row] += step * rows
        moved = METRICS[metric](labels, said, weights)
        assert (moved - base) / step == pytest.approx(found[row], rel=0.05, abs=5e-3)  # type: ignore[operator]


def test_f1_influence_is_of_classes_that_are_there() -> None:
    assert np.allclose(f1_influence(np.zeros(4), np.tile([1.0, 0.0, 0.0], (4, 1))), 0)


@pytest.mark.parametrize("metric", MANY.metrics)
def test_who_knows_more_gains_by_blocks_of_time(metric: str) -> None:
    labels, old = made(skill=0.5)
    _, new = made(skill=2.0)
    blocks = np.repeat(np.arange(12), 50)
    paired = paired_blocks(metric, labels, old, new, blocks)
    assert paired.gain > 0
    assert gain(metric, paired.new, paired.old) < 0
    assert (paired.new > paired.old) == (metric in HIGHER)
    assert Test("the champion", paired, 0.0, 0.95).passed
    backwards = paired_blocks(metric, labels, new, old, blocks)
    assert not Test("the champion", backwards, 0.0, 0.95).passed
    texts = {"half": ["a"] * 300 + ["b"] * 300}
    worse = compare_slices(metric, labels, new, old, texts, 10, blocks)
    assert all(change.loss > 0 for change in worse)  # type: ignore[operator]
    assert any(change.bound > 0 for change in worse if change.bound is not None)


def test_figures_have_intervals_and_the_area_says_why_not() -> None:
    labels, said = made()
    found = of_rows(labels, said, np.repeat(np.arange(12), 50))
    for name in ("log_loss", "accuracy", "macro_f1"):
        each = found[name]
        assert each.value == pytest.approx(METRICS[name](labels, said, None))
        assert each.low is not None
        assert each.high is not None
        assert each.low < each.value < each.high  # type: ignore[operator]
    assert found["macro_roc_auc"].low is None
    assert found["macro_roc_auc"].why


def test_the_macro_f1s_interval_holds_the_truth_about_as_often_as_it_says() -> None:
    truth = float(np.mean([macro_f1(*made(50_000, seed)) for seed in (1, 2)]))
    blocks = np.repeat(np.arange(20), 30)
    held = 0
    for seed in range(100, 160):
        each = of_rows(*made(600, seed), blocks)["macro_f1"]
        held += each.low <= truth <= each.high  # type: ignore[operator]
    assert held >= 52  # of 60 at 95 %; the seeds are given


def test_the_zero_rule_and_chance_are_probabilities() -> None:
    learnt = np.array([0, 0, 1, 2], dtype=float)
    assert MANY.without_model(learnt, 2).tolist() == [[0.5, 0.25, 0.25]] * 2
    assert MANY.without_model(learnt, 1, np.array([1.0, 1, 4, 2])).tolist() == [[0.25, 0.5, 0.25]]
    drawn = MANY.at_random(learnt, 50, 1)
    assert drawn.shape == (50, 3)
    assert np.allclose(drawn.sum(axis=1), 1)


def test_what_is_no_class_is_refused() -> None:
    with pytest.raises(InputError, match="1 of 3 labels in the train split are of a class that"):
        MANY.check_labels(np.array([0.0, -1.0, 2.0]), "train")
    with pytest.raises(InputError, match="missing or not finite"):
        MANY.check_labels(np.array([0.0, np.nan]), "train")
    with pytest.raises(InputError, match="class number 7, the predictions have 5 classes"):
        readings("multiclass", np.array([7.0]), made(1)[1])
    with pytest.raises(InputError, match="2 predictions for 3 labels"):
        readings("multiclass", np.zeros(3), made(2)[1])


def test_right_and_wrong_have_their_worth() -> None:
    class Payoff:
        true_positive = false_positive = true_negative = false_negative = threshold = per_unit_error = 0.0
        right_class, wrong_class = 3.0, -2.0

    labels, said = np.array([0.0, 1, 2]), np.eye(3)[[0, 1, 1]]
    assert MANY.value(Payoff(), labels, said) == 4
    assert MANY.value(Payoff(), labels, said, np.array([2.0, 0, 1])) == 4
    assert MANY.value(Payoff(), labels, np.zeros(3)) == -1
    assert MANY.constants(labels[[0, 1, 1]]) == {"commonest": 1.0}
    assert MANY.outcomes(Payoff(), labels, said) == {"right_class": 2, "wrong_class": 1}
    right, sure = MANY.pictured(labels, said * 0.9)
    assert (right.tolist(), sure.tolist()) == ([1, 1, 0], [0.9] * 3)


def test_a_refit_that_says_something_else_is_told_apart() -> None:
    labels, said = made()
    assert unlike("log_loss", labels, said, made(skill=1.02)[1]) == ""
    assert "correlate" in unlike("log_loss", labels, said, said[:, ::-1])
