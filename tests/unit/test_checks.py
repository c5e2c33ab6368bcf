"""What ``mlcycle check`` knows of a project before a run, beside its file."""

from pathlib import Path
from typing import Any

import pytest

from mlcycle.adapters.delivery import expectation_table
from mlcycle.checks import check_file, packages
from mlcycle.checks.dag_ids import own_dags
from mlcycle.checks.packages import missing_packages
from mlcycle.errors import ConfigError
from mlcycle.project import Expectation
from mlcycle.project.file import load
from tests.conftest import ROOT
from tests.unit.test_mistakes_of_a_project_file import changed, flights, line_of

__all__ = ["flights"]  # the fixture


def problems(path: Path, own: dict[str, str] | None = None) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        check_file(path, own=own)
    return caught.value.problems


@pytest.mark.parametrize(
    ("old", "new", "line", "expected"),
    [
        ("args: {column: carrier}}", "args: {column: carier}}", "carier}", "expectations.0.args.column: expect_column_values_to_not_be_null: no column 'carier' in the table: there are carrier, flight"),
        ("max_value: 6000", "max_valu: 6000", "max_valu:", "args.max_valu: expect_column_values_to_be_between takes no argument 'max_valu': it takes column"),
        ("args: {column: dest, value: 3}", "args: {column: dest}", "args: {column: dest}", "expectations.2.args: expect_column_value_lengths_to_equal needs the argument 'value': add it"),
        ("holdout: 14 days", "holdout: 4 days", "block:", "gate.block: split.holdout, 4 days, holds 4 whole blocks of 1 day, and nothing is judged on fewer than 5"),
        ("  metric: log_loss", "  metric: log_los", "log_los", "evaluation.metric: "),
    ],
    ids=["column", "argument", "missing argument", "blocks", "metric"],
)  # fmt: skip
def test_what_a_run_would_find_is_found_before_it(
    flights: Path, old: str, new: str, line: str, expected: str
) -> None:
    changed(flights, (old, new))
    (said,) = problems(flights)
    assert said.startswith(f"{flights}:{line_of(flights, line)}: ")
    assert expected in said


def test_a_gain_that_no_challenger_can_show_is_refused(flights: Path) -> None:
    gain = next(row for row in flights.read_text().splitlines() if row.startswith("  min_gain:"))
    changed(flights, ("  metric: log_loss", "  metric: roc_auc"), (gain, "  min_gain: 1.5"))
    (said,) = problems(flights)
    assert "gate.min_gain: no challenger is better by 1.5: roc_auc lies between 0 and 1" in said


def test_a_view_s_mistake_is_said_with_the_line_of_its_own_file(flights: Path) -> None:
    view = flights.parent / "carrier_recent.sql"
    changed(view, ("a.arr_delay is not null", "a.arr_dely is not null"))
    (said,) = problems(flights)
    where = f"{view}:{line_of(view, 'arr_dely')}: features.carrier_recent.sql: a.arr_dely: no column"
    assert said.startswith(where)
    assert said.endswith("did you mean 'arr_delay'?")


def test_a_person_s_own_dag_of_the_same_id_is_found_and_never_run(flights: Path, tmp_path: Path) -> None:
    folder = tmp_path / "dags"
    folder.mkdir()
    (folder / "mine.py").write_text(
        "raise SystemExit('run')\n"
        "from airflow.sdk import DAG, dag\n"
        "with DAG('flights_train'):\n    pass\n"
        "x = DAG(schedule=None, dag_id='other')\n"
        "@dag(schedule=None)\ndef flights_score():\n    pass\n"
        "@dag(dag_id='third')\ndef flights_monitor():\n    pass\n"
    )
    (folder / "broken.py").write_text("with DAG(")
    own = own_dags(folder)
    assert set(own) == {"flights_train", "other", "flights_score", "third"}
    assert own["flights_train"] == f"{folder / 'mine.py'}:3"
    assert own_dags(tmp_path / "nowhere") == {}
    said = problems(flights, own)
    clashing = {each.partition("its DAG ")[2].split()[0] for each in said}
    assert clashing == {"'flights_train'", "'flights_score'"}
    assert said[0].startswith(f"{flights}:{line_of(flights, 'name: flights')}: name: ")


def test_the_platform_s_own_dag_files_clash_with_no_project() -> None:
    own = own_dags(ROOT / "dags")
    for path in sorted((ROOT / "projects").glob("*/project.yaml")):
        assert check_file(path, own=own).name == path.parent.name


def test_a_package_that_a_family_trains_with_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    project = load(ROOT / "projects" / "flights" / "project.yaml")
    assert "deep_cross" in {candidate.family for candidate in project.candidates.values()}
    monkeypatch.setattr(packages, "find_spec", lambda name: None if name == "torch" else object())
    (said,) = missing_packages(project)
    assert "trains with torch, which is not installed here: pip install 'mlcycle[torch]'" in said


@pytest.mark.parametrize(
    ("name", "args", "expected"),
    [
        ("expect_column_values_to_be_between", {"column": "x", "min_value": 0}, []),
        ("expect_column_values_to_be_between", {"column": "x"}, None),
        ("expect_column_values_to_be_between", {"column": "x", "min_value": "a"}, None),
        ("expect_column_values_to_be_in_set", {"column": "x", "value_set": ["a"], "mostly": 0.9}, []),
        ("expect_column_values_to_be_in_set", {"column": "x", "value_set": ["a"], "mostly": 9}, None),
        ("expect_something_of_another_package", {}, None),
        ("expect_column_to_exist", {"colum": "x"}, ["colum", "column"]),
    ],
    ids=["fine", "neither bound", "text", "set", "share", "of another package", "argument"],
)
def test_the_table_says_only_what_it_knows(
    name: str, args: dict[str, Any], expected: list[str] | None
) -> None:
    found = expectation_table.wrong(Expectation(expect=name, args=args))
    if not expected:
        assert found == expected
    else:
        assert found is not None
        assert all(word in str(each) for word, each in zip(expected, found, strict=True))
