"""Labels that people make: asked for, answered in the console, settled, delivered, corrected, counted."""

from tests import airflow_env  # noqa: F401, I001 - first of all

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from typer.testing import CliRunner

from mlcycle.adapters.warehouse.connection import Warehouse
from mlcycle.cli import app as command
from mlcycle.contract import Request, Result, Status
from mlcycle.cycle import ROLES
from mlcycle.ledger import labelling
from mlcycle.project import Project
from mlcycle.project.file import load
from mlcycle.stage_run import run_stage
from mlcycle.steps.runtime import run_step
from tests.conftest import Platform
from tests.contract.test_console_acts import tokens  # noqa: F401 - a fixture
from tests.raw_data import FLIGHTS, deliver

DAY = "2013-01-02"
SAME = {"sec-fetch-site": "same-origin"}


def by_people(name: str = "flights", labellers: int = 1) -> dict[str, Any]:
    """The flights, their labels made by people: no views, for they read arrivals."""
    document = FLIGHTS.document()
    tables = document["source"]["tables"]
    keys = {key: tables["flights"]["columns"][key] for key in tables["flights"]["key"]}
    tables["arrivals"] = {
        "columns": {**keys, "sched_dep": "timestamp", "late": "boolean"},
        "key": list(keys),
        "event_time": "sched_dep",
    }
    document["name"] = name
    document["features"] = {}
    document["label"] = {
        "name": "late",
        "task": "classification",
        "table": "arrivals",
        "column": "late",
        "source": "people",
        "labellers": labellers,
        "delay": "1 day",
    }
    document["inputs"] = {"categorical": ["carrier", "origin"], "numeric": ["sched_hour", "distance"]}
    document["candidates"] = {"table": {"family": "rate_table", "params": {"by": ["carrier"]}}}
    document["evaluation"] = {"metric": "log_loss", "heuristic": "table"}
    document["split"]["groups"] = []
    document["split"]["cross_validation"] = None
    document["gate"] = {}
    return document


