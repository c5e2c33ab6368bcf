"""Two models on the same rows, by blocks of time."""

import numpy as np
import pytest

from mlcycle.domain.interval import MIN_BLOCKS, Spread
from mlcycle.domain.metrics import METRICS, ONE_CLASS, NotMeasured, gain, influence
from mlcycle.domain.paired import gained_by_row, paired_blocks
from mlcycle.errors import InputError

#: Of one number a row; those of many classes are in test_class_metrics.
ONE_ANSWER = ["log_loss", "roc_auc", "brier", "rmse", "mae"]


def _rows(count: int, seed: int) -> tuple[np.ndarray, ...]:
    random = np.random.default_rng(seed)
    labels = (random.random(count) < 0.4).astype(float)
    return labels, np.round(random.random(count), 2), np.round(random.random(count), 2)


def _days(days: int, rows: int, seed: int, shared: float = 0.0) -> tuple[np.ndarray, ...]:
    """Labels, two predictions of equal worth, and blocks; ``shared`` is how far a day's rows go together."""
    random = np.random.default_rng(seed)
    blocks = np.repeat(np.arange(days), rows)
    day = random.normal(0, shared, days)[blocks]
    labels = (random.random(days * rows) < 0.3 + np.clip(day, -0.25, 0.25)).astype(float)
    favours_old = np.repeat(random.choice([-1, 1], days), rows)
    base = np.full(days * rows, 0.3)
    step = 0.1 * favours_old * (shared > 0)
    return labels, base + step, base - step, blocks


@pytest.mark.parametrize("metric", ONE_ANSWER)
def test_the_influence_of_a_row_is_what_a_little_more_of_it_does_to_the_metric(metric: str) -> None:
    labels, predictions, _ = _rows(200, 1)
    found = influence(metric, labels, predictions)
    assert not isinstance(found, NotMeasured)
    assert found.mean() == pytest.approx(0, abs=1e-12)
    whole = METRICS[metric](labels, predictions, None)
    assert isinstance(whole, float)
    for row in (0, 7, 100):
        more = np.ones(200)
        more[row] += 1e-6
        changed = METRICS[metric](labels, predictions, more)
        assert isinstance(changed, float)
        assert (changed - whole) * 200 / 1e-6 == pytest.approx(found[row], abs=1e-4)


@pytest.mark.parametrize("metric", ONE_ANSWER)
def test_what_the_rows_add_to_a_gain_points_where_the_gain_does(metric: str) -> None:
    labels, old, new = _rows(200, 2)
    added = gained_by_row(metric, labels, old, new)
    assert not isinstance(added, NotMeasured)
    measure = METRICS[metric]
    more = np.ones(200) + 1e-6 * (np.arange(200) < 50)
    moved = gain(metric, measure(labels, old, more), measure(labels, new, more))
    still = gain(metric, measure(labels, old, None), measure(labels, new, None))
    assert isinstance(moved, float)
    assert isinstance(still, float)
    assert (moved - still) / 1e-6 == pytest.approx(added[:50].sum() / 200, abs=1e-3)


def test_a_perfect_model_s_root_has_no_slope() -> None:
    assert influence("rmse", np.ones(3), np.ones(3)) == pytest.approx([0, 0, 0])


@pytest.mark.parametrize("metric", ["log_loss", "roc_auc"])
def test_the_comparison_names_its_metric_and_measures_every_block_alone(metric: str) -> None:
    random = np.random.default_rng(2)
    labels = np.tile([0.0, 1.0, 1.0, 0.0], 10)
    old, new = random.random(40), random.random(40)
    blocks = np.repeat([7, 3, 5, 1, 9], 8)
    found = paired_blocks(metric, labels, old, new, blocks)
    measure = METRICS[metric]
    assert (found.metric, found.blocks) == (metric, 5)
    assert found.old == measure(labels, old, None)
    assert found.new == measure(labels, new, None)
    assert found.gain == pytest.approx(gain(metric, found.old, found.new))
    in_order = [np.flatnonzero(blocks == n) for n in (1, 3, 5, 7, 9)]
    alone = [
        gain(metric, measure(labels[b], old[b], None), measure(labels[b], new[b], None)) for b in in_order
    ]
    assert found.block_gains == pytest.approx(alone)
    added = gained_by_row(metric, labels, old, new)
    assert not isinstance(added, NotMeasured)
    expected = Spread.of(found.gain, np.array([added[b].sum() / 40 for b in in_order]))
    assert found.spread is not None
    assert found.spread.error == pytest.approx(expected.error)


def test_blocks_keep_luck_of_whole_days_from_looking_significant() -> None:
    """Two models of equal worth, each lucky on whole days: rows as blocks are sure far too often."""
    sure_by_day = sure_by_row = 0
    for seed in range(60):
        labels, old, new, blocks = _days(14, 60, seed, 0.2)
        for by, is_day in ((blocks, True), (np.random.default_rng(seed).permutation(len(labels)), False)):
            spread = paired_blocks("brier", labels, old, new, by).spread
            assert spread is not None
            sure_by_day += is_day and spread.confidence(0) >= 0.95
            sure_by_row += not is_day and spread.confidence(0) >= 0.95
    assert sure_by_day <= 7  # 5 % of 60 are 3
    assert sure_by_row >= 2 * max(sure_by_day, 5)


def test_a_better_model_is_found_better() -> None:
    random = np.random.default_rng(5)
    labels = (random.random(2000) < 0.3).astype(float)
    good = np.clip(0.3 + 0.2 * (labels - 0.3) + random.normal(0, 0.05, 2000), 0.01, 0.99)
    found = paired_blocks("log_loss", labels, np.full(2000, 0.3), good, np.repeat(np.arange(20), 100))
    assert found.spread is not None
    assert 0 < found.spread.lower(0.95) < found.gain
    assert np.mean([isinstance(gained, float) and gained > 0 for gained in found.block_gains]) > 0.9


def test_too_few_blocks_have_no_spread() -> None:
    labels, old, new = _rows(80, 3)
    few = paired_blocks("brier", labels, old, new, np.arange(80) % (MIN_BLOCKS - 1))
    assert few.spread is None
    assert paired_blocks("brier", labels, old, new, np.arange(80) % MIN_BLOCKS).spread is not None


def test_auc_without_a_second_class_anywhere_is_said() -> None:
    with pytest.raises(InputError, match="roc_auc cannot be compared: the rows hold one class only"):
        paired_blocks("roc_auc", np.zeros(20), np.ones(20), np.ones(20), np.arange(20))


def test_a_block_of_one_class_is_not_measured_and_still_counts() -> None:
    labels, old, _ = _rows(600, 2)
    labels[:100] = 0.0
    found = paired_blocks("roc_auc", labels, old, 0.3 * labels + old, np.repeat(np.arange(6), 100))
    assert found.block_gains[0] == ONE_CLASS
    assert all(isinstance(value, float) for value in found.block_gains[1:])
    assert found.spread is not None
    assert found.spread.confidence(0) > 0.9


@pytest.mark.parametrize("metric", ["log_loss", "roc_auc", "rmse"])
def test_what_rounding_alone_tells_apart_is_no_gain(metric: str) -> None:
    labels, old, _ = _rows(1400, 5)
    found = paired_blocks(metric, labels, old, old * (1 + 1e-15), np.repeat(np.arange(14), 100))
    assert found.gain == 0
    assert found.spread is not None
    assert (found.spread.error, found.spread.confidence(0.0)) == (0, 0)
