"""What ``check`` knows by a table is what the library says, and a server explains views without being touched."""

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from mlcycle.adapters.delivery import expectation_table
from mlcycle.adapters.delivery.expectations import Suite
from mlcycle.adapters.warehouse.connection import Warehouse
from mlcycle.checks import check_file
from mlcycle.errors import ConfigError
from mlcycle.project import Expectation
from tests.conftest import ROOT, Platform

VALUES: dict[str, list[Any]] = {
    "text": ["x", ""],
    "truth": [True],
    "integer": [3, -1],
    "number": [0.5, -2],
    "share": [0.5, 1, 2],
    "list": [["a"], [1, 2], []],
    "": ["x"],
}


def test_the_table_of_expectations_is_the_library_s() -> None:
    """Made anew by ``python -m mlcycle.adapters.delivery.expectation_table``."""
    assert json.loads(json.dumps(expectation_table.generate())) == expectation_table.table()


def test_what_the_table_calls_fine_the_library_builds_and_what_it_refuses_the_library_refuses() -> None:
    judged = {"fine": 0, "wrong": 0}
    for name, entry in expectation_table.table().items():
        needed = {each: VALUES[entry["takes"][each]][0] for each in entry["needs"]}
        cases = [needed, {**needed, "strange": 1}]
        cases += [{**needed, arg: value} for arg, kind in entry["takes"].items() for value in VALUES[kind]]
        for args in cases:
            given = Expectation(expect=name, args=args)
            found = expectation_table.wrong(given)
            if found is None:
                continue
            judged["wrong" if found else "fine"] += 1
            assert bool(found) is _refused(given), (name, args, found)
    assert judged["fine"] > 200
    assert judged["wrong"] >= len(expectation_table.table())


def _refused(given: Expectation) -> bool:
    try:
        Suite("t", [given])
    except ConfigError:
        return True
    return False


def test_a_fine_project_is_checked_without_the_slow_libraries() -> None:
    code = (
        "import sys; from pathlib import Path; from mlcycle.checks import check_file; "
        "check_file(Path('projects/flights/project.yaml')); "
        "print([name for name in ('great_expectations', 'torch', 'mlflow', 'feast') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("avg((a.arr_delay >= 15)::int)", "avg(a.carrier)", "function avg(text) does not exist"),
        ("a.sched_dep >= known.at", "a.sched_dep >= known.flown", "column known.flown does not exist"),
        ("group by a.carrier, known.at", "group by a.carrier", "must appear in the GROUP BY clause"),
    ],
    ids=["type", "of a function", "not grouped"],
)
def test_what_the_parser_cannot_know_a_server_says_on_tables_without_rows(
    platform: Platform, tmp_path: Path, old: str, new: str, expected: str
) -> None:
    folder = tmp_path / "flights"
    shutil.copytree(ROOT / "projects" / "flights", folder)
    file, view = folder / "project.yaml", folder / "carrier_recent.sql"
    text = view.read_text()
    assert old in text
    warehouse = Warehouse(platform.settings("serve"), name="check")
    with warehouse.reading() as cursor:
        check_file(file, cursor)
        view.write_text(text.replace(old, new))
        check_file(file)  # by the parser alone it is fine
        with pytest.raises(ConfigError) as caught:
            check_file(file, cursor)
        cursor.execute("select count(*) from pg_tables where schemaname like 'pg_temp%'")
        assert cursor.fetchone() == (0,)
    (said,) = caught.value.problems
    assert said.startswith(f"{view}:")
    assert expected in said
