"""What a project file may say of text, and what it is told."""

from typing import Any

import pytest
from pydantic import ValidationError

from mlcycle.errors import ConfigError
from mlcycle.project import Project
from tests import remarks


def test_texts_are_inputs_and_columns_of_the_dataset() -> None:
    project = remarks.project({})
    assert project.inputs.all == ["shop", "weight", "remark"]
    assert "remark" in project.dataset_columns
    assert project.reading(["shop"], [], ["remark"]).inputs.text == ["remark"]
    with pytest.raises(ConfigError, match="the model reads gone"):
        project.reading([], [], ["gone"])


@pytest.mark.parametrize(
    ("inputs", "says"),
    [
        (
            {"categorical": ["shop", "remark"], "text": ["remark"]},
            "text names 'remark', which is categorical as well: name it in one",
        ),
        ({"numeric": ["weight"], "text": ["weight"]}, "text names 'weight', which is numeric as well"),
        ({"text": ["weight"]}, "inputs.text names 'weight', which is double: a text is of type text"),
        ({"text": ["nothing"]}, "'nothing' is in no table or view of the project"),
    ],
)
def test_what_is_wrong_is_one_line(inputs: dict[str, Any], says: str) -> None:
    document = remarks.project({}).document() | {"inputs": {"categorical": ["shop"], **inputs}}
    with pytest.raises(ValidationError) as error:
        Project.model_validate(document)
    assert says in str(error.value)
