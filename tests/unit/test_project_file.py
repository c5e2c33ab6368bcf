"""Project files: what is refused, and that the message names file, line and key."""

import re
import shutil
import time
from pathlib import Path

import pytest
from pydantic import TypeAdapter, ValidationError
from typer.testing import CliRunner

from mlcycle.adapters.warehouse.connection import feature_table, raw_table
from mlcycle.cli import app
from mlcycle.errors import ConfigError
from mlcycle.project import Monitors, Name, Project
from mlcycle.project.file import load
from tests.conftest import ROOT


@pytest.fixture
def flights(tmp_path: Path) -> Path:
    shutil.copytree(ROOT / "projects" / "flights", tmp_path / "flights")
    return tmp_path / "flights" / "project.yaml"


def refused(path: Path) -> str:
    with pytest.raises(ConfigError) as caught:
        load(path)
    assert "\n" not in caught.value.message
    return caught.value.message


@pytest.mark.parametrize(
    "path", sorted((ROOT / "projects").glob("*/project.yaml")), ids=lambda p: p.parent.name
)
def test_every_project_of_the_repository_loads_and_survives_a_request(path: Path) -> None:
    project = load(path)
    assert Project.model_validate(project.document()) == project


@pytest.mark.parametrize(
    ("old", "new", "line_of", "expected"),
    [
        pytest.param("  min_rows: 2000\n  min_slice", "  min_rows: 2000\n  resamples: 1000\n  min_slice", "  resamples:", r"gate\.resamples: unknown key, there is no such setting any more \(the gate's interval", id="a setting of old"),
        pytest.param("  metric: log_loss", "  metrics: log_loss", "  metrics:", r"evaluation\.metrics: unknown key: did you mean 'metric'", id="unknown key"),
        pytest.param("holdout: 14 days", "holdout: 14 dayz", "holdout:", r"split\.holdout: '14 dayz' is not a duration", id="bad duration"),
        pytest.param("origin: text", "origin: varchar", "origin: varchar", r"columns\.origin: 'varchar' is not there: there are text, integer", id="unknown type"),
        pytest.param("entity:\n  table: flights", "entity:\n  table: departures", "table: departures", r"'departures', which is not a source table", id="unknown table"),
        pytest.param("categorical: [carrier", "categorical: [carier", "[carier", r"inputs\.categorical\.0: input, slice or group 'carier' is in no .*: did you mean 'carrier'", id="unknown input"),
        pytest.param("sql: carrier_recent.sql", "sql: ../../etc/passwd", "sql: ..", r"is not the name of a \.sql file", id="path traversal"),
        pytest.param("sql: carrier_recent.sql", "sql: missing.sql", "", r"missing\.sql: No such file", id="missing SQL"),
        pytest.param("name: flights", "name: fl\"; drop", "name:", r"name: 'fl\"; drop' is not a name: a small letter, then", id="SQL in a name"),
        pytest.param("name: flights", "name: other", "name:", r"must be the folder's name", id="not the folder's name"),
        pytest.param("version: 1", "version: 1\nversion: 1", "", r"key 'version' is given twice", id="duplicate key"),
        pytest.param("version: 1", "version: !!python/object:os.system {}", "version: !!", r"tag .* is not allowed", id="tag"),
        pytest.param("version: 1", "version: &v 1\nother: *v", "other:", r"aliases .* are not allowed", id="alias"),
        pytest.param("version: 1", "version: [1", "", r"not YAML", id="not YAML"),
        pytest.param("threshold: 0.25", "explore: {share: 0.6}", "explore:", r"value\.explore\.share: 0\.6 is above 0\.5, the most", id="more than half is drawn"),
        pytest.param("budget: 4", "budget: -1", "budget:", r"retrain\.budget", id="negative budget"),
        pytest.param('start: "2013-01-01"', "start: 2013-02-30", "start: 2013", r"'2013-02-30' is no timestamp", id="no such day"),
        pytest.param('start: "2013-01-01"', 'start: "0001-01-01"', "start: ", r"0001-01-01 is not in the years 1900 to 2199", id="before all months"),
        pytest.param("holdout: 14 days", "holdout: 0 days", "holdout:", r"split\.holdout: no time at all", id="empty holdout"),
        pytest.param("block: 1 day", "block: 0 days", "block:", r"gate\.block: no time at all", id="blocks of no time"),
        pytest.param("budget: 4", "budget: 0x_", "budget:", r"'0x_' is no int", id="no such number"),
        pytest.param("version: 1", "version: !!bool 1", "version:", r"'1' is no bool", id="no such truth value"),
        pytest.param("true_positive: ", "true_positive: .inf #", "true_positive:", r"\.inf: a number here is finite", id="infinity"),
        pytest.param("min_gain: ", "min_gain: .nan #", "min_gain:", r"\.nan: a number here is finite", id="NaN"),
    ],
)  # fmt: skip
def test_a_mistake_is_named_by_file_line_and_key(
    flights: Path, old: str, new: str, line_of: str, expected: str
) -> None:
    text = flights.read_text()
    assert old in text
    flights.write_text(text.replace(old, new, 1))
    message = refused(flights)
    assert re.search(expected, message), message
    assert str(flights.parent) in message
    if line_of:
        line = next(i for i, row in enumerate(flights.read_text().splitlines(), 1) if line_of in row)
        assert f"{flights}:{line}:" in message, message


