"""What a project file may say of a ranking, what it is told, and which list a row is of."""

from typing import Any

import pyarrow as pa
import pytest
from pydantic import ValidationError

from mlcycle.adapters.datasets.lists import list_numbers
from mlcycle.adapters.datasets.training_data import columns_of
from mlcycle.adapters.monitoring.registry import watching
from mlcycle.domain.metrics import check_metric
from mlcycle.errors import ConfigError, InputError
from mlcycle.project import Project
from tests import many_classes, searches


def changed(**parts: Any) -> Project:
    document = searches.project().document()
    for key, given in parts.items():
        document[key] = {**document[key], **given} if isinstance(document.get(key), dict) else given
    return Project.model_validate(document)


@pytest.mark.parametrize(
    ("parts", "says"),
    [
        ({"label": {"group": []}}, "a ranking needs label.group"),
        ({"label": {"group": ["session"]}}, "label.group 'session' is in no table or view"),
        ({"label": {"task": "regression"}}, "group is of a ranking; this label is a regression"),
        ({"label": {"at_least": 1}}, "at_least makes a class; a ranking label has none"),
        ({"value": {"per_unit_error": 2}}, "value.per_unit_error has no meaning in a ranking"),
        ({"value": {"true_positive": 2}}, "value.true_positive has no meaning in a ranking"),
        ({"value": {"label_needs": "positive"}}, "are of classes"),
        ({"training": {"class_weight": "balanced"}}, "class_weight is of classes: a ranking has none"),
        (
            {"gate": {"guardrails": {"calibration": {"max_error": 0.1}}}},
            "gate.guardrails.calibration does not know rankings yet",
        ),
        (
            {"candidates": {"by_item": {"family": "linear", "calibrate": "platt"}}},
            "a ranking label has none: remove it",
        ),
    ],
    ids=[
        *("no lists", "an unknown column", "lists of numbers", "a threshold", "an error's price"),
        *("an outcome's price", "decisions", "weights of classes", "a guardrail", "a calibration"),
    ],
)
def test_what_a_ranking_has_not_is_refused(parts: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError, match=says):
        changed(**parts)


def test_lists_are_read_with_the_label_and_change_no_label() -> None:
    project = searches.project()
    assert "search" in project.dataset_columns
    assert {"label", "_list"} <= set(columns_of(project))
    assert "_list" not in columns_of(many_classes.project())
    assert changed(label={"group": ["search", "item"]}).label.definition == project.label.definition
    assert "group" not in many_classes.project().label.definition


def test_a_metric_is_of_a_ranking_or_refused() -> None:
    check_metric("mrr_at_5", "ranking")
    for metric, task in (("rmse", "ranking"), ("ndcg_at_7", "ranking"), ("ndcg_at_10", "classification")):
        with pytest.raises(ConfigError, match="does not measure a"):
            check_metric(metric, task)


def test_monitors_that_judge_a_row_alone_are_left_out_and_refused_where_named() -> None:
    names = {each.name for each in watching(searches.project())}
    assert {"volume", "missing", "prediction_drift"} <= names
    assert not {"performance", "estimate", "value", "why"} & names
    with pytest.raises(ConfigError, match="'performance' does not know rankings yet: leave it out"):
        watching(changed(monitors={"watch": {"performance": {}}}))


def test_rows_that_agree_in_all_columns_are_one_list() -> None:
    rows = pa.table({"user": ["a", "a", "b", "b", "a"], "day": [1, 1, 1, 2, 2], "x": [1.0, 2, 3, 4, 5]})
    both = list_numbers(rows, ["user", "day"]).to_pylist()
    assert both[0] == both[1]
    assert len(set(both)) == 4
    assert list_numbers(rows.slice(3), ["user", "day"]).to_pylist() == both[3:]  # in any part alike
    assert list_numbers(rows, ["user"]).to_pylist() != list_numbers(rows, ["day"]).to_pylist()
    turned = pa.table({"user": ["1", "2"], "day": ["2", "1"]})
    assert len(set(list_numbers(turned, ["user", "day"]).to_pylist())) == 2
    for nothing in (None, ""):
        with pytest.raises(InputError, match=r"1 of 2 rows have no value of label\.group 'user'"):
            list_numbers(pa.table({"user": ["a", nothing]}), ["user"])