@pytest.fixture
def named(platform: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project file, the environment that names the platform, and a day of flights."""
    folder = tmp_path / "projects" / "flights"
    folder.mkdir(parents=True)
    document = by_people(labellers=2)
    del document["code"]
    (folder / "project.yaml").write_text(yaml.safe_dump(document))
    for role in ("train", "serve"):
        dsn = platform.settings(role).warehouse_dsn.get_secret_value()
        monkeypatch.setenv(f"MLCYCLE_DSN_{role.upper()}", dsn)
    monkeypatch.setenv("MLCYCLE_ARTIFACTS_URL", platform.settings().artifacts_url)
    monkeypatch.setenv("MLCYCLE_STATE", str(tmp_path / "nowhere"))
    monkeypatch.setenv("MLCYCLE_PROJECTS", str(tmp_path / "projects"))
    deliver(Warehouse(platform.settings("ingest")), FLIGHTS, DAY, DAY)
    platform.owner().query(
        "drop table raw.flights__arrivals; delete from ledger.batch where table_name = 'arrivals' returning 1"
    )
    return load(folder / "project.yaml")


@pytest.fixture
def execute(platform: Platform) -> Callable[[Request], Result]:
    return lambda request: run_step(request, platform.settings(ROLES[request.step]))


@pytest.fixture
def browser(named: Project, tokens: dict[str, str]) -> Any:  # noqa: F811 - the fixture
    from starlette.testclient import TestClient

    from mlcycle.console.app import app

    def of(who: str) -> Any:
        return TestClient(app, cookies={"_token": tokens[who]}, raise_server_exceptions=False)

    return of


def said(*arguments: str) -> str:
    done = CliRunner().invoke(command, list(arguments))
    assert done.exit_code == 0, (done.output, done.exception)
    return done.output


def test_rows_are_asked_for_answered_settled_and_become_labels(
    platform: Platform, named: Project, execute: Callable[[Request], Result], browser: Any
) -> None:
    assert "12 rows of" in said(
        "labels", "ask", "flights", "--count", "12", "--by", "diversity", "--partition", DAY
    )
    reasons = dict(platform.owner().query("select reason, count(*) from ledger.label_task group by 1"))
    assert reasons == {"random": 3, "diversity": 9}
    ana = browser("ana")
    assert '<a href="flights/labels">Label rows</a>' in ana.get("/projects/flights").text
    page = ana.get("/projects/flights/labels")
    assert page.status_code == 200
    assert '<button name="answer" value="true">' in page.text
    assert "carrier" in page.text
    for number in range(12):
        task = page.text.split('name="task" value="')[1].split('"')[0]
        answer = "true" if number % 3 == 0 else "false" if number % 3 == 1 else "cannot tell"
        page = ana.post("/projects/flights/labels", data={"task": task, "answer": answer}, headers=SAME)
        assert page.status_code == 200
    assert "You have answered every row that is open" in page.text
    # Two are wanted for each row: a colleague brings in what he labelled elsewhere.
    rows = platform.owner().query(
        "select entity_key, event_time, task_id from ledger.label_task order by task_id"
    )
    mine = dict(platform.owner().query("select task_id, answer from ledger.label_answer"))
    lines = [
        {"entity_key": key, "event_time": moment.isoformat(), "answer": "true" if number == 1 else mine[task]}
        for number, (key, moment, task) in enumerate(rows)
    ]
    file = Path(platform.folder) / "answers.jsonl"
    file.write_text("".join(json.dumps(line) + "\n" for line in lines))
    assert "12 answers were brought in, 0 of rows" in said(
        "labels", "import", "flights", str(file), "--labeller", "bo"
    )
    states = dict(platform.owner().query("select state, count(*) from ledger.label_task group by 1"))
    assert states == {"settled": 11, "open": 1}

    found = dict(run_stage(named, "ingest", execute, last=DAY))
    assert found["publish.arrivals"].status is Status.OK, found["publish.arrivals"].message
    query = "select late, count(*) from raw.flights__arrivals group by 1 order by 1"
    before = platform.owner().query(query)
    settled = [answer for number, (_, _, task) in enumerate(rows) if (answer := mine[task]) and number != 1]
    assert sum(count for _, count in before) == len(settled)
    assert dict(before)[True] == settled.count("true")
    again = dict(run_stage(named, "ingest", execute, last=DAY))
    assert again["publish.arrivals"].status is Status.SKIPPED

    # A judge settles what two said differently; the partition is delivered anew and labels follow.
    with platform.owner().transaction() as cursor:
        for who, answer in (("cy", None), ("di", "true"), ("ed", "false")):
            labelling.answer(cursor, "flights", rows[1][2], who, answer)
    assert "disputed" in str(
        platform.owner().query("select state from ledger.label_task where state <> 'settled'")
    )
    judged = ana.get("/projects/flights/labels?judge=yes")
    assert "bo: <strong>true</strong>" in judged.text
    form = {"task": str(rows[1][2]), "answer": "true", "judges": "yes"}
    assert "Nothing is disputed." in ana.post("/projects/flights/labels", data=form, headers=SAME).text
    found = dict(run_stage(named, "ingest", execute, last=DAY))
    assert found["publish.arrivals"].status is Status.OK
    after = dict(platform.owner().query(query))
    assert after[True] == dict(before)[True] + 1
    labelled = dict(run_stage(named, "monitor", execute, last="2013-01-04"))["labels"]
    assert labelled.values["rows"] == len(settled) + 1, labelled.message
    out = Path(platform.folder) / "all.jsonl"
    assert "wrote 12 rows" in said("labels", "export", "flights", str(out))
    assert len(json.loads(out.read_text().splitlines()[1])["answers"]) == 6
    assert "settled    12" in said("labels", "status", "flights")


def test_who_may_not_act_sees_no_form_and_nobody_answers_what_is_no_answer(
    platform: Platform, named: Project, browser: Any
) -> None:
    said("labels", "ask", "flights", "--count", "2", "--by", "random", "--partition", DAY)
    assert "<form" not in browser("vic").get("/projects/flights/labels").text
    refused = browser("vic").post(
        "/projects/flights/labels", data={"task": "1", "answer": "true"}, headers=SAME
    )
    assert refused.status_code == 403
    ana = browser("ana")
    assert ana.post("/projects/flights/labels", data={"task": "1", "answer": "true"}).status_code == 403
    for form, expected in (
        ({"task": "1", "answer": "maybe"}, "&#39;maybe&#39; is none of true, false"),
        ({"task": "1"}, "nothing was answered"),
        ({"task": "999999", "answer": "true"}, "flights asks no label of number 999999"),
    ):
        page = ana.post("/projects/flights/labels", data=form, headers=SAME)
        assert page.status_code == 400
        assert expected in page.text
    assert platform.owner().query("select count(*) from ledger.label_answer") == [(0,)]
    unsure = CliRunner().invoke(command, ["labels", "ask", "flights", "--partition", DAY])
    assert "flights has not a champion yet: ask at random or by diversity first" in str(unsure.exception)


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({"table": "flights", "column": "distance", "at_least": 5}, "needs a table of its own"),
        ({"table": "weather", "column": "temp", "at_least": 5}, "and no other column"),
    ],
)
def test_a_table_that_people_cannot_fill_is_refused(change: dict[str, Any], expected: str) -> None:
    document = by_people()
    document["label"] |= change
    with pytest.raises(ValueError, match=expected):
        Project.model_validate(document)


def test_functions_that_err_and_abstain_label_what_they_are_sure_of(
    platform: Platform, named: Project, tmp_path: Path
) -> None:
    folder = tmp_path / "projects" / "flights"
    (folder / "labels.py").write_text(
        "def far(rows):\n    return [True if d > 1500 else False if d < 700 else None for d in rows['distance']]\n\n"
        "def evening(rows):\n    return rows['distance'] > 1200\n\n"
        "def west(rows):\n    return [bool(d > 1000) if c in 'UA' 'DL' 'B6' else None for d, c in zip(rows['distance'], rows['carrier'])]\n\n"
        "def odd(rows):\n    return ['perhaps'] * len(rows)\n"
    )
    names = ("labels:far", "labels:evening", "labels:west")
    for more, expected in (
        (("labels:far", "labels:west"), "three are needed"),
        ((*names, "labels:odd"), "labels:odd answers 'perhaps', which is none of true, false"),
    ):
        done = CliRunner().invoke(command, ["labels", "weak", "flights", *more, "--partition", "2013-01-02"])
        assert expected in str(done.exception)
    told = said("labels", "weak", "flights", *names, "--partition", DAY, "--sure", "0.9")
    assert "labels:evening                 says something of 100% of rows" in told
    labelled = platform.owner().query(
        "select (t.shown ->> 'distance')::float, a.answer from ledger.label_task t join ledger.label_answer a using (task_id)"
    )
    assert len(labelled) > 300
    assert all(answer == ("true" if distance > 1200 else "false") for distance, answer in labelled)


def test_the_page_does_without_numpy_where_airflow_has_none(
    platform: Platform, named: Project, browser: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    said("labels", "ask", "flights", "--count", "1", "--by", "random", "--partition", DAY)
    ana = browser("ana")
    ana.post("/projects/flights/labels", data={"task": "1", "answer": "true"}, headers=SAME)
    monkeypatch.setitem(sys.modules, "mlcycle.domain.labelling.summary", None)
    page = ana.get("/projects/flights/labels")
    assert page.status_code == 200
    assert "<td>ana</td>" in page.text
    assert "Right, by what all say" not in page.text
