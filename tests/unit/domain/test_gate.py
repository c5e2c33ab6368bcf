"""The gate, and the slices that it looks at."""

from dataclasses import replace

import numpy as np
import pytest

from mlcycle.domain.gate import Test, decide
from mlcycle.domain.interval import Spread
from mlcycle.domain.metrics import ONE_CLASS
from mlcycle.domain.paired import Paired
from mlcycle.domain.slices import SliceChange, at_once, compare_slices, measure_slices, moderated, together
from mlcycle.project import Gate

GATE = Gate(min_rows=100, min_slice_rows=50, max_slice_loss=0.05)


def _test(
    gain: float, error: float = 0.001, blocks: int = 14, min_gain: float = 0.0, rival: str = "the champion"
) -> Test:
    spread = Spread(gain, error, 2) if blocks >= 5 else None
    paired = Paired("log_loss", 0.45, 0.45 - gain, gain, blocks, spread, [gain] * blocks)
    return Test(rival, paired, min_gain, 0.9)


def test_the_gate_promotes_what_is_surely_better() -> None:
    decision = decide(GATE, [_test(0.01)], 5000, [])
    assert decision.verdict == "promote"
    assert decision.reasons == [
        "log_loss 0.4400 against 0.4500 of the champion: 0.0100 better (90 % interval +0.0071 to +0.0129); "
        "better at all with 99.5% confidence",
        "compared on 5000 rows in 14 blocks of time",
        "against the champion a true gain of +0.0028 would have been seen with 80%",
        "no slice was large enough to judge",
    ]


@pytest.mark.parametrize(
    ("test", "rows", "says"),
    [
        (_test(0.01, 0.01), 5000, "better at all with 78.9% confidence, the gate asks for 90.0%"),
        (_test(-0.01), 5000, "0.0100 worse"),
        (_test(0.0), 5000, "0.0000 different"),
        (_test(0.01), 99, "99 rows to compare on, the gate asks for 100"),
        (_test(0.01, blocks=4), 5000, "4 blocks of time to compare on, at least 5 are needed"),
        (_test(0.01, min_gain=0.02), 5000, "better by 0.02 or more with 0.5% confidence"),
        (_test(-0.004, min_gain=-0.005), 5000, "worse by 0.005 at most with 78.9% confidence"),
    ],
    ids=["unsure", "worse", "equal", "few rows", "few blocks", "too little", "near the margin"],
)
def test_the_gate_refuses_and_says_why(test: Test, rows: int, says: str) -> None:
    decision = decide(GATE, [test], rows, [])
    assert decision.verdict == "refuse"
    assert any(says in reason for reason in decision.reasons), decision.reasons


def test_who_is_surely_better_than_the_anchor_need_not_be_surer_still() -> None:
    """Seen over the year of flights: better by .04, its interval above nought, and refused at 98 of 100."""
    strict = replace(_test(0.04, 0.012, min_gain=-0.005, rival="the anchor"), confidence=0.99)
    assert decide(GATE, [strict], 5000, []).verdict == "refuse"
    asked = replace(strict, if_better=0.95)
    assert 0.95 < asked.paired.spread.confidence(0.0) < asked.sure < 0.99  # type: ignore[union-attr]
    assert decide(GATE, [asked], 5000, []).verdict == "promote"
    assert "better at all with 95% or more, which is enough" in asked.verdict
    unsure = replace(_test(0.03, 0.012, min_gain=-0.005), confidence=0.99, if_better=0.95)
    assert decide(GATE, [unsure], 5000, []).verdict == "refuse"
    assert unsure.verdict.endswith("the gate asks for 99.0%, or to be better at all with 95%")


def test_a_negative_least_gain_is_a_margin_for_newer_data() -> None:
    decision = decide(GATE, [_test(-0.001, min_gain=-0.005)], 5000, [])
    assert decision.verdict == "promote"
    assert "0.0010 worse" in decision.reasons[0]
    assert "worse by 0.005 at most with 97.1% confidence" in decision.reasons[0]
    assert "a model exactly as good would have passed with 9" in decision.reasons[2]


def test_every_rival_must_be_passed_and_each_that_was_not_is_named() -> None:
    champion, heuristic = _test(0.01), _test(-0.02, rival="the heuristic table")
    decision = decide(GATE, [champion, heuristic], 5000, [])
    assert decision.verdict == "refuse"
    assert "of the heuristic table: 0.0200 worse" in decision.reasons[0]
    assert not any("of the champion" in reason for reason in decision.reasons)
    both = decide(GATE, [champion, _test(0.02, rival="the heuristic table")], 5000, [])
    assert both.verdict == "promote"
    assert ["of the champion" in both.reasons[0], "of the heuristic table" in both.reasons[1]] == [True, True]


