"""What people answered, beside a model whose truth is known."""

from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
from pydantic import ValidationError

from mlcycle.domain.evaluation import baselines, threshold
from mlcycle.domain.evaluation.people import answers
from mlcycle.domain.examples import Rows
from mlcycle.domain.metrics import log_loss, rmse
from mlcycle.errors import InputError
from mlcycle.project import Project
from tests import many_classes
from tests.raw_data import FLIGHTS
from tests.unit.domain.evaluation.made import PAYOFF, classes, numbers


def human(subject: Any, said: Any) -> dict[str, Any]:
    found = baselines.beside(replace(subject, others={**subject.others, "human": ("people (clerk)", said)}))
    return found["others"]["human"]  # type: ignore[index, no-any-return]


def test_people_are_compared_where_they_have_answered() -> None:
    subject = classes()
    said = np.where(np.arange(1200) % 3 == 0, np.nan, 0.4)
    found, at = human(subject, said), ~np.isnan(said)
    assert found["rows"] == at.sum() == 800
    assert found["metrics"]["log_loss"] == pytest.approx(log_loss(subject.labels[at], said[at]))
    own = log_loss(subject.labels[at], subject.predictions[at])
    assert found["model"]["log_loss"] == pytest.approx(own)
    assert found["gain"]["value"] == pytest.approx(found["metrics"]["log_loss"] - own)
    assert found["gain"]["low"] > 0
    weighed = replace(
        subject, holdout=Rows(subject.holdout.frame, subject.labels, np.linspace(0.5, 1.5, 1200))
    )
    assert human(weighed, said)["model"]["log_loss"] != pytest.approx(own, abs=1e-6)


def test_decisions_are_worth_what_the_payoff_says() -> None:
    subject = classes()
    acted = (np.arange(1200) % 2).astype(float)
    found = human(subject, acted)["gain_in_value"]
    mine, theirs = (
        threshold.row_value(PAYOFF, subject.labels, each, 0.5) for each in (subject.predictions, acted)
    )
    assert found["value"] == pytest.approx((mine - theirs).sum())
    assert found["low"] > 0  # against one who tosses a coin


def test_nobody_gains_over_who_says_the_same() -> None:
    found = human(classes(), classes().predictions)
    assert found["gain"]["value"] == 0
    assert found["gain_in_value"]["value"] == 0


def test_numbers_of_people_have_no_value_of_decisions() -> None:
    subject = numbers()
    said = subject.labels + 3.0
    found = human(subject, said)
    assert found["metrics"]["rmse"] == pytest.approx(rmse(subject.labels, said)) == pytest.approx(3.0)
    assert "gain_in_value" not in found


def test_without_any_answer_that_is_what_is_said() -> None:
    found = human(classes(), np.full(1200, np.nan))
    assert found["rows"] == 0
    assert found["gain"] == {
        "value": None,
        "low": None,
        "high": None,
        "why": "no row of the holdout has an answer",
    }


def test_answers_are_numbers_with_gaps() -> None:
    for column in (pd.Series([1, None, 0], dtype="Int64"), pd.Series([1.0, np.nan, 0.0])):
        np.testing.assert_array_equal(answers(column, "clerk", "classification"), [1, np.nan, 0])
    np.testing.assert_array_equal(answers(pd.Series([7, 8]), "clerk", "regression"), [7, 8])


@pytest.mark.parametrize(
    ("value", "task", "why"),
    [
        (1.2, "classification", "holds 1.2, expected probabilities or decisions between 0 and 1"),
        (-1, "classification", "holds -1, expected"),
        (np.inf, "regression", "infinite"),
    ],
    ids=["above one", "below nought", "infinite"],
)
def test_what_is_no_answer_is_refused(value: float, task: str, why: str) -> None:
    with pytest.raises(InputError, match=why):
        answers(pd.Series([0.5, np.nan, value]), "clerk", task)


def asking(document: dict[str, Any], human: str) -> Project:
    return Project.model_validate({**document, "evaluation": {**document["evaluation"], "human": human}})


def test_the_project_names_a_column_that_is_there() -> None:
    flights = FLIGHTS.document()
    fewer = {
        **flights,
        "inputs": {"categorical": ["origin"]},
        "evaluation": {**flights["evaluation"], "directions": {}},
    }
    found = asking(fewer, "distance")
    assert "distance" in found.dataset_columns
    assert "distance" not in found.inputs.all
    for human, says in (
        ("carrier", "evaluation.human 'carrier' is no numeric column"),
        ("nobody", "evaluation.human 'nobody' is in no table"),
    ):
        with pytest.raises(ValidationError, match=says):
            asking(flights, human)
    with pytest.raises(ValidationError, match=r"evaluation.human does not know many classes yet"):
        asking(many_classes.project().document(), "weight")
