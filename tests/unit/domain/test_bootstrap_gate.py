"""The paired block bootstrap and the gate that judges by it."""

from dataclasses import replace

import numpy as np
import pytest

from mlcycle.domain.bootstrap import Paired, paired_blocks
from mlcycle.domain.gate import decide
from mlcycle.domain.metrics import METRICS, ONE_CLASS, gain
from mlcycle.domain.slices import SliceChange, compare_slices, measure_slices
from mlcycle.errors import InputError
from mlcycle.project import Gate

GATE = Gate(min_rows=100, min_slice_rows=50, max_slice_loss=0.05)


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


@pytest.mark.parametrize("metric", list(METRICS))
def test_a_draw_is_the_metric_on_the_drawn_rows(metric: str) -> None:
    """The fast sums agree with drawing whole blocks and measuring the rows they hold."""
    random = np.random.default_rng(1)
    labels = (random.random(300) < 0.4).astype(float)
    old, new = random.random(300), random.random(300)
    blocks = np.sort(random.integers(0, 12, 300))
    found = paired_blocks(metric, labels, old, new, blocks, resamples=50, seed=7)
    draws = np.random.default_rng(7).multinomial(12, np.full(12, 1 / 12), size=50)
    for drawn, sample in zip(draws, found.samples, strict=True):
        rows = np.concatenate([np.flatnonzero(blocks == b) for b in range(12) for _ in range(drawn[b])])
        measure = METRICS[metric]
        expected = gain(
            metric, measure(labels[rows], old[rows], None), measure(labels[rows], new[rows], None)
        )
        assert sample == pytest.approx(expected)


def test_the_same_seed_gives_the_same_answer_and_another_one_another() -> None:
    rows = _days(20, 50, 0, 0.1)
    first, again, other = (
        paired_blocks("log_loss", *rows[:3], rows[3], resamples=200, seed=s) for s in (1, 1, 2)
    )
    assert (first.samples == again.samples).all()
    assert (first.samples != other.samples).any()


def test_blocks_keep_luck_of_whole_days_from_looking_significant() -> None:
    """Two models of equal worth, each lucky on whole days: rows as blocks are sure far too often."""
    sure_by_day = sure_by_row = 0
    for seed in range(40):
        labels, old, new, blocks = _days(14, 60, seed, 0.2)
        by_day = paired_blocks("brier", labels, old, new, blocks, resamples=300, seed=seed)
        by_row = paired_blocks("brier", labels, old, new, np.arange(len(labels)), resamples=300, seed=seed)
        sure_by_day += by_day.probability(0) >= 0.95
        sure_by_row += by_row.probability(0) >= 0.95
    assert sure_by_day <= 7  # 5 % of 40 are 2; fourteen blocks are few
    assert sure_by_row >= 2 * max(sure_by_day, 5)


def test_a_better_model_is_found_better() -> None:
    random = np.random.default_rng(5)
    labels = (random.random(2000) < 0.3).astype(float)
    good = np.clip(0.3 + 0.2 * (labels - 0.3) + random.normal(0, 0.05, 2000), 0.01, 0.99)
    blocks = np.repeat(np.arange(20), 100)
    found = paired_blocks("log_loss", labels, np.full(2000, 0.3), good, blocks, resamples=500, seed=1)
    low, high = found.interval(0.9)
    assert 0 < low < found.gain < high
    assert found.probability(0) == 1.0
    assert np.mean([gained > 0 for gained in found.block_gains]) > 0.9


def test_auc_without_a_second_class_anywhere_is_said() -> None:
    with pytest.raises(InputError, match="one class only"):
        paired_blocks("roc_auc", np.zeros(20), np.ones(20), np.ones(20), np.arange(20), resamples=9, seed=1)


def _paired(gains: list[float], blocks: int = 14) -> Paired:
    samples = np.array(gains)
    return Paired("log_loss", 0.45, 0.45 - samples.mean(), samples.mean(), blocks, samples, gains)


def test_the_gate_promotes_what_is_surely_better() -> None:
    decision = decide(GATE, _paired([0.01] * 95 + [-0.001] * 5), 5000, [])
    assert decision.verdict == "promote"
    assert "better in 95.0% of the draws" in decision.reasons[0]


@pytest.mark.parametrize(
    ("paired", "rows", "says"),
    [
        (_paired([0.01] * 80 + [-0.01] * 20), 5000, "better at all in 80.0% of the draws"),
        (_paired([-0.01] * 100), 5000, "worse"),
        (_paired([0.0] * 100), 5000, "better at all in 0.0% of the draws"),
        (_paired([0.01] * 100), 99, "99 rows to compare on, the gate asks for 100"),
        (_paired([0.01] * 100, blocks=4), 5000, "4 blocks of time"),
    ],
    ids=["unsure", "worse", "equal", "few rows", "few blocks"],
)
def test_the_gate_refuses_and_says_why(paired: Paired, rows: int, says: str) -> None:
    decision = decide(GATE, paired, rows, [])
    assert decision.verdict == "refuse"
    assert any(says in reason for reason in decision.reasons), decision.reasons


