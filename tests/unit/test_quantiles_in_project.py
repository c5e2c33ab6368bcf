"""What a project file may say of quantiles, what it is told, and how they lie in the warehouse."""

from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pydantic import ValidationError

from mlcycle.adapters.pages.evaluation.quantile_section import quantiles
from mlcycle.adapters.pages.evaluation.words import named
from mlcycle.adapters.warehouse.of_quantiles import OfQuantiles, parsed
from mlcycle.adapters.warehouse.predictions import Scored
from mlcycle.domain.evaluation import baselines, of_quantiles, parts
from mlcycle.domain.examples import Rows
from mlcycle.domain.metrics import METRICS
from mlcycle.domain.quantiles import paired, values_of
from mlcycle.project import Project
from tests import many_classes, quantile_project
from tests.quantile_project import LEVELS


@pytest.mark.parametrize(
    ("label", "says"),
    [
        ({"quantiles": [0.9, 0.5]}, "quantiles must ascend, none twice: 0.5, 0.9"),
        ({"quantiles": [0.1, 0.9]}, "quantiles lacks 0.5, the median: it is the point forecast"),
        ({"quantiles": [0.5, 1]}, "quantiles names 1: a level lies between 0.001 and 0.999"),
        ({"quantiles": [float("nan"), 0.5]}, "finite number"),
        ({"task": "classification"}, "quantiles are those of a number; a classification label has none"),
    ],
)
def test_what_is_wrong_is_one_line(label: dict[str, Any], says: str) -> None:
    with pytest.raises(ValidationError) as error:
        quantile_project.project(**label)
    assert says in str(error.value)


@pytest.mark.parametrize(
    ("quantiles", "calibrate", "says"),
    [
        ([], "conformal", "calibrate: conformal is of quantiles: say label.quantiles, or remove it"),
        (LEVELS, "platt", "calibrate: platt is of a class's probability: of quantiles say conformal"),
        ([], "platt", "calibrate: platt is of a class's probability, and a regression label has none"),
    ],
)
def test_calibration_is_of_what_is_predicted(quantiles: list[float], calibrate: str, says: str) -> None:
    document = quantile_project.document(quantiles=quantiles)
    document["candidates"]["boosting"]["calibrate"] = calibrate
    with pytest.raises(ValidationError) as error:
        Project.model_validate(document)
    assert says in str(error.value)


def test_which_quantiles_are_predicted_makes_no_other_label() -> None:
    with_, without = (quantile_project.project(quantiles=each).label for each in (LEVELS, []))
    assert with_.definition == without.definition
    assert "quantiles" not in many_classes.project().label.definition


def test_arrays_of_the_warehouse_are_read_as_they_were_written() -> None:
    said = paired(LEVELS, np.array([[0.1, 1 / 3, 2e-17], [-5.0, 0.0, 7.25]]))
    written = OfQuantiles(said)
    assert written.levels == LEVELS
    texts = pa.chunked_array([pa.array([each.strip("{}") for each in written.texts])])
    levels = pa.chunked_array([pa.array(["0.1,0.5,0.9"] * 2)])
    assert np.array_equal(parsed(texts, levels, np.zeros(2)), said)  # type: ignore[arg-type]
    none = pa.chunked_array([pa.array([None, None], pa.string())])
    assert parsed(none, none, np.zeros(2)) is None
    assert OfQuantiles(said[:0]).levels == []


def test_rows_of_other_levels_and_of_none_are_read_at_those_of_the_newest() -> None:
    texts = pa.chunked_array([pa.array([None, "1.0,2.0,3.0", "4.0,8.0"])])
    levels = pa.chunked_array([pa.array([None, "0.1,0.5,0.9", "0.25,0.5"])])
    found = parsed(texts, levels, np.array([7.0, 2.0, 8.0]))
    assert found is not None
    assert values_of(found).tolist() == [[7, 7], [1.375, 2], [4, 8]]
    rows = Scored(
        np.array([7.0, 2.0, 8.0]), np.ones(3), np.ones(3, np.int64), np.arange(3.0), quantiles=found
    )
    assert np.array_equal(rows.only(np.array([True, False, True])).said, found[[0, 2]])
    assert METRICS["mae"](rows.labels, rows.said, None) == pytest.approx(14 / 3)


def subject() -> Any:
    from mlcycle.domain.evaluation.subject import Subject
    from mlcycle.domain.tasks import task_of

    draw = np.random.default_rng(1)
    middle = draw.normal(size=600)
    said = paired(LEVELS, middle[:, None] + np.array([-1.28, 0.0, 1.28]))
    import pandas as pd

    rows = Rows(pd.DataFrame({"x": middle}), middle + draw.standard_normal(600))
    project = quantile_project.project()
    zero = paired(LEVELS, np.tile([-1.8, 0.0, 1.8], (600, 1)))
    return Subject(
        task=task_of("regression"),
        payoff=project.value,
        wishes=project.evaluation,
        categorical=[],
        numeric=["x"],
        holdout=rows,
        predictions=middle,
        blocks=np.arange(600) // 40,
        validation=rows,
        before=middle,
        learnt=rows.labels,
        predict=lambda frame: frame["x"].to_numpy(),
        others={"zero_rule": ("the zero rule", np.zeros(600))},
        said=said,
        said_by_others={"zero_rule": zero},
    )


def test_the_evaluation_tells_quantiles_with_intervals_and_the_page_shows_them() -> None:
    asked = subject()
    found = parts.run(asked, ["figures", "baselines", "quantiles"], 60, lambda: 0.0)
    figures = found["figures"]["found"]
    assert "pinball_90" in figures
    assert figures["coverage_80"]["low"] < 0.8 < figures["coverage_80"]["high"]
    assert figures["pinball"]["value"] == pytest.approx(METRICS["pinball"](asked.labels, asked.said, None))
    beside = found["baselines"]["found"]["others"]
    assert beside["zero_rule"]["gain"]["low"] > 0
    assert beside["random"]["metrics"]["interval_score"] > beside["zero_rule"]["metrics"]["interval_score"]
    told = found["quantiles"]["found"]
    assert [each["level"] for each in told["quantiles"]] == LEVELS
    (wide,) = told["intervals"]
    assert sum(rows for _, _, rows in wide["by_width"]) == 600
    document: Any = None
    (section,) = quantiles(document, told)
    assert section.title == "Quantiles"
    assert len(section.rows) == 1
    assert named("coverage_80") == "share of labels within the interval of .8"
    assert named("pinball_2_5") == "pinball loss at .025"
    assert named("width_of_things") == "width of things"


def test_without_quantiles_the_part_does_not_apply_and_the_number_is_told() -> None:
    from dataclasses import replace

    number = replace(subject(), said=None, said_by_others={})
    assert (
        parts.run(number, ["figures", "quantiles"], 60, lambda: 0.0)["quantiles"]["status"]
        == "does not apply"
    )
    assert "pinball_90" in baselines.figures(number)
    assert "coverage_80" not in baselines.figures(number)
    assert of_quantiles.UNIT == (0.0, 1.0)