DAYS = 10


def _places() -> tuple[np.ndarray, np.ndarray, np.ndarray, list[str], np.ndarray]:
    """Better on the whole, worse in the north; ten days of thirty rows."""
    random = np.random.default_rng(4)
    places = (["north"] * 6 + ["south"] * 20 + ["tiny"] * 4) * DAYS
    north = np.array(places) == "north"
    old = np.full(len(places), 0.2)
    new = np.where(north, 0.4, 0.05) + random.uniform(-0.01, 0.01, len(places))
    return np.zeros(len(places)), old, new, places, np.repeat(np.arange(DAYS), 30)


def test_a_slice_that_surely_gets_much_worse_stops_a_promotion() -> None:
    labels, old, new, places, days = _places()
    changes = compare_slices("log_loss", labels, old, new, {"place": places}, 50, days)
    assert [change.name for change in changes] == ["place=north", "place=south"]
    assert isinstance(changes[0].loss, float)
    assert changes[0].bound is not None
    assert changes[0].loss > changes[0].bound > 0.05
    decision = decide(GATE, [_test(0.01)], 5000, changes)
    assert decision.verdict == "refuse"
    assert "slice place=north (60 rows) gets worse" in decision.reasons[0]
    loose = GATE.model_copy(update={"max_slice_loss": 1.0})
    assert decide(loose, [_test(0.01)], 5000, changes).verdict == "promote"


def test_a_slice_in_few_blocks_is_measured_and_not_judged() -> None:
    labels, old, new, places, _ = _places()
    changes = compare_slices("log_loss", labels, old, new, {"place": places}, 50, np.arange(len(labels)) % 4)
    assert not any(change.judged for change in changes)
    assert changes[0].bound is None
    assert decide(GATE, [_test(0.01)], 5000, changes).reasons[-1] == "no slice was large enough to judge"


@pytest.mark.parametrize(
    ("loss", "bound", "refused"), [(0.3, 0.1, True), (0.3, 0.0, False), (0.25, 0.1, False)]
)
def test_worse_is_surely_worse_and_by_more_than_allowed(loss: float, bound: float, refused: bool) -> None:
    change = SliceChange("a=b", 50, 0.5, 0.5 + loss, loss, bound, loss)
    edge = GATE.model_copy(update={"max_slice_loss": 0.25})
    decision = decide(edge, [_test(0.01)], 5000, [change])
    assert decision.verdict == ("refuse" if refused else "promote")
    if refused:
        assert decision.reasons[0] == (
            "slice a=b (50 rows) gets worse by 0.3000, from 0.5000 to 0.8000, and surely by 0.1000 among all "
            "slices; the gate allows 0.25"
        )
    else:
        assert decision.reasons[-1] == "none of 1 slices surely got worse than allowed"


def test_a_slice_of_one_class_is_not_measured_and_said() -> None:
    random = np.random.default_rng(2)
    labels = (random.random(600) < 0.4).astype(float)
    labels[:100] = 0.0
    old, new = random.random(600), 0.3 * labels + random.random(600)
    places = ["dry"] * 100 + ["wet"] * 500
    changes = compare_slices("roc_auc", labels, old, new, {"place": places}, 50, np.arange(600) % 10)
    assert [(change.name, change.loss == ONE_CLASS) for change in changes] == [
        ("place=wet", False),
        ("place=dry", True),
    ]
    said = "log_loss was not measured on place=dry: the rows hold one class only"
    decision = decide(GATE.model_copy(update={"max_slice_loss": 1.0}), [_test(0.01)], 600, changes)
    assert decision.verdict == "promote"
    assert said in decision.reasons
    assert "no slice was large enough to judge" in decide(GATE, [_test(0.01)], 600, changes[1:]).reasons


def test_equal_slices_are_called_worse_once_in_twenty_windows() -> None:
    """Twelve slices on fourteen days whose rows go together a little; errors known only from the days."""
    random, wrong = np.random.default_rng(6), 0
    slices = np.tile(np.repeat(np.arange(12), 20), 14)
    days = np.repeat(np.arange(14), 240)
    texts = {"a": [str(code) for code in slices]}
    for _ in range(200):
        truth = np.zeros(len(days))
        both = random.normal(size=(2, len(days))) + 0.3 * random.normal(size=(2, 14))[:, days]
        changes = compare_slices("mae", truth, np.abs(both[0]), np.abs(both[1]), texts, 30, days)
        wrong += any(change.bound is not None and change.bound > 0 for change in changes)
    assert wrong / 200 <= 0.1