def test_the_gate_asks_for_its_least_gain() -> None:
    strict = GATE.model_copy(update={"min_gain": 0.02})
    assert decide(strict, _paired([0.01] * 100), 5000, []).verdict == "refuse"
    assert decide(strict, _paired([0.03] * 100), 5000, []).verdict == "promote"


def test_a_negative_least_gain_is_a_margin_for_newer_data() -> None:
    lenient = GATE.model_copy(update={"min_gain": -0.005})
    decision = decide(lenient, _paired([-0.001] * 95 + [-0.02] * 5), 5000, [])
    assert decision.verdict == "promote"
    assert "worse by 0.005 at most in 95.0% of the draws" in decision.reasons[0]
    assert decide(lenient, _paired([-0.001] * 80 + [-0.02] * 20), 5000, []).verdict == "refuse"


def test_a_slice_that_gets_much_worse_stops_a_promotion() -> None:
    labels = np.zeros(300)
    old = np.full(300, 0.2)
    new = np.where(np.arange(300) < 60, 0.4, 0.05)  # better on the whole, worse for the first sixty
    places = ["north"] * 60 + ["south"] * 200 + ["tiny"] * 40
    changes = compare_slices("log_loss", labels, old, new, {"place": places}, 50)
    assert [change.name for change in changes] == ["place=north", "place=south"]
    assert changes[0].loss > 0.05 > 0 > changes[1].loss
    decision = decide(GATE, _paired([0.01] * 100), 5000, changes)
    assert decision.verdict == "refuse"
    assert "slice place=north (60 rows) gets worse" in decision.reasons[0]
    loose = GATE.model_copy(update={"max_slice_loss": 1.0})
    assert decide(loose, _paired([0.01] * 100), 5000, changes).verdict == "promote"


def test_a_block_or_a_slice_of_one_class_is_not_measured_and_said() -> None:
    random = np.random.default_rng(2)
    labels = (random.random(600) < 0.4).astype(float)
    labels[:100] = 0.0
    old, new = random.random(600), 0.3 * labels + random.random(600)
    found = paired_blocks("roc_auc", labels, old, new, np.repeat(np.arange(6), 100), resamples=200, seed=1)
    assert found.block_gains[0] == ONE_CLASS
    assert all(isinstance(value, float) for value in found.block_gains[1:])
    places = ["dry"] * 100 + ["wet"] * 500
    changes = compare_slices("roc_auc", labels, old, new, {"place": places}, 50)
    assert [(change.name, change.loss == ONE_CLASS) for change in changes] == [
        ("place=wet", False),
        ("place=dry", True),
    ]
    decision = decide(GATE.model_copy(update={"max_slice_loss": 1.0}), found, 600, changes)
    assert decision.verdict == "promote"
    assert "roc_auc was not measured on place=dry: the rows hold one class only" in decision.reasons
    alone = decide(GATE, found, 600, changes[1:])
    assert "no slice was large enough to judge" in alone.reasons


def test_slices_cover_every_value_of_every_column() -> None:
    labels, predictions = np.array([0.0, 1, 1]), np.array([0.1, 0.9, 0.2])
    found = measure_slices("brier", labels, predictions, {"a": ["x", "x", "y"], "b": ["1", "1", "1"]})
    assert {(s.name, s.rows): round(s.metric, 4) for s in found} == {
        ("a=x", 2): 0.01,
        ("a=y", 1): 0.64,
        ("b=1", 3): 0.22,
    }


def test_the_interval_leaves_the_same_share_on_both_sides() -> None:
    found = _paired(list(np.arange(101) / 100))
    assert found.interval(0.9) == pytest.approx((0.05, 0.95))
    assert found.interval(0.5) == pytest.approx((0.25, 0.75))


def test_a_draw_of_just_the_gain_asked_for_counts_and_no_gain_at_zero_does_not() -> None:
    found = _paired([0.5, 0.5, 0.25, 0.0])
    assert found.probability(0.5) == 0.5
    assert found.probability(0) == 0.75


