"""Every type of label, through the steps that read it: dataset, training, labels, monitor."""

import io
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow.parquet as pq
import pytest

from mlcycle.adapters.artifacts.store import ArtifactStore
from mlcycle.adapters.warehouse.connection import Warehouse
from mlcycle.contract import Result, Status
from mlcycle.demo.world_data import day_file
from mlcycle.domain.dataset import DatasetManifest
from mlcycle.domain.metrics import METRICS
from mlcycle.errors import ConfigError
from mlcycle.project import Project
from mlcycle.project.file import load
from mlcycle.steps.runtime import run_step
from tests.conftest import ROOT, Platform
from tests.raw_data import FLIGHTS, days, replace, request
from tests.reign import crown

LATE = "it's 100% \\ {late}"
FIRST, LAST = "2013-01-01", "2013-01-08"
Row = tuple[str, str]  # entity key, event time


@dataclass(frozen=True)
class Kind:
    """A label: the column's type, what the project says of it, the cell of a delay, and what it means."""

    column: str
    cell: Callable[[int | None], str]
    means: Callable[[int | None], float | None]
    label: dict[str, Any] = field(default_factory=dict)
    task: str = "classification"


def late(delay: int | None) -> float | None:
    return None if delay is None else float(delay >= 15)


def number(delay: int | None) -> str:
    return "" if delay is None else str(delay)


def spoiled(delay: int | None) -> str:
    return "NaN" if delay is not None and delay % 7 == 0 else "-Infinity" if delay == 5 else number(delay)


def of_class(positive: str, negative: str) -> Callable[[int | None], str]:
    return lambda delay: "" if delay is None else positive if delay >= 15 else negative


def unspoiled(delay: int | None) -> bool:
    return delay is not None and delay % 7 != 0 and delay != 5


KINDS = {
    "integer from a threshold": Kind("integer", number, late, {"at_least": 15}),
    "double from a threshold": Kind(
        "double", spoiled, lambda d: late(d) if unspoiled(d) else None, {"at_least": 15}
    ),
    "integer classes": Kind("integer", of_class("1", "0"), late),
    "boolean": Kind("boolean", of_class("true", "false"), late),
    "text": Kind("text", of_class("late", "on time"), late, {"positive": "late"}),
    "text of any characters": Kind("text", of_class(f'"{LATE}"', "no"), late, {"positive": LATE}),
    "integer": Kind("integer", number, lambda d: None if d is None else float(d), task="regression"),
    "double": Kind(
        "double", spoiled, lambda d: float(d) if d is not None and unspoiled(d) else None, task="regression"
    ),
}


def project(kind: Kind) -> Project:
    """Flights without features, labelled this way."""
    document = FLIGHTS.document()
    document["source"]["tables"]["arrivals"]["columns"]["arr_delay"] = kind.column
    document["label"] = {
        **{key: value for key, value in document["label"].items() if key != "at_least"},
        **{"task": kind.task, **kind.label},
    }
    document.update(
        features={},
        inputs={"categorical": ["carrier", "origin"], "numeric": ["sched_hour", "distance"]},
        split={"holdout": "1 day", "validation": "1 day", "history": "6 days", "min_rows": 100},
        evaluation={
            "metric": "log_loss" if kind.task == "classification" else "rmse",
            "heuristic": "carrier_hour_rate",
        },
        monitors={"window": "2 days"},
    )
    return Project.model_validate(document)


def deliver(platform: Platform, project: Project, kind: Kind) -> dict[Row, float | None]:
    """Publish the days; returns the label that each flight has."""
    ingest, wanted = Warehouse(platform.settings("ingest")), {}
    flights, arrivals = [], []
    for day in days(project, FIRST, LAST):
        flights.append((day.key, day_file("flights", "flights", day.key) or b""))
        header, *lines = (day_file("flights", "arrivals", day.key) or b"").decode().splitlines()
        told = []
        for line in lines:
            start, _, cell = line.rpartition(",")
            carrier, flight, origin, moment, _ = start.split(",", 4)
            delay = int(cell) if cell else None
            told.append(f"{start},{kind.cell(delay)}")
            wanted[f"{carrier}|{flight}|{origin}", moment] = kind.means(delay)
        if day.key != LAST:
            arrivals.append((day.key, "\n".join([header, *told]).encode()))
    replace(ingest, project, "flights", flights)
    replace(ingest, project, "arrivals", arrivals)
    ingest.close()
    return wanted


