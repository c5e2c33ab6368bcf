"""What a project file may say of many classes, and what it is told."""

from typing import Any

import pytest
from pydantic import ValidationError

from mlcycle.adapters.monitoring.registry import watching
from mlcycle.adapters.warehouse.labels import value
from mlcycle.adapters.warehouse.of_classes import OfClasses, parsed
from mlcycle.errors import ConfigError
from mlcycle.project import Project
from tests import many_classes


def changed(**parts: Any) -> Project:
    document = many_classes.project().document()
    for key, given in parts.items():
        document[key] = {**document[key], **given} if isinstance(document.get(key), dict) else given
    return Project.model_validate(document)


def of_integers(classes: list[Any]) -> Project:
    document = many_classes.project().document()
    document["source"]["tables"]["fates"]["columns"]["fate"] = "integer"
    document["label"]["classes"] = classes
    return Project.model_validate(document)


@pytest.mark.parametrize(
    ("label", "says"),
    [
        ({"classes": ["a", "b"]}, "three at the least"),
        ({"classes": ["a", "b", "a"]}, "classes names 'a' twice"),
        ({"classes": ["a", "b", ""]}, "at least 1 character"),
        ({"classes": [True, "b", "c"]}, "valid string"),
        ({"positive": "late"}, "positive names a class; a multiclass label has all of classes"),
        ({"task": "classification"}, "classes are those of a multiclass label; this one is a classification"),
        ({"column": "sent"}, "is timestamp"),
    ],
    ids=["two", "twice", "empty", "boolean", "positive", "binary", "moment"],
)
def test_what_is_wrong_with_the_label_is_one_line(label: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        changed(label=label)


def test_integers_are_classes_by_their_name() -> None:
    assert of_integers([2, -1, "30"]).label.classes == ["2", "-1", "30"]
    for odd in ("two", "--2", "02", "²"):
        with pytest.raises(ValidationError, match=f"label.classes names '{odd}', which is no integer"):
            of_integers([1, 3, odd])


def test_a_number_is_no_class() -> None:
    document = many_classes.project().document()
    document["source"]["tables"]["fates"]["columns"]["fate"] = "double"
    with pytest.raises(ValidationError, match="is double: a multiclass needs texts or integers"):
        Project.model_validate(document)


def test_classes_are_quoted_in_sql() -> None:
    assert "'it''s 100%% lost'" in value(many_classes.project())


def test_parts_that_do_not_know_many_classes_say_so() -> None:
    names = {watcher.name for watcher in watching(many_classes.project())}
    assert {"performance", "prediction_drift", "drift", "volume"} <= names
    assert not names & {"estimate", "value", "earnings", "why", "served_again", "brought"}
    with pytest.raises(ConfigError, match="monitor 'value' does not know many classes yet: leave it out"):
        watching(changed(monitors={"watch": {"value": {}}}))
    guardrail = {"calibration": {"max_error": 0.1}}
    with pytest.raises(ValidationError, match=r"guardrails\.calibration does not know many classes yet"):
        changed(gate={"guardrails": guardrail})
    with pytest.raises(ValidationError, match="label_needs are of classes"):
        changed(value={"explore": {"share": 0.1}})


def test_probabilities_come_back_as_they_went() -> None:
    import numpy as np
    import pyarrow as pa

    said = np.random.default_rng(1).dirichlet(np.ones(4), 20)
    said[0] = [1.0, 0.0, 0.0, 1e-7]
    texts = [text.strip("{}") for text in OfClasses("abcd", said).texts]
    found = parsed(pa.chunked_array([[*texts, None, "0.25,0.75"]]))
    assert found is not None
    assert np.array_equal(found[:20], said)
    assert np.isnan(found[20]).all()
    assert found[21].tolist() == [0.25, 0.75, 0.0, 0.0]
    assert parsed(pa.chunked_array([pa.nulls(3, pa.string())])) is None
    assert OfClasses("abcd", said).chosen[0] == "a"