@pytest.mark.parametrize("metric", ["log_loss", "roc_auc"])
def test_the_comparison_names_its_metric_and_measures_every_block_alone(metric: str) -> None:
    random = np.random.default_rng(2)
    labels = np.tile([0.0, 1.0, 1.0, 0.0], 6)
    old, new = random.random(24), random.random(24)
    blocks = np.repeat([7, 3, 5], 8)
    found = paired_blocks(metric, labels, old, new, blocks, resamples=20, seed=1)
    measure = METRICS[metric]
    assert (found.metric, found.blocks) == (metric, 3)
    assert found.old == measure(labels, old, None)
    assert found.new == measure(labels, new, None)
    assert found.gain == pytest.approx(gain(metric, found.old, found.new))
    alone = [
        gain(metric, measure(labels[b], old[b], None), measure(labels[b], new[b], None))
        for b in (blocks == n for n in (3, 5, 7))
    ]
    assert found.block_gains == pytest.approx(alone)


def test_the_gate_s_words_name_both_models_and_the_interval() -> None:
    decision = decide(GATE, _paired([0.01] * 100), 5000, [])
    assert decision.reasons == [
        "log_loss 0.4400 against 0.4500 of the champion: 0.0100 better (90 % interval +0.0100 to +0.0100); "
        "better in 100.0% of the draws",
        "compared on 5000 rows in 14 blocks of time",
        "no slice was large enough to judge",
    ]


@pytest.mark.parametrize(
    ("gains", "verb"),
    [
        ([0.5], "0.5000 better"),
        ([-0.5], "0.5000 worse"),
        ([0.0], "0.0000 different"),
        ([2.0], "2.0000 better"),
    ],
    ids=["better", "worse", "equal", "much-better"],
)
def test_the_gate_says_which_way_the_metric_went(gains: list[float], verb: str) -> None:
    decision = decide(GATE, _paired(gains * 100), 5000, [], rival="the zero rule")
    assert f"of the zero rule: {verb} (90 % interval" in decision.reasons[0]


def test_the_gate_at_its_edges() -> None:
    paired = _paired([0.01] * 100, blocks=5)
    assert decide(GATE, paired, GATE.min_rows, []).verdict == "promote"
    just = GATE.model_copy(update={"confidence": 0.75})
    assert decide(just, _paired([0.01] * 75 + [-0.001] * 25), 5000, []).verdict == "promote"
    edge = GATE.model_copy(update={"max_slice_loss": 0.25})
    small = SliceChange("a=b", GATE.min_slice_rows, 0.5, 0.75, 0.25)
    decision = decide(edge, paired, 5000, [small])
    assert decision.verdict == "promote"
    assert decision.reasons[-1] == "no slice got worse than allowed"
    worse = SliceChange("a=b", GATE.min_slice_rows, 0.5, 0.875, 0.375)
    assert decide(edge, paired, 5000, [worse]).reasons == [
        f"slice a=b ({GATE.min_slice_rows} rows) gets worse by 0.3750, from 0.5000 to 0.8750; the gate allows 0.25"
    ]
    assert decide(edge, paired, 5000, [replace(worse, rows=GATE.min_slice_rows - 1)]).verdict == "promote"


@pytest.mark.parametrize(
    ("min_gain", "says"),
    [
        (0.02, "better by 0.02 or more in 0.0%"),
        (-0.001, "worse by 0.001 at most in 0.0%"),
        (0.0, "better at all in 0.0%"),
    ],
    ids=["a-gain", "a-margin", "any"],
)
def test_a_refusal_says_what_was_asked_for(min_gain: float, says: str) -> None:
    rules = GATE.model_copy(update={"min_gain": min_gain})
    decision = decide(rules, _paired([-0.01] * 100), 5000, [])
    assert f"{says} of the draws, the gate asks for {GATE.confidence:.0%}" in decision.reasons[0]


def test_a_slice_too_small_to_judge_hides_none_behind_it() -> None:
    labels, predictions = np.zeros(4), np.full(4, 0.5)
    found = measure_slices("brier", labels, predictions, {"a": ["a", "b", "b", "b"]}, min_rows=2)
    assert [item.name for item in found] == ["a=b"]


def test_a_slice_s_loss_knows_which_way_the_metric_points() -> None:
    labels = np.array([0.0, 1.0, 0.0, 1.0])
    old, new = np.array([0.1, 0.9, 0.1, 0.9]), np.array([0.9, 0.1, 0.9, 0.1])
    (change,) = compare_slices("roc_auc", labels, old, new, {"a": ["x"] * 4}, 1)
    assert change.loss == 1.0


def test_slices_of_numbers_and_words_are_named_as_they_are_written() -> None:
    found = measure_slices("brier", np.zeros(3), np.zeros(3), {"a": [1, "b", None]})  # type: ignore[list-item]
    assert sorted(item.value for item in found) == ["1", "None", "b"]
