"""Guardrails refuse what is surely beyond a limit, and nobody by luck."""

import numpy as np
import pytest
from pydantic import ValidationError

from mlcycle.domain.gate import Test, decide
from mlcycle.domain.guardrails import calibration, fairness, latency, size
from mlcycle.domain.paired import paired_blocks
from mlcycle.project import Gate, Guardrails
from mlcycle.project.file import load_named
from tests.conftest import ROOT

ROWS, DAYS = 4000, 20


def world(seed: int, off: float = 0.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Labels, probabilities whose log odds are ``off`` too high, and days."""
    random = np.random.default_rng(seed)
    odds = random.normal(-1.0, 1.0, ROWS)
    labels = (random.random(ROWS) < 1 / (1 + np.exp(-odds))).astype(float)
    return labels, 1 / (1 + np.exp(-odds - off)), np.arange(ROWS) * DAYS // ROWS


def test_what_is_calibrated_has_no_error_by_chance_and_what_is_off_is_measured() -> None:
    found = [calibration.error(*world(seed)) for seed in range(40)]
    assert abs(np.mean([each.gain for each in found if each])) < 0.003  # ten groups' own would be .016
    labels, said, days = world(1, off=0.7)
    off = calibration.error(labels, said, days)
    assert off is not None
    assert off.gain == pytest.approx(float(np.mean(said - labels)), abs=0.01)
    assert calibration.error(labels, said, np.zeros(ROWS, dtype=int)) is None


@pytest.mark.parametrize(("off", "passes"), [(0.0, True), (0.15, True), (0.8, False)])
def test_calibration_refuses_beyond_its_limit_alone(off: float, passes: bool) -> None:
    labels, said, days = world(3, off)
    found = calibration.judged(labels, said, None, days, unit=None, max_error=0.05)
    assert found.passed == passes, found.words


def test_a_champion_that_is_no_nearer_is_no_reason_to_refuse() -> None:
    labels, said, days = world(3, 0.8)
    worse = 1 / (1 + np.exp(-np.log(said / (1 - said)) - 0.5))
    found = calibration.judged(labels, said, worse, days, unit=None, max_error=0.05)
    assert found.passed
    assert "no further off than the champion" in found.words
    assert not calibration.judged(labels, worse, said, days, unit=None, max_error=0.05).passed


def test_a_number_s_error_is_in_standard_deviations_of_the_label() -> None:
    random = np.random.default_rng(5)
    labels, days = random.normal(50, 10, ROWS), np.arange(ROWS) * DAYS // ROWS
    found = calibration.judged(labels, labels * 0 + labels.mean() + 3, None, days, unit=10.0, max_error=0.2)
    assert found.value == pytest.approx(0.3, abs=0.01)
    assert not found.passed


def groups(gap: float, seed: int = 2) -> list[fairness.Group]:
    random = np.random.default_rng(seed)
    names = random.choice(["a", "b", "c", "tiny"], ROWS, p=[0.5, 0.3, 0.19, 0.01])
    values = (random.random(ROWS) < np.where(names == "c", 0.3 + gap, 0.3)).astype(float)
    days = np.arange(ROWS) * DAYS // ROWS
    return fairness.differences(values, np.full(ROWS, True), list(names), days, 10)


def test_a_group_that_is_surely_treated_otherwise_refuses_and_a_small_one_does_not_by_luck() -> None:
    assert not fairness.judged("kind", "selection_rate", groups(0.2), 0.05).passed
    luck = [fairness.judged("kind", "selection_rate", groups(0.0, seed), 0.0) for seed in range(25)]
    assert sum(not each.passed for each in luck) <= 5  # .1 of them, both directions of four groups at once
    far = [max(abs(group.difference) for group in groups(0.0, seed)) for seed in range(25)]
    assert np.median(far) > 0.04  # what a limit on the differences themselves would have refused for


def test_a_true_positive_rate_counts_positives_alone() -> None:
    labels, said = np.array([1.0, 0.0, 1.0]), np.array([0.9, 0.9, 0.1])
    values, counted = fairness.of_rows("true_positive_rate", labels, said, 0.5)
    assert values[counted].tolist() == [1.0, 0.0]


def test_latency_is_broken_where_the_median_surely_is_not_where_one_turn_was_held_up() -> None:
    own = [0.010] * 14 + [3.0]
    assert latency.judged(own, [0.009] * 15, 1000, 20.0, 1.5).passed
    assert not latency.judged([0.030] * 15, None, 1000, 20.0, None).passed
    assert not latency.judged([0.030] * 15, [0.010] * 15, 1000, None, 2.0).passed
    assert latency.judged([0.030] * 15, None, 1000, None, 2.0).passed
    assert latency.least_median([1.0, 2.0]) == float("-inf")


def test_size_counts_bytes() -> None:
    assert not size.judged(3 * 2**20, None, 2.0, None).passed
    assert size.judged(3 * 2**20, 2 * 2**20, 4.0, 2.0).passed
    assert not size.judged(5 * 2**20, 2 * 2**20, None, 2.0).passed


def test_a_broken_guardrail_refuses_a_better_model_and_a_kept_one_is_told() -> None:
    labels, said, days = world(7)
    paired = paired_blocks("log_loss", labels, np.full(ROWS, labels.mean()), said, days)
    tests_ = [Test("the zero rule", paired, 0.0, 0.9)]
    kept, broken = size.judged(1, None, 1.0, None), size.judged(2**30, None, 1.0, None)
    promoted = decide(Gate(), tests_, ROWS, [], [kept])
    assert promoted.verdict == "promote"
    assert any("guardrail size" in reason for reason in promoted.reasons)
    refused = decide(Gate(), tests_, ROWS, [], [kept, broken])
    assert refused.verdict == "refuse"
    assert refused.reasons[0].startswith("guardrail size: 1.02e+03 MiB")


@pytest.mark.parametrize(
    ("said", "wrong"),
    [
        ({"latency": {}}, "nothing is limited: say max_ms, max_ratio, or both"),
        ({"speed": {"max_ms": 3}}, "Extra inputs are not permitted"),
        ({"fairness": {"columns": ["origin"], "rate": "parity", "max_difference": 0.1}}, "selection_rate"),
    ],
    ids=["no limit", "no such guardrail", "no such rate"],
)
def test_wrong_guardrails_are_refused_in_words(said: dict[str, object], wrong: str) -> None:
    with pytest.raises(ValidationError, match=wrong):
        Guardrails.model_validate(said)


def test_columns_of_fairness_are_a_part_of_the_dataset_and_rates_fit_the_task() -> None:
    document = load_named(ROOT / "projects", "flights").document()
    fair = {"columns": ["sched_hour", "tailnum"], "rate": "selection_rate", "max_difference": 0.1}
    document["gate"]["guardrails"] = {"fairness": fair}
    project = type(load_named(ROOT / "projects", "flights")).model_validate(document)
    assert "tailnum" in project.dataset_columns
    weather = load_named(ROOT / "projects", "weather").document()
    weather["gate"]["guardrails"] = {"fairness": {**fair, "columns": ["origin"]}}
    with pytest.raises(ValidationError, match="say mean_error"):
        type(project).model_validate(weather)
