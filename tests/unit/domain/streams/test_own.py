"""Detectors on streams of which the change is known."""

import numpy as np
import pytest

from mlcycle.domain.streams import elements
from mlcycle.domain.streams.own import Ewma, FourRates, Kswin
from mlcycle.domain.streams.replay import Detector

RANDOM = np.random.default_rng(1)
CALM = RANDOM.normal(size=400)


def codes(rows: int, right: float) -> list[float]:
    """Ones and zeros by halves; of the ones this share is told, of the zeros nine in ten."""
    was = RANDOM.random(rows) < 0.5
    hit = RANDOM.random(rows) < np.where(was, right, 0.9)
    return (2.0 * was + np.where(hit, was, ~was)).tolist()


@pytest.mark.parametrize(
    ("detector", "before", "after"),
    [
        (Ewma(4.5, upward=True), CALM, CALM[:40] + 2),
        (Kswin(1e-5, 100, 30, upward=True), CALM, CALM[:40] + 2),
        (FourRates(1e-6), codes(3000, 0.9), codes(400, 0.5)),
    ],
    ids=["ewma", "kswin", "four rates"],
)
def test_a_change_is_told_of_and_calm_is_not(detector: Detector, before: object, after: object) -> None:
    assert not any(map(detector.update, np.asarray(before)))
    assert any(map(detector.update, np.asarray(after)))


@pytest.mark.parametrize("make", [lambda up: Ewma(4.5, up), lambda up: Kswin(1e-5, 100, 30, up)])
def test_fewer_errors_are_a_change_of_the_score_alone(make: object) -> None:
    fall = [*CALM, *(CALM[:60] - 3)]
    upward, either = make(True), make(False)  # type: ignore[operator]
    assert not any(map(upward.update, fall))
    assert any(map(either.update, fall))


def test_it_starts_anew_after_an_alarm() -> None:
    chart = Ewma(3.0, upward=True)
    assert [chart.update(value) for value in (10.0, 0.0, 0.0)] == [True, False, False]


def test_elements_of_rows() -> None:
    label, said, trained = np.array([1.0, 0.0, 1.0]), np.array([0.6, 0.3, 0.1]), np.array([0.0, 1.0, 0, 0])
    task = "classification"
    assert elements.of("error", task, label, said, trained) == pytest.approx(
        [0.16 - 0.24, 0.09 - 0.21, 0.81 - 0.09]
    )
    assert elements.of("classes", task, label, said, trained).tolist() == [3, 1, 2]  # .25 is usual
    assert elements.of("mistakes", task, label, said, trained).tolist() == [0, 1, 1]
    trained = np.array([0.0, 4.0])  # of standard deviation 2
    off = elements.of("error", "regression", label + 10, label + 8, trained)
    assert off.tolist() == [1, 1, 1]
    found = elements.of("mistakes", "regression", np.array([0.0, 0.0]), np.array([0.4, -0.6]), trained)
    assert found.tolist() == [0, 1]
