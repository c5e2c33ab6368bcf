import itertools
import math
from typing import Any

import numpy as np
import pandas as pd
import pytest

from mlcycle.domain.evaluation import shapley
from mlcycle.domain.evaluation.shapley import sampled
from tests.unit.domain.evaluation.made import classes

NAMES = ["a", "b", "c"]


def answer(frame: Any) -> np.ndarray:
    """Inputs act together: no input's share can be told by itself."""
    a, b, c = (frame[name].to_numpy(dtype=float) for name in NAMES)
    return a * b + np.sin(c) + 0.5 * a * b * c


def frame_of(rows: int, seed: int) -> pd.DataFrame:
    return pd.DataFrame(np.random.default_rng(seed).normal(size=(rows, 3)), columns=NAMES)


def exact(row: pd.DataFrame, background: pd.DataFrame) -> np.ndarray:
    """By all subsets of the inputs, over the whole background."""

    def worth(inputs: tuple[str, ...]) -> float:
        return float(answer(background.assign(**{name: row[name].iloc[0] for name in inputs})).mean())

    found = np.zeros(3)
    for j, name in enumerate(NAMES):
        others = [other for other in NAMES if other != name]
        for size in range(3):
            weight = math.factorial(size) * math.factorial(2 - size) / math.factorial(3)
            for inputs in itertools.combinations(others, size):
                found[j] += weight * (worth((*inputs, name)) - worth(inputs))
    return found


def test_drawn_values_are_the_exact_ones_within_their_error() -> None:
    rows, background = frame_of(6, 1), frame_of(40, 2)
    found = sampled(answer, rows, background, NAMES, 400, 3)
    truth = np.array([exact(rows.iloc[[i]], background) for i in range(6)])
    assert np.abs((found.values - truth) / found.errors).max() < 4
    assert np.sqrt(np.mean(((found.values - truth) / found.errors) ** 2)) < 1.6
    assert found.errors.max() < 0.15


def test_values_add_up_to_the_answer_less_the_usual_one() -> None:
    rows = frame_of(20, 4)
    found = sampled(answer, rows, frame_of(30, 5), NAMES, 4, 6)
    np.testing.assert_allclose(found.values.sum(axis=1), found.answers - found.base, atol=1e-12)
    np.testing.assert_allclose(found.answers, answer(rows))


def test_an_input_that_the_model_ignores_has_none_and_the_seed_decides() -> None:
    subject = classes(400)
    found = shapley.run(subject)
    assert found["columns"]["idle"] == {"mean_size": 0.0, "error": 0.0}
    assert next(iter(found["columns"])) == "x"
    losses = subject.task.row_loss(subject.labels, subject.predictions)
    assert found["worst"][0]["row"] == int(np.argmax(losses))
    assert found == shapley.run(subject)


def test_too_few_pairs_are_refused() -> None:
    with pytest.raises(ValueError, match="too few"):
        sampled(answer, frame_of(1, 1), frame_of(1, 2), NAMES, 1, 3)