def test_an_error_is_drawn_to_what_slices_have_in_common() -> None:
    random = np.random.default_rng(7)
    sums = random.normal(0, 2.0, (40, 14))
    errors, freedom = moderated(sums, np.full(40, 14.0))
    own = np.sqrt(((sums - sums.mean(1, keepdims=True)) ** 2).sum(1) * 14 / 13)
    assert errors.std() < own.std() / 3
    assert np.mean(errors) == pytest.approx(2 * np.sqrt(14), rel=0.1)
    assert freedom == 26  # twice what one slice has: they share their days
    few, alone = moderated(sums[:2], np.full(2, 14.0))
    assert few == pytest.approx(own[:2])
    assert alone == 13


@pytest.mark.parametrize("beyond", [-1e-9, 1e-9, 1e-3, 1e7])
def test_slices_may_spread_as_much_as_chance_alone_or_hardly_more(beyond: float) -> None:
    from scipy.special import polygamma

    own = 13
    sums = np.tile(np.random.default_rng(2).normal(size=own + 1), (3, 1))
    apart = float(np.sqrt(polygamma(1, own / 2) + beyond))
    errors, freedom = moderated(sums, np.exp(np.array([-apart, 0.0, apart]).clip(-300, 300)))
    assert np.isfinite(errors).all()
    assert own <= freedom <= 2 * own


def test_more_slices_ask_for_more() -> None:
    random = np.random.default_rng(8)
    one, many = random.normal(size=(1, 14)), random.normal(size=(20, 14))
    assert at_once(one, 26) == pytest.approx(1.7, abs=0.1)
    assert at_once(np.repeat(one, 20, axis=0), 26) == pytest.approx(1.7, abs=0.1)  # all of one and the same
    assert 2.7 < at_once(many, 26) < 3.3
    assert at_once(np.zeros((2, 14)), 26) == pytest.approx(1.7, abs=0.1)


def test_what_is_luck_is_drawn_together_and_what_stands_out_stays() -> None:
    same = np.array([0.01, -0.01, 0.02, -0.02])
    assert together(same, np.full(4, 0.05)) == pytest.approx(0.0, abs=1e-9)
    apart = np.array([0.5, -0.5, 0.4, -0.4])
    assert together(apart, np.full(4, 0.05)) == pytest.approx(apart, rel=0.05)
    mixed = together(np.array([0.5, -0.5, 0.4, 0.4]), np.array([0.05, 0.05, 0.05, 0.8]))
    assert mixed[3] < 0.25
    assert together(same[:2], np.full(2, 0.05)) == pytest.approx(same[:2])


def test_slices_cover_every_value_of_every_column() -> None:
    labels, predictions = np.array([0.0, 1, 1]), np.array([0.1, 0.9, 0.2])
    found = measure_slices("brier", labels, predictions, {"a": ["x", "x", "y"], "b": ["1", "1", "1"]})
    assert {(s.name, s.rows): round(s.metric, 4) for s in found} == {
        ("a=x", 2): 0.01,
        ("a=y", 1): 0.64,
        ("b=1", 3): 0.22,
    }


def test_the_gate_at_its_edges() -> None:
    paired = [_test(0.01, blocks=5)]
    assert decide(GATE, paired, GATE.min_rows, []).verdict == "promote"
    just = replace(_test(0.01, 0.01), confidence=Spread(0.01, 0.01, 2).confidence(0))
    assert decide(GATE, [just], 5000, []).verdict == "promote"


def test_a_slice_too_small_to_judge_hides_none_behind_it() -> None:
    labels, predictions = np.zeros(4), np.full(4, 0.5)
    found = measure_slices("brier", labels, predictions, {"a": ["a", "b", "b", "b"]}, min_rows=2)
    assert [item.name for item in found] == ["a=b"]


def test_a_slice_s_loss_knows_which_way_the_metric_points() -> None:
    labels = np.array([0.0, 1.0, 0.0, 1.0])
    old, new = np.array([0.1, 0.9, 0.1, 0.9]), np.array([0.9, 0.1, 0.9, 0.1])
    (change,) = compare_slices("roc_auc", labels, old, new, {"a": ["x"] * 4}, 1, np.arange(4))
    assert change.loss == 1.0


def test_slices_of_numbers_and_words_are_named_as_they_are_written() -> None:
    found = measure_slices("brier", np.zeros(3), np.zeros(3), {"a": [1, "b", None]})  # type: ignore[list-item]
    assert sorted(item.value for item in found) == ["1", "None", "b"]
