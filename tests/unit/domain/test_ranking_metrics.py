"""Metrics of lists against scikit-learn, by hand, and over every order of ties."""

import itertools

import numpy as np
import pytest
from sklearn.metrics import ndcg_score

from mlcycle.domain.evaluation import of_lists
from mlcycle.domain.listed import ListedLabels, lists_of, together
from mlcycle.domain.metrics import METRICS, NotMeasured, influence, more_is_better
from mlcycle.domain.paired import paired_blocks
from mlcycle.domain.ranking_metrics import Ranked, measure, row_loss
from mlcycle.domain.ranking_names import MEASURES
from mlcycle.domain.tasks import task_of
from mlcycle.errors import InputError

LISTS, LONG = 60, 9
DRAW = np.random.default_rng(7)
GRADES = DRAW.integers(0, 4, (LISTS, LONG)).astype(float)
TIED = DRAW.integers(0, 4, (LISTS, LONG)).astype(float)  # scores, of which many are the same
CODES = np.repeat(np.arange(LISTS), LONG)
MIXED = DRAW.permutation(LISTS * LONG)  # rows of a list need not lie together
LABELS = ListedLabels(GRADES.ravel(), CODES)[MIXED]
SCORES = TIED.ravel()[MIXED]
RANKING = task_of("ranking")


def one_list(grades: list[float]) -> ListedLabels:
    return ListedLabels(grades, np.zeros(len(grades), dtype=np.int64))


@pytest.mark.parametrize("k", [1, 3, 5, 20])
def test_ndcg_equals_scikit_learn_with_and_without_ties(k: int) -> None:
    assert measure("ndcg", k, LABELS, SCORES) == pytest.approx(ndcg_score(GRADES, TIED, k=k))
    apart = SCORES + DRAW.random(len(SCORES)) / 2
    table = np.empty(LISTS * LONG)
    table[MIXED] = apart
    assert measure("ndcg", k, LABELS, apart) == pytest.approx(
        ndcg_score(GRADES, table.reshape(LISTS, LONG), k=k, ignore_ties=True)
    )


def test_a_worked_example() -> None:
    # Manning, Raghavan and Schuetze (2008), ch. 8.4: relevant at places 1, 3 and 6 of 6, of 4 in all.
    labels, scores = one_list([1, 0, 1, 0, 0, 1, 0, 1]), -np.arange(8.0)
    assert measure("map", 6, labels, scores) == pytest.approx((1 + 2 / 3 + 3 / 6) / 4)
    assert measure("map", 3, labels, scores) == pytest.approx((1 + 2 / 3) / 3)
    assert measure("recall", 6, labels, scores) == pytest.approx(3 / 4)
    assert measure("mrr", 6, labels, scores) == 1
    assert measure("mrr", 2, labels, np.arange(8.0)) == 1
    assert measure("mrr", 1, one_list([0, 1]), np.array([2.0, 1])) == 0
    assert measure("ndcg", 2, one_list([3, 1, 2]), np.array([3.0, 2, 1])) == pytest.approx(
        (3 + 1 / np.log2(3)) / (3 + 2 / np.log2(3))
    )


def by_hand(name: str, k: int, relevant: np.ndarray) -> float:
    """Of one order."""
    places, hits = np.arange(1, len(relevant) + 1), relevant.astype(float)
    if name == "map":
        return float((np.cumsum(hits) / places * hits)[:k].sum() / min(k, hits.sum()))
    first = int(np.argmax(relevant)) + 1
    return float(hits[:k].sum() / hits.sum()) if name == "recall" else (1 / first if first <= k else 0.0)


@pytest.mark.parametrize("name", ["map", "recall", "mrr"])
@pytest.mark.parametrize("k", [1, 2, 4, 6])
def test_ties_are_the_mean_over_all_their_orders(name: str, k: int) -> None:
    grades, scores = np.array([2.0, 0, 1, 0, 0, 1]), np.array([1.0, 1, 1, 1, 0, 0])
    orders = [
        order for order in map(list, itertools.permutations(range(6))) if (np.diff(scores[order]) <= 0).all()
    ]
    every = [by_hand(name, k, grades[order] > 0) for order in orders]
    assert measure(name, k, one_list(grades.tolist()), scores) == pytest.approx(np.mean(every))


@pytest.mark.parametrize("metric", RANKING.metrics)
def test_one_score_for_all_is_a_random_order_on_average(metric: str) -> None:
    drawn = [
        METRICS[metric](LABELS, np.random.default_rng(seed).random(len(LABELS)), None) for seed in range(40)
    ]
    alike = METRICS[metric](LABELS, RANKING.without_model(LABELS, len(LABELS)), None)
    assert alike == pytest.approx(np.mean(drawn), abs=0.02)  # type: ignore[arg-type]
    assert more_is_better(metric)