def test_the_command_says_where_decisions_hide_what_other_ones_would_have_earned(flights: Path) -> None:
    text = flights.read_text()
    for said, told in (("", True), ("\n  explore: {share: 0.05}", False)):
        key = f"threshold: 0.25\n  label_needs: positive{said}"
        flights.write_text(text.replace("threshold: 0.25", key))
        done = CliRunner().invoke(app, ["check", "--projects", str(flights.parents[1])])
        assert done.exit_code == 0, done.stderr
        note = "note    flights: labels are known only of rows decided positive, and no share"
        assert (note in done.stdout) is told


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("    family: deep_cross", "    family: deep_crss", "candidates.network.family: no model family 'deep_crss': there are"),
        ("epochs: ", "epoch: ", "candidates.network.params.epoch: model family 'deep_cross': no parameter 'epoch': there are"),
        ("memory: 2Gi}", "memory: 2Gi, gpu: 2}", "candidates.boosting.resources: model family 'hist_gradient_boosting' trains in one process"),
        ("metric: log_loss", "metric: rmse", "evaluation.metric: evaluation.metric 'rmse' does not measure"),
        ("    missing: ", "    mising: ", "monitors.watch.mising: no monitor 'mising': there are"),
        (
            "expect_column_value_lengths_to_equal",
            "expect_column_value_length_to_equal",
            "source.tables.flights.expectations.2: there is no expectation 'expect_column_value_length_to_equal': did you mean 'expect_column_value_lengths",
        ),
        ("max_value: 6000", "max_valu: 6000", "source.tables.flights.expectations.4.args.max_valu: expect_column_values_to_be_between takes no argument"),
        (
            "  cooldown: 7 days",
            "  schedule: 0 25 * * *\n  cooldown: 7 days",
            "retrain.schedule: '0 25 * * *' is not a cron expression",
        ),
        ("retrain:", "retrain:", ""),
    ],
    ids=["family", "parameter", "gang", "metric", "monitor", "expectation", "argument", "cron", "fine"],
)  # fmt: skip
def test_the_command_checks_what_a_file_alone_does_not_tell(
    flights: Path, old: str, new: str, expected: str
) -> None:
    text = flights.read_text()
    assert old in text
    flights.write_text(text.replace(old, new, 1))
    done = CliRunner().invoke(app, ["check", "--projects", str(flights.parents[1])])
    assert (done.exit_code != 0) is bool(expected)
    said = re.sub(rf"(?m)^broken  {re.escape(str(flights))}:\d+: ", "", done.stderr)
    assert said.startswith(expected) if expected else not said
    assert said.count("\n") == bool(expected)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"a: 1\n" * 20_000_000, id="50 MB and more"),
        pytest.param(b"[" * 100_000, id="nested deep"),
        pytest.param("a: \ud800".encode("utf-8", "surrogatepass"), id="lone surrogate"),
        pytest.param("name: x".encode("utf-16"), id="UTF-16"),
        pytest.param(b"", id="empty"),
        pytest.param(b"a: \0", id="NUL"),
    ],
)
def test_hostile_content_is_refused_within_a_second(flights: Path, content: bytes) -> None:
    flights.write_bytes(content)
    begin = time.perf_counter()
    refused(flights)
    assert time.perf_counter() - begin < 30  # a machine under load; the bombs take minutes


def test_the_longest_names_make_a_table_that_postgresql_does_not_cut() -> None:
    names = TypeAdapter(Name)
    longest = max(size for size in range(1, 64) if _valid(names, "n" * size))
    assert longest >= 30
    for table in (raw_table("n" * longest, "n" * longest), feature_table("n" * longest, "n" * longest)):
        assert len(table.strings[1].encode()) <= 63  # NAMEDATALEN - 1


