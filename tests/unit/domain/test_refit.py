"""A refit that is not what was judged is seen."""

import numpy as np
import pytest

from mlcycle.domain.refit import unlike

RANDOM = np.random.default_rng(1)
PREDICTED = RANDOM.uniform(0.1, 0.5, 2000)
LABELS = (RANDOM.random(2000) < PREDICTED).astype(float)
NOISE = RANDOM.normal(0, 0.01, 2000)


def test_a_fit_of_the_same_recipe_on_some_more_rows_is_alike() -> None:
    assert unlike("log_loss", LABELS, PREDICTED, PREDICTED) == ""
    assert unlike("log_loss", LABELS, PREDICTED, np.clip(PREDICTED + NOISE, 0, 1)) == ""
    assert unlike("log_loss", LABELS, np.full(2000, 0.3), PREDICTED) == ""


@pytest.mark.parametrize(
    ("refit", "says"),
    [
        (np.where(np.arange(2000) == 7, np.nan, PREDICTED), "not all finite"),
        (PREDICTED + 0.1, "its mean prediction lies 0.8"),
        (RANDOM.permutation(PREDICTED), "correlate with the judged model's by"),
        (np.full(2000, PREDICTED.mean()), "correlate with the judged model's by 0.00 only"),
        (
            np.clip(PREDICTED.mean() + 2.2 * (PREDICTED - PREDICTED.mean()), 0.001, 1),
            "is worse on them: log_loss",
        ),
    ],
    ids=["not a number", "moved", "shuffled", "constant", "too sure"],
)
def test_what_is_another_model_is_told(refit: np.ndarray, says: str) -> None:
    assert says in unlike("log_loss", LABELS, PREDICTED, refit)


def test_a_metric_that_is_not_defined_there_says_nothing() -> None:
    assert unlike("roc_auc", np.zeros(2000), PREDICTED, PREDICTED) == ""
