"""Elementary effects: those of functions whose effects are known, and of a model's inputs."""

from typing import Any

import numpy as np
import pandas as pd

from mlcycle.domain.evaluation import morris
from mlcycle.domain.evaluation.morris import effects
from mlcycle.domain.metrics import Array
from tests.unit.domain.evaluation.made import classes

WEIGHTS = np.array([3.0, -2.0, 0.5, 0.0])


def test_a_sum_has_its_weights_and_no_spread() -> None:
    found = effects(lambda points: points @ WEIGHTS, [True] * 4, 20, 1)
    np.testing.assert_allclose(found.mean, WEIGHTS, atol=1e-12)
    np.testing.assert_allclose(found.size, np.abs(WEIGHTS), atol=1e-12)
    np.testing.assert_allclose(found.spread, 0, atol=1e-12)


def test_inputs_that_act_together_or_bend_have_a_spread() -> None:
    def together(points: Array) -> Array:
        return points[:, 0] * points[:, 1] + (points[:, 2] - 0.5) ** 2 + points[:, 3]

    found = effects(together, [True] * 4, 200, 2)
    assert (found.spread[:3] > 0.2).all()
    assert found.spread[3] < 1e-12
    assert abs(found.mean[2]) < 0.1 < found.size[2], "what goes up and down again has a size all the same"


def test_sobols_g_function_is_ranked_by_its_coefficients() -> None:
    # A. Saltelli and I. Sobol's test: the smaller a coefficient, the more its input matters.
    coefficients = np.array([99.0, 0.0, 9.0, 1.0, 4.5, 99.0])

    def g(points: Array) -> Array:
        return np.prod((np.abs(4 * points - 2) + coefficients) / (1 + coefficients), axis=1)

    found = effects(g, [True] * 6, 300, 3)
    assert np.argsort(-found.size)[:4].tolist() == [1, 3, 4, 2]
    assert found.size[[0, 5]].max() < 0.1 * found.size[1]


def test_walks_are_the_same_again_and_each_input_steps_once() -> None:
    asked: list[Array] = []

    def ask(points: Array) -> Array:
        asked.append(points)
        return points.sum(axis=1)

    first, again = (effects(ask, [True, False, True], 5, 4) for _ in range(2))
    assert (asked[0] == asked[1]).all()
    assert (first.size == again.size).all()
    moved = np.diff(asked[0].reshape(5, 4, 3), axis=1) != 0
    assert (moved.sum(axis=1) == 1).all()
    assert ((asked[0] >= 0) & (asked[0] <= 1)).all()


def test_a_models_inputs_are_told_the_largest_first() -> None:
    subject = classes(600)
    found = morris.run(subject)
    sizes = [each["size"] for each in found["columns"].values()]
    assert sizes == sorted(sizes, reverse=True)
    assert set(found["columns"]) <= set(subject.inputs)
    assert found == morris.run(subject)


def test_a_category_steps_from_value_to_value_and_a_constant_is_left_out() -> None:
    subject = classes(600)
    name = subject.categorical[0]

    def predict(frame: Any) -> Array:
        return (frame[name].astype(str) == "b").to_numpy(float)

    made = subject.holdout.frame.assign(**{name: np.where(np.arange(600) % 2, "a", "b")})
    made = made.assign(**{subject.numeric[0]: 1.0})
    changed = type(subject)(
        **{**vars(subject), "predict": predict, "holdout": type(subject.holdout)(made, subject.labels)}
    )
    columns = morris.run(changed)["columns"]
    assert 0.3 < columns[name]["size"] < 0.7, "half of the steps are to the other value"
    assert subject.numeric[0] not in columns
    assert all(each["size"] == 0 for other, each in columns.items() if other != name)
    assert isinstance(made, pd.DataFrame)
