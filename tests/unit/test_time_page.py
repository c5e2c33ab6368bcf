"""docs/time.md: what it says of ``ahead`` and ``delay`` is what the project computes."""

import re
from datetime import UTC, datetime

import pytest

from mlcycle.domain.durations import parse_duration
from mlcycle.domain.partitions import Partition
from mlcycle.domain.split import Policy
from mlcycle.project import Project
from tests.conftest import ROOT
from tests.snapshots import weather_project

PAGE = (ROOT / "docs" / "time.md").read_text(encoding="utf-8")
ROW = r"^\| (\d+ days?) \| (\d+ \w+) \| ([\d :-]+) \| ([\d :-]+) \| ([\d :-]+) \| (\d+) \|$"
ROWS = re.findall(ROW, PAGE, re.MULTILINE)


def test_the_table_is_there() -> None:
    assert len(ROWS) == 6


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row[0]}, {row[1]}")
def test_a_label_is_known_when_the_page_says(row: tuple[str, ...]) -> None:
    ahead, delay, of, from_, known, between = row
    document = weather_project().document()
    document["source"]["partition"] = "day"
    document["source"]["start"] = "2013-01-01"
    document["label"] |= {"ahead": ahead, "delay": delay}
    document["inputs"]["numeric"].remove(document["label"]["column"])  # without ahead it is the label itself
    for table in document["source"]["tables"].values():
        table["lag"] = 30
    lengths = {"holdout": "10 days", "validation": "10 days", "history": "200 days"}
    document["split"] |= lengths
    project = Project.model_validate(document)
    event = datetime(2013, 5, 2, 9, tzinfo=UTC)
    end = Partition.containing(event, project.unit).end

    def said(moment: datetime) -> str:
        return f"{moment:%Y-%m-%d %H:%M}"

    assert said(project.unit.later(event, parse_duration(ahead))) == of
    assert said(end) == from_
    assert said(project.label_known(end)) == known
    spans = (parse_duration(each) for each in lengths.values())
    waits = (project.label.ahead, project.label.delay)
    assert Policy(*spans, project.source.unit.start(0), project.unit, waits).embargo == int(between)
