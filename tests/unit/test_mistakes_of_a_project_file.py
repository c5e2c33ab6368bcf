"""A mistake a line: each with its file, line and key, in words, with the name that was meant."""

import re
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from mlcycle.cli import app
from mlcycle.errors import ConfigError
from mlcycle.project.file import load
from tests.conftest import ROOT


@pytest.fixture
def flights(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "projects" / "flights", tmp_path / "flights")
    return tmp_path / "flights" / "project.yaml"


def changed(path: Path, *changes: tuple[str, str]) -> None:
    text = path.read_text()
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    path.write_text(text)


def line_of(path: Path, part: str) -> int:
    return next(at for at, row in enumerate(path.read_text().splitlines(), 1) if part in row)


@pytest.mark.parametrize(
    ("old", "new", "line", "expected"),
    [
        ("entity:\n  table: flights", "entity:\n  table: flihgts", "flihgts", r"entity\.table: .*: did you mean 'flights'\?"),
        ("  column: arr_delay", "  column: ar_delay", " ar_delay", r"label\.column: .*: did you mean 'arr_delay'\?"),
        ("reads: [arrivals]", "reads: [arivals]", "arivals", r"features\.carrier_recent\.reads\.0: .*did you mean 'arrivals'"),
        ("entities: [carrier, sched_hour]", "entities: [carrier, schedhour]", "schedhour", r"features\.carrier_hour\.entities\.1: .*'sched_hour'"),
        ("    - weekday\n", "    - week_day\n", "week_day", r"inputs\.numeric\.3: input, slice or group 'week_day' .*'weekday'"),
        ("heuristic: ", "heuristic: x", "heuristic: ", r"evaluation\.heuristic: .* is not a candidate"),
        ("event_time: sched_dep", "event_time: sched_dp", "sched_dp", r"source\.tables\.flights\.event_time: .*'sched_dep'"),
        ("lag: 1 ", "lag: 0 ", "lag: 0", r"source\.tables\.arrivals\.lag: feature view 'carrier_recent'"),
        ("retrain:", "steps: {trian: {cpu: 1}}\nretrain:", "trian", r"steps\.trian: no step 'trian': there are .*: did you mean 'train'"),
        ("severity: warning", "severity: warnin", "warnin}", r"severity: 'warnin' is not there: there are critical, warning: did you mean 'warning'"),
        ("currency: EUR", "currency: euro", "euro", r"value\.currency: 'euro' is not a currency: three capitals, like EUR"),
        ("min_rows: 100\n", "min_rows: many\n", "many", r"source\.tables\.flights\.min_rows: 'many' is not an integer"),
        ("  owner: Ground", "  ownr: Ground", "scope:", r"scope\.owner: is missing: add it"),
        ("distance: double", "Distance: double", "Distance", r"columns\.Distance: 'Distance' is not a name: a small letter"),
        ("max_bad_rows: 0.1", "max_bad_rows: 10", "max_bad_rows: 10", r"max_bad_rows: 10 is above 1, the most there may be"),
        ("key: [carrier, flight, origin]", "key: carrier", "key: carrier", r"flights\.key: 'carrier' is not a list: write it like"),
        ("arr_delay: integer", "arr_delay: text", "  column: arr_delay", r"label\.column: .* is text: a classification needs label\.positive|label\.at_least is for numbers"),
        ("partition: day", "partition: dya", "partition: dya", r"source\.partition: 'dya' is not there: there are .*'day'"),
    ],
    ids=[
        *("entity", "label", "reads", "view's entity", "input", "heuristic", "event time", "lag", "step"),
        *("severity", "currency", "integer", "missing", "name", "share", "list", "text label", "partition"),
    ],
)  # fmt: skip
def test_a_mistake_stands_at_its_own_key_in_words(
    flights: Path, old: str, new: str, line: str, expected: str
) -> None:
    changed(flights, (old, new))
    with pytest.raises(ConfigError) as caught:
        load(flights)
    at = [said for said in caught.value.problems if re.search(expected, said)]
    assert at, caught.value.problems
    assert at[0].startswith(f"{flights}:{line_of(flights, line)}: ")
    assert "pattern" not in caught.value.message
    assert "Input should" not in caught.value.message


def test_mistakes_of_the_whole_are_said_together_each_on_its_line(flights: Path) -> None:
    changed(
        flights,
        ("categorical: [carrier", "categorical: [carier"),
        ("    - weekday\n", "    - week_day\n"),
        ("heuristic: ", "heuristic: x"),
    )
    done = CliRunner().invoke(app, ["check", "flights", "--projects", str(flights.parents[1])])
    assert done.exit_code == 20
    said = done.stderr.splitlines()
    assert [re.sub(r"^broken  .*?:(\d+): ([a-z.0-9]+): .*$", r"\2", row) for row in said] == [
        "inputs.categorical.0",
        "inputs.numeric.3",
        "evaluation.heuristic",
    ]


def test_one_project_is_checked_by_name(flights: Path) -> None:
    shutil.copytree(ROOT / "projects" / "weather", flights.parents[1] / "weather")
    changed(flights, ("entity:", "entiti:"))
    folder = str(flights.parents[1])
    fine = CliRunner().invoke(app, ["check", "weather", "--projects", folder])
    assert (fine.exit_code, fine.stderr) == (0, "")
    assert fine.stdout.startswith("ok      weather:")
    assert CliRunner().invoke(app, ["check", "--projects", folder]).exit_code == 20
    unknown = CliRunner().invoke(app, ["check", "wether", "--projects", folder])
    assert unknown.exit_code != 0
    assert "did you mean 'weather'?" in str(unknown.exception)