def test_lists_without_a_relevant_row_are_left_out_and_counted() -> None:
    labels = ListedLabels([1, 0, 0, 0, 2, 0], np.array([5, 5, 9, 9, 7, 7]))
    scores = np.array([2.0, 1, 2, 1, 1, 2])
    assert measure("mrr", 5, labels, scores) == pytest.approx((1 + 1 / 2) / 2)
    assert measure("mrr", 5, labels, scores, np.array([3.0, 3, 9, 9, 1, 1])) == pytest.approx((3 + 1 / 2) / 4)
    found = of_lists.of_rows(labels, scores, np.arange(6), 2)
    assert (found["lists"].value, found["lists_without_relevant"].value) == (2, 1)
    nothing = METRICS["ndcg_at_10"](ListedLabels(np.zeros(4), np.array([1, 1, 2, 2])), np.arange(4.0), None)
    assert nothing == NotMeasured("no list has a relevant row")
    assert isinstance(
        influence("ndcg_at_10", ListedLabels(np.zeros(2), np.zeros(2, int)), np.arange(2.0)), NotMeasured
    )


def test_lists_stay_with_the_rows_that_are_picked() -> None:
    labels = ListedLabels([1, 2, 3, 4], np.array([8, 8, 9, 9]))
    assert lists_of(labels[1:]).tolist() == [8, 9, 9]
    assert lists_of(labels[np.array([3, 0])]).tolist() == [9, 8]
    assert lists_of(labels[labels > 2]).tolist() == [9, 9]
    for gone in (labels + 1, np.concatenate([labels, labels]), np.asarray(labels), labels.copy()):
        with pytest.raises(InputError, match="do not say which rows are one"):
            lists_of(gone)
    order, sizes = together(labels[[2, 0, 3, 1]])
    assert (order.tolist(), sizes.tolist()) == ([1, 3, 0, 2], [2, 2])
    with pytest.raises(InputError, match="1 lists for 2 labels"):
        ListedLabels([1, 2], np.array([1]))


def test_what_rows_add_is_what_their_list_adds() -> None:
    blocks = CODES[MIXED] // 5
    better = SCORES + np.asarray(LABELS) * (CODES[MIXED] % 3 > 0)
    for metric in ("ndcg_at_5", "map_at_10", "recall_at_5", "mrr_at_20"):
        moved = influence(metric, LABELS, SCORES)
        assert isinstance(moved, np.ndarray)
        assert moved.mean() == pytest.approx(0, abs=1e-12)
        # Leaving a list out moves the mean by its influence over the others, to the first order.
        gone, count = CODES[MIXED] == 3, LISTS
        whole, rest = (
            METRICS[metric](LABELS, SCORES, None),
            METRICS[metric](LABELS[~gone], SCORES[~gone], None),
        )
        assert (whole - rest) * (count - 1) == pytest.approx(moved[gone].sum() * count / len(moved))  # type: ignore[operator]
        paired = paired_blocks(metric, LABELS, SCORES, better, blocks)
        assert paired.gain > 0
        assert paired.spread is not None
        assert paired.spread.confidence(0.0) > 0.95


def test_the_loss_of_rows_is_that_of_their_lists_on_average() -> None:
    labels = ListedLabels([1, 0, 0, 0, 1, 0, 2], np.array([1, 1, 2, 2, 3, 3, 3]))
    scores = np.array([0.0, 1, 1, 0, 3, 2, 1])
    lost = row_loss(labels, scores)
    assert lost.mean() == pytest.approx(1 - measure("ndcg", 10, labels, scores))  # type: ignore[operator]
    assert lost[2:4].tolist() == [0, 0]
    assert lost[4] == lost[6] > 0


def test_readings_are_the_metrics_and_figures_hold_their_intervals() -> None:
    readings = RANKING.readings(LABELS, SCORES)
    assert set(readings) == set(RANKING.metrics)
    assert readings == pytest.approx({name: METRICS[name](LABELS, SCORES, None) for name in readings})
    found = of_lists.of_rows(LABELS, SCORES, CODES[MIXED] // 5, 3)
    assert {f"{measure}_at_3" for measure in MEASURES} <= set(found)
    for name, value in readings.items():
        assert found[name].value == pytest.approx(value)
    low, value, high = (getattr(found["ndcg_at_5"], each) for each in ("low", "value", "high"))
    assert low < value < high
    # About as wide as 60 independent lists say.
    spread = np.nanstd(Ranked.of(LABELS, SCORES).values("ndcg", 5)) / np.sqrt(LISTS)
    assert 2 * spread < high - low < 12 * spread


def test_grades_are_integers_from_nought() -> None:
    RANKING.check_labels(np.array([0.0, 3.0]), "train")
    for odd in (0.5, -1.0, 5000.0):
        with pytest.raises(InputError, match="1 of 2 labels in the train split are no grades of relevance"):
            RANKING.check_labels(np.array([0.0, odd]), "train")


def test_labels_without_lists_are_refused_in_a_line() -> None:
    with pytest.raises(InputError, match="measured by lists"):
        RANKING.readings(np.array([1.0, 0.0]), np.array([1.0, 0.0]))
