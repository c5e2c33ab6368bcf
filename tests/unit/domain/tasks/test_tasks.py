"""What the tasks answer, by hand."""

import subprocess
import sys

import numpy as np
import pytest

from mlcycle.domain.metrics import METRICS, ROW_LOSSES
from mlcycle.domain.tasks import TASKS, Task, task_of
from mlcycle.errors import ConfigError, InputError
from mlcycle.project import Value
from mlcycle.project.training import Evaluation

BINARY, REGRESSION = task_of("classification"), task_of("regression")
EACH = pytest.mark.parametrize("task", TASKS.values(), ids=TASKS)


@EACH
def test_every_task_names_metrics_and_a_loss_that_exist(task: Task) -> None:
    assert set(task.metrics) <= set(METRICS)
    assert task.loss in ROW_LOSSES
    for metric in task.metrics:  # a project may choose each of them
        Evaluation.model_validate({"metric": metric, "heuristic": "a"})
        task.check_metric(metric)


def test_an_unknown_task_is_refused_with_those_there_are() -> None:
    with pytest.raises(
        ConfigError, match="no task 'survival': there are classification, multiclass, ranking, regression"
    ):
        task_of("survival")


@pytest.mark.parametrize(
    ("task", "labels", "says"),
    [
        (BINARY, [0.0, 2.0], "labels in the train split are not 0 and 1: set label.at_least"),
        (BINARY, [0.0, np.nan], "1 of 2 labels in the train split are missing or not finite"),
        (REGRESSION, [np.inf, 1.0], "1 of 2 labels in the train split are missing or not finite"),
    ],
    ids=["a third class", "a missing class", "an infinite number"],
)
def test_a_label_that_is_none_of_the_task_is_refused(task: Task, labels: list[float], says: str) -> None:
    with pytest.raises(InputError, match=says):
        task.check_labels(np.array(labels), "train")


def test_what_is_a_label_passes() -> None:
    BINARY.check_labels(np.array([0.0, 1.0]), "train")
    REGRESSION.check_labels(np.array([0.5, -3.0]), "train")


def test_a_class_is_worth_its_outcome_and_a_number_its_error() -> None:
    labels, said = np.array([1.0, 0, 0, 1]), np.array([0.9, 0.6, 0.1, 0.2])
    payoff = Value(currency="EUR", true_positive=60, false_positive=-15, true_negative=1, false_negative=-80)
    assert BINARY.value(payoff, labels, said) == 60 - 15 + 1 - 80
    assert BINARY.value(payoff, labels, said, np.array([2.0, 1, 1, 0])) == 120 - 15 + 1
    assert BINARY.outcomes(payoff, labels, said) == dict.fromkeys(
        ("true_positive", "false_positive", "true_negative", "false_negative"), 1
    )
    each = Value(currency="EUR", per_unit_error=-4)
    assert REGRESSION.value(each, np.array([1.0, 2]), np.array([2.0, 0])) == -12
    assert REGRESSION.constants(np.array([0.0, 0, 9])) == {"median": 0.0, "mean": 3.0}


def test_the_loss_of_rows_is_the_one_that_fits_make_small() -> None:
    labels, said = np.array([1.0, 0]), np.array([0.5, 0.25])
    np.testing.assert_allclose(BINARY.row_loss(labels, said), [np.log(2), -np.log(0.75)])
    np.testing.assert_allclose(REGRESSION.row_loss(labels, said), [0.25, 0.0625])


def test_reading_a_task_needs_no_numbers() -> None:
    """Airflow's processes read project files, and so tasks."""
    code = "import sys, mlcycle.project, mlcycle.domain.tasks; sys.exit('numpy' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
