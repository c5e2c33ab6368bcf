"""NaN and infinity stop at the contract and at the ledger, in one line that names the key."""

import json

import numpy as np
import pytest
from pydantic import ValidationError

from mlcycle.contract import Handover, Request, Status
from mlcycle.errors import IntegrityError
from mlcycle.ledger.document import as_json
from mlcycle.steps import labels
from mlcycle.steps.context import Outcome
from mlcycle.steps.runtime import run_step
from tests.conftest import Platform
from tests.raw_data import FLIGHTS, request

NUMBERS = [float("nan"), float("inf"), float("-inf")]


@pytest.mark.parametrize("number", NUMBERS, ids=str)
def test_the_contract_refuses_it_wherever_it_stands(number: float) -> None:
    with pytest.raises(ValidationError, match=rf"best\.slices\[1\] is {number}"):
        Handover(values={"best": {"slices": [0.5, number]}})
    document = {"step": "score", "work": "w", "project": {}, "params": {"x": number}}
    with pytest.raises(ValidationError, match=f"x is {number}"):
        Request.model_validate_json(json.dumps(document))


@pytest.mark.parametrize(
    ("outcome", "says"),
    [
        (Outcome(metrics={"auc": float("nan")}), "metrics: Value error, auc is nan"),
        (Outcome(values={"best": {"auc": float("inf")}}), "values: Value error, best.auc is inf"),
    ],
    ids=["metrics", "values"],
)
def test_a_step_that_would_hand_it_over_fails_in_one_line(
    platform: Platform, monkeypatch: pytest.MonkeyPatch, outcome: Outcome, says: str
) -> None:
    monkeypatch.setattr(labels, "run", lambda context: outcome)
    result = run_step(request("labels", FLIGHTS, "2013-01-01"), platform.settings())
    assert result.status is Status.FAILED
    assert result.error is not None
    assert (result.error.kind, says in result.error.message) == ("integrity", True), result.error
    assert "\n" not in result.error.message


@pytest.mark.parametrize("number", NUMBERS, ids=str)
def test_the_ledger_refuses_it_by_key(number: float) -> None:
    with pytest.raises(IntegrityError, match=rf"details\.now is {number}"):
        as_json({"details": {"now": number}})
    with pytest.raises(TypeError):
        as_json({"array": np.zeros(2)})