def _valid(names: TypeAdapter[str], name: str) -> bool:
    try:
        names.validate_python(name)
    except ValidationError:
        return False
    return True


def test_an_older_files_monitors_are_read(tmp_path: Path) -> None:
    """The keys that flights had before monitors had names."""
    flat = {
        "window": "7 days",
        "volume_ratio": [0.4, 2.0],
        "drift_effect": 0.35,
        "performance_increase": 0.12,
        "performance_min_rows": 5000,
        "watch": {"drift": {"severity": "page"}},
    }
    found = Monitors.model_validate(flat).watch
    assert {name: said.params for name, said in found.items()} == {
        "volume": {"ratio": [0.4, 2.0]},
        "drift": {"effect": 0.35},
        "performance": {"increase": 0.12, "min_rows": 5000},
        "estimate": {"increase": 0.12},
    }
    assert found["drift"].severity == "page"
    assert Monitors.model_validate(Monitors.model_validate(flat).model_dump(mode="json")).watch == found


def test_a_label_s_table_that_claims_to_be_there_before_the_label_is_refused(flights: Path) -> None:
    """It would date the views over it too early, and the replay of the past would believe it."""
    flights.write_text(flights.read_text().replace("lag: 1 ", "lag: 0 "))
    message = refused(flights)
    assert "feature view 'carrier_recent' reads the label's column 'arr_delay'" in message
    assert "'arrivals' says lag: 0, so that its values count as known before the label is" in message
    assert "(label.delay: 1 day): set the table's lag" in message
    result = CliRunner().invoke(app, ["check", str(flights)])
    assert result.exit_code != 0


def test_a_view_that_reads_other_columns_of_the_label_s_table_may_be_early(flights: Path) -> None:
    text = flights.read_text().replace("lag: 1 ", "lag: 0 ")
    flights.write_text(text)
    for name in ("carrier_recent", "dest_recent", "carrier_hour"):
        path = flights.parent / f"{name}.sql"
        path.write_text(path.read_text().replace("arr_delay", "dep_delay") + "-- no arr_delay\n")
    assert load(flights).source.tables["arrivals"].lag == 0


def test_only_an_input_is_declared_as_known(flights: Path) -> None:
    text = flights.read_text()
    flights.write_text(text.replace("inputs:\n", "inputs:\n  known: [distance]\n"))
    assert load(flights).inputs.known == ["distance"]
    flights.write_text(text.replace("inputs:\n", "inputs:\n  known: [tailnum]\n"))
    assert "known names 'tailnum', which is no input: list it as one, or remove it" in refused(flights)


@pytest.mark.parametrize(
    ("lines", "says"),
    [
        ("  groups: [nowhere]\n", "'nowhere' is in no table or view of the project"),
        ("  must_not_matter: [tailnum]\n", "evaluation.must_not_matter names 'tailnum', which is no input"),
        ("  directions: {carrier: up}\n", "evaluation.directions names 'carrier', which is no numeric input"),
        ("  directions: {distance: sideways}\n", "evaluation.directions.distance"),
        ("  parts: [slices]\n", "parts leaves out figures"),
        ("  parts: [figures, shap]\n", "evaluation.parts.1"),
        ("  budget: 0\n", "evaluation.budget"),
    ],
    ids=["group", "invariant", "direction", "way", "no figures", "part", "budget"],
)
def test_what_an_evaluation_cannot_tell_is_refused(flights: Path, lines: str, says: str) -> None:
    text = flights.read_text()
    flights.write_text(text.replace("evaluation:\n", f"evaluation:\n{lines}"))
    assert says in refused(flights)


def test_a_group_becomes_a_part_of_the_datasets_and_a_figure_needs_a_limit(flights: Path) -> None:
    text = flights.read_text()
    flights.write_text(text.replace("evaluation:\n", "evaluation:\n  groups: [tailnum]\n"))
    assert "tailnum" in load(flights).dataset_columns
    limited = "gate:\n  guardrails: {figures: [{path: figures.recall%s}]}\n"
    flights.write_text(text.replace("gate:\n", limited % ", at_least: 0.4"))
    assert load(flights).gate.guardrails.figures[0].at_least == 0.4
    wrong = (limited % ", at_least: 0.4").replace("figures.recall", "figurs.recall")
    flights.write_text(text.replace("gate:\n", wrong))
    assert "names 'figurs.recall', which evaluation.parts does not tell: there are figures," in refused(
        flights
    )
    flights.write_text(text.replace("gate:\n", limited % ""))
    assert "figure figures.recall: nothing is limited: say at_most, at_least, or both" in refused(flights)
