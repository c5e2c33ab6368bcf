"""A report before the first model finds what was planted in the rows, and little in pure noise."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from mlcycle.adapters.artifacts.store import ArtifactStore
from mlcycle.cli import app
from mlcycle.domain.partitions import Partition
from mlcycle.errors import InputError
from mlcycle.project import Project
from mlcycle.steps.explore_report import here
from tests.conftest import Platform
from tests.contract.ingest import FLIGHTS, Ingest

START, DAYS, ROWS, HOLDOUT = "2013-01-01", 70, 120, 10
COLUMNS = {
    **{"id": "integer", "at": "timestamp", "income": "double", "town": "text", "noise": "double"},
    **{"dice": "text", "cents": "double", "country": "text", "fax": "text", "reference": "text"},
    **{"collected": "double", "heat": "double", "employer": "text", "active": "boolean", "repaid": "boolean"},
}


def project(label: dict[str, Any] | None = None) -> Project:
    """Who repays; half of the columns are no inputs yet."""
    document = FLIGHTS.document()
    document |= {"name": "loans", "features": {}}
    table = {"columns": COLUMNS, "key": ["id"], "event_time": "at", "sparse": ["fax", "employer"]}
    document["source"] |= {"tables": {"loans": table}, "url": "{source}/loans", "start": START, "live": False}
    document["entity"] = {"table": "loans"}
    document["label"] = {"name": "repays", "task": "classification", "table": "loans", "column": "repaid"}
    document["label"] |= {"delay": "0 hours", **(label or {})}
    document["inputs"] = {"categorical": ["town"], "numeric": ["income", "noise"]}
    document["split"] = {
        "holdout": f"{HOLDOUT} days",
        "validation": "7 days",
        "history": "70 days",
        "min_rows": 100,
    }
    document["candidates"] = {"towns": {"family": "rate_table", "params": {"by": ["town"]}}}
    document["evaluation"] = {"metric": "log_loss", "heuristic": "towns", "parts": ["figures"]}
    document["gate"], document["value"], document["monitors"] = {}, {"currency": "EUR"}, {"window": "7 days"}
    return Project.model_validate(document)


def day(number: int, *, planted: bool = True) -> str:
    """Rows of one day. What is planted stands beside each line."""
    rng = np.random.default_rng(number)
    income, town = rng.normal(30, 10, ROWS), rng.integers(0, 5, ROWS)
    odds = (income - 30) / 8 + np.array([-1, -0.5, 0, 0.5, 1])[town] if planted else np.zeros(ROWS)
    repaid = rng.random(ROWS) < 1 / (1 + np.exp(-odds))
    gone = rng.random(ROWS) < (np.where(repaid, 0.1, 0.4) if planted else 0.2)  # its gaps tell
    heat = rng.normal(3.0 if planted and number >= DAYS - HOLDOUT else 0.0, 1, ROWS)  # others at the end
    key = Partition.parse(START, FLIGHTS.unit).shift(number).key
    lines = ["id,at,income,town,noise,dice,cents,country,fax,reference,collected,heat,employer,active,repaid"]
    for at in range(ROWS):
        collected = repaid[at] * 100 + rng.normal() if planted else rng.normal()  # gives the label away
        lines.append(
            f"{number * ROWS + at},{key}T{at % 24:02}:{at // 24:02}:00Z,{income[at]:.3f},town{town[at]},"
            f"{rng.normal():.4f},{rng.integers(1, 7)},{income[at] * 100 if planted else rng.normal():.1f},"  # the same
            f"{'DE' if planted else 'DE' if rng.random() < 0.5 else 'FR'},"  # one value
            f"{'' if planted and at else rng.integers(3)},"  # mostly missing
            f"{'r' + str(number * ROWS + at) if planted else 'r' + str(rng.integers(9))},"  # names rows
            f"{collected:.3f},{heat[at]:.3f},{'' if gone[at] else 'e' + str(rng.integers(3))},"
            f"{str(bool(rng.random() < 0.5)).lower()},{str(bool(repaid[at])).lower()}"
        )
    return "\n".join(lines) + "\n"


def deliver(platform: Platform, spec: Project, *, planted: bool) -> None:
    folder: Path = platform.folder / "source" / "loans" / "loans"
    folder.mkdir(parents=True)
    first = Partition.parse(START, spec.unit)
    for number, each in enumerate(first.to(first.shift(DAYS - 1))):
        (folder / f"{each.key}.csv").write_text(day(number, planted=planted))
    done = Ingest(platform, spec, "loans").run(first.key, first.shift(DAYS - 1).key)
    assert done["publish"].exit_code == 0, done["publish"].message


def lines(document: dict[str, Any], level: str) -> list[str]:
    return [each["text"] for each in document["findings"] if each["level"] == level]


def test_what_is_planted_is_found_and_told_first(platform: Platform) -> None:
    spec = project()
    deliver(platform, spec, planted=True)
    document, page = here(spec, platform.settings())
    act, look = lines(document, "act"), lines(document, "look")
    assert [each["level"] for each in document["findings"]] == ["act"] * len(act) + ["look"] * len(look) + [
        "fine"
    ] * len(lines(document, "fine"))
    assert any(each.startswith("collected gives the label away") for each in act)
    assert any("others than those before them in heat:" in each for each in look)
    assert len(act) == 1
    dropped = {each["column"]: each["why"] for each in document["advice"] if each["drop"]}
    assert set(dropped) == {"collected", "country", "reference", "fax", "cents"}
    assert dropped["cents"] == "it says what income says"
    assert dropped["country"] == "it has one value"
    assert dropped["reference"].startswith("it names rows")
    assert dropped["fax"] == "99.2% of its values are missing"
    assert any("that employer is missing tells of the label" in each for each in look)
    known = {each["a"] for each in document["to_label"] if each["known"]}
    assert {"income", "town", "collected"} <= known
    assert not known & {"noise", "dice", "active", "heat"}
    assert document["rows"] == DAYS * ROWS
    assert document["judged_rows"] == HOLDOUT * ROWS
    assert document["enough"][-1]["explained"] > 0.2
    towns = {each["value"] for each in document["segments"] if each["column"] == "town"}
    assert {"town0", "town4"} <= towns
    assert document["projection"]["shares"][0] > document["projection"]["shares"][1]

    store = ArtifactStore(platform.settings().artifacts_url)
    html = store.get(page).decode()
    assert html.count("data:image/png") >= 10
    assert "://" not in html, "nothing of the page is fetched from anywhere"
    assert json.loads((platform.folder / "artifacts/reports/loans/explore/page.json").read_text()) == document
    again, same = here(spec, platform.settings())
    assert (again, same.digest) == (document, page.digest)
    part, _ = here(spec, platform.settings(), "2013-02-01", "2013-02-28")
    assert (part["first"], part["last"]) == ("2013-02-01", "2013-02-28")


def test_noise_is_called_noise(platform: Platform) -> None:
    spec = project()
    deliver(platform, spec, planted=False)
    document, _ = here(spec, platform.settings())
    assert [each for each in document["advice"] if each["drop"]] == []
    assert document["leaks"] == {}
    assert not any(each["known"] for each in document["to_label"])
    assert document["segments"] == []
    act = lines(document, "act")
    assert "no column alone has to do with the label beyond chance" in act
    assert any(each.startswith("a small boosting learns nothing") for each in act)
    assert len(act) == 2


def test_without_rows_it_says_what_to_do(platform: Platform, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="holds no partition yet: run ingest first"):
        here(project(), platform.settings())
    done = CliRunner().invoke(app, ["explore", "nothing", "--projects", str(tmp_path)])
    assert done.exit_code != 0