def moment(value: Any) -> str:
    return f"{value:%Y-%m-%dT%H:%M:%SZ}"


@pytest.mark.parametrize("name", KINDS)
def test_dataset_labels_and_monitor_read_one_label(platform: Platform, name: str) -> None:
    kind = KINDS[name]
    flights = project(kind)
    wanted = deliver(platform, flights, kind)

    def done(step: str, first: str, last: str = "") -> Result:
        result = run_step(request(step, flights, first, last), platform.settings())
        assert result.status is Status.OK, result.message
        return result

    store = ArtifactStore(platform.settings().artifacts_url)
    output = done("dataset", LAST).outputs["manifest"]
    manifest = DatasetManifest.model_validate_json(store.get(output))
    learnt: dict[Row, float | None] = {}
    for part in manifest.parts:
        data = store.read(f"datasets/flights/{manifest.digest}/{part.path}")
        for row in pq.read_table(io.BytesIO(data)).to_pylist():
            learnt[row["entity_key"], moment(row["event_time"])] = row["label"]
    assert learnt == {key: wanted[key] for key in learnt}
    assert len(learnt) > 2000

    crown(platform, flights, FIRST, "2013-01-04")
    done("score", "2013-01-06", LAST)
    told = done("labels", LAST)
    stored = {
        (key, moment(event)): label
        for key, event, label in platform.owner().query(
            "select entity_key, event_time, label from serving.label"
        )
    }
    assert stored == {
        key: value for key, value in wanted.items() if value is not None and key[1] < "2013-01-08"
    }
    missing = sum(value is None for key, value in wanted.items() if key[1] < "2013-01-08")
    assert (told.metrics["labels"], told.metrics["unlabelled"]) == (len(stored), missing)

    watched = done("monitor", LAST)
    served = platform.owner().query("select entity_key, event_time, prediction from serving.prediction")
    pairs = [
        (stored[key, moment(event)], said) for key, event, said in served if (key, moment(event)) in stored
    ]
    assert len(pairs) > 1000
    labels, said = (np.array(side, dtype=float) for side in zip(*pairs, strict=True))
    metric = flights.evaluation.metric
    assert watched.metrics[metric] == pytest.approx(METRICS[metric](labels, said, None))


def test_numbers_that_are_no_classes_are_refused(platform: Platform) -> None:
    kind = Kind("integer", number, late)
    flights = project(kind)
    deliver(platform, flights, kind)
    result = run_step(request("labels", flights, LAST), platform.settings())
    assert result.error is not None
    assert "not 0 and 1: set label.at_least" in result.error.message


@pytest.mark.parametrize(
    ("column", "label", "says"),
    [
        ("text", {}, "label.column 'arr_delay' is text: a classification needs label.positive"),
        ("text", {"task": "regression"}, "is text: a regression needs a number"),
        ("boolean", {"task": "regression"}, "is boolean: a regression needs a number"),
        ("timestamp", {}, "is timestamp: a label is a number, a boolean or a class of text"),
        ("integer", {"positive": "late"}, "label.positive names a class of a text column"),
        ("boolean", {"at_least": 15}, "label.at_least is for numbers"),
        ("integer", {"task": "regression", "at_least": 15}, "at_least makes a class"),
        ("double", {"at_least": ".nan"}, "finite"),
    ],
    ids=["text alone", "text value", "boolean value", "moment", "positive", "threshold", "class", "nan"],
)
def test_a_label_that_is_none_is_one_line_of_the_project_file(
    tmp_path: Any, column: str, label: dict[str, str], says: str
) -> None:
    folder = tmp_path / "flights"
    folder.mkdir()
    for file in (ROOT / "projects" / "flights").iterdir():
        (folder / file.name).write_text(file.read_text())
    text = (folder / "project.yaml").read_text().replace("arr_delay: integer", f"arr_delay: {column}")
    given = {
        "name": "late",
        "task": "classification",
        "table": "arrivals",
        "column": "arr_delay",
        "delay": "1 day",
    }
    lines = "".join(f"  {key}: {value}\n" for key, value in {**given, **label}.items())
    head, _, rest = text.partition("label:\n")
    (folder / "project.yaml").write_text(head + "label:\n" + lines + "\n" + rest[rest.index("features:") :])
    with pytest.raises(ConfigError, match=says) as caught:
        load(folder / "project.yaml")
    assert "project.yaml:" in caught.value.message
