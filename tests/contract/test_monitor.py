"""The monitor step on real flights: what it finds, what it must not miss, and what it never claims."""

import json
import re
import secrets
import shutil
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg2
import pytest
from typer.testing import CliRunner

from mlcycle.adapters.artifacts.store import ArtifactStore
from mlcycle.adapters.monitoring import days, registry
from mlcycle.adapters.monitoring.monitors import report
from mlcycle.adapters.warehouse.connection import Warehouse
from mlcycle.adapters.warehouse.predictions import scored
from mlcycle.cli import app
from mlcycle.contract import Result, Status
from mlcycle.domain.partitions import Partition
from mlcycle.domain.streams import calibration
from mlcycle.ledger import attempts
from mlcycle.project import Project
from mlcycle.steps.runtime import run_step
from tests.conftest import ROOT, Platform, free_port
from tests.raw_data import request, short_flights
from tests.reign import crown, featured
from tests.services import evidently_ui

Watch = Callable[..., Result]

DOCUMENT = short_flights()
PROJECT = Project.model_validate(DOCUMENT)


@pytest.fixture(scope="module")
def lived(module_platform: Platform) -> Platform:
    """Two months of a project's life: ingested, features, a champion, scored, labelled."""
    platform = module_platform
    featured(platform, PROJECT, "2013-02-28")
    settings = platform.settings()
    crown(platform, PROJECT, "2013-01-12", "2013-02-05")
    assert run_step(request("score", PROJECT, "2013-02-06", "2013-02-28"), settings).status is Status.OK
    assert run_step(request("labels", PROJECT, "2013-02-28"), settings).status is Status.OK
    return platform


@pytest.fixture
def life(lived: Platform, tmp_path: Path) -> Iterator[Platform]:
    """A copy of that life of the test's own: what monitors keep in the artifact store is a part of it."""
    folder = shutil.copytree(lived.folder, tmp_path / "life")
    database = f"life_{secrets.token_hex(4)}"
    connection = psycopg2.connect(lived.server.dsn("postgres"))
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", (lived.database,)
        )
        cursor.execute(f"create database {database} template {lived.database}")
    yield replace(lived, database=database, folder=folder)
    with connection.cursor() as cursor:
        cursor.execute(f"drop database {database} with (force)")
    connection.close()


@pytest.fixture
def watch(life: Platform) -> Watch:
    """Run the step for a day as a work of its own."""
    runs = iter(range(1000))

    def run(day: str, project: Project = PROJECT, **settings: Any) -> Result:
        work = str(settings.pop("work", f"monitor-{next(runs)}"))
        return run_step(request("monitor", project, day, work=work), life.settings(**settings))

    return run


class Explaining:
    """A cursor that keeps the server's plan of each question it asks."""

    def __init__(self, cursor: Any) -> None:
        self.cursor, self.plans = cursor, ""

    def execute(self, statement: str, params: Any = None) -> None:
        self.cursor.execute(statement, params)

    def mogrify(self, statement: Any, params: Any) -> Any:
        return self.cursor.mogrify(statement, params)

    def copy_expert(self, statement: bytes, file: Any) -> None:
        query = statement.decode().removeprefix("copy (").removesuffix(") to stdout (format csv)")
        self.cursor.execute(f"explain {query}")
        self.plans += "\n".join(line for (line,) in self.cursor.fetchall())
        self.cursor.copy_expert(statement, file)


def test_days_that_the_statistics_do_not_know_are_not_joined_row_by_row(life: Platform) -> None:
    """As on the first days of a month, whose tables nobody has analyzed: it took seconds, growing daily."""
    first, last = (Partition.parse(day, PROJECT.unit) for day in ("2013-02-20", "2013-02-26"))
    life.owner().query(
        """delete from pg_statistic where starelid in (select oid from pg_class
             where relname ~ '^(label|prediction_log)_')"""
    )
    with Warehouse(life.settings()).transaction() as cursor:
        asking: Any = Explaining(cursor)
        rows = scored(asking, PROJECT.name, first, last, as_of=last.end)
        cursor.execute("show enable_nestloop")
        assert cursor.fetchone() == ("on",)
    assert len(rows) > 4000
    assert "label" in asking.plans
    assert "Nested Loop" not in asking.plans, asking.plans


def results(platform: Platform, day: str) -> dict[tuple[str, str], tuple[str, str]]:
    """(monitor, subject) -> (status, message) of a day."""
    rows = platform.owner().query(
        "select monitor, subject, status, message from ledger.monitor_result where partition = %s", (day,)
    )
    return {(monitor, subject): (status, message) for monitor, subject, status, message in rows}


def earned(platform: Platform) -> list[tuple[Any, ...]]:
    """What the predictions served up to 28 February earned, and on how many rows."""
    return platform.owner().query(
        """select details ->> 'total', details ->> 'rows' from ledger.monitor_result
           where monitor = 'value' and partition = '2013-02-28'"""
    )


def keys(result: Result) -> set[str]:
    """Matters of the alerts handed over."""
    alerts = result.values["alerts"]
    assert isinstance(alerts, list)
    return {str(item["matter"]) for item in alerts if isinstance(item, dict)}


def test_an_ordinary_day_is_measured_whole(life: Platform, watch: Watch) -> None:
    result = watch("2013-02-28")
    assert result.status is Status.OK, result.message
    found = results(life, "2013-02-28")
    assert {monitor for monitor, _ in found} == {
        *(
            "volume",
            "gaps",
            "missing",
            "report",
            "prediction_drift",
            "performance",
            "estimate",
            "value",
            "earnings",
            "served_again",
        )
    }
    assert {status for status, _ in found.values()} == {"ok"}
    assert (result.values["alerts"], result.values["retrain"]) == ([], {"wanted": False, "reason": ""})
    for quiet in ("drift", "dependence", "values"):  # three weeks of training know no seasons
        assert f"{quiet} (the training data are too short: 0 windows" in result.message
    page = ArtifactStore(life.settings().artifacts_url).read(result.links["drift"]).decode()
    assert "Drift in column" in page
    assert '<script src="http' not in page
    assert '<link href="http' not in page


def test_of_many_columns_the_page_draws_some_and_says_so(
    life: Platform, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(report, "DRAWN", 3)
    link = watch("2013-02-28").links["drift"]
    page = ArtifactStore(life.settings().artifacts_url).read(link).decode()
    columns = len(PROJECT.inputs.all)
    assert f"Of {columns} columns the 3 nearest to their limits are drawn." in page
    drawn = set(re.findall(r"Drift in column &#x27;(\w+)|Drift in column '(\w+)'", page))
    assert len({a or b for a, b in drawn}) == 3


SHORT = Project.model_validate({**DOCUMENT, "monitors": {**DOCUMENT["monitors"], "window": "1 day"}})


def wrong(platform: Platform, day: str) -> set[tuple[str, str]]:
    """(monitor, subject) of what a day's monitors of the inputs found wrong."""
    found = results(platform, day).items()
    inputs = ("drift", "dependence", "values")
    return {
        (monitor, subject)
        for (monitor, subject), (status, _) in found
        if monitor in inputs and status != "ok"
    }


def test_a_day_s_faults_are_told_by_column_and_the_page_shows_each_against_its_null(
    life: Platform, watch: Watch
) -> None:
    calm = watch("2013-02-26", SHORT)
    assert calm.status is Status.OK, calm.message
    assert wrong(life, "2013-02-26") == set()
    references = life.folder / "artifacts" / "references" / "flights"
    counted = set(references.glob("*-days-*"))
    assert counted
    found = results(life, "2013-02-26")
    assert {subject for monitor, subject in found if monitor == "drift"} == {*SHORT.inputs.all}
    spoil(life, "distance = distance * 5", "2013-02-27")
    spoil(life, "carrier = 'QQ'", "2013-02-27", share=0.3)
    watch("2013-02-27", SHORT)
    assert {("drift", "distance"), ("values", "carrier")} <= wrong(life, "2013-02-27")
    result = watch("2013-02-28", SHORT)
    page = ArtifactStore(life.settings().artifacts_url).read(result.links["drift"]).decode()
    assert "effect against its null" in page
    told = next(each for each in result.values["alerts"] if each["matter"] == "drift")  # type: ignore[union-attr,index,call-overload]
    picture = ArtifactStore(life.settings().artifacts_url).read(told["picture"])  # type: ignore[index,call-overload,arg-type]
    assert picture.startswith(b"\x89PNG")
    assert len(picture) < 100_000
    assert "the four windows before it" in page
    assert set(references.glob("*-days-*")) == counted  # once for a champion


def test_a_reference_s_day_that_came_anew_is_counted_anew(life: Platform, watch: Watch) -> None:
    watch("2013-02-26", SHORT)
    folder = life.folder / "artifacts" / "references" / "flights"
    before = {path.name for path in folder.iterdir()}
    watch("2013-02-26", SHORT, work="again")
    assert {path.name for path in folder.iterdir()} == before
    life.owner().query(
        "update ledger.batch set digest = repeat('a', 64) where table_name = 'flights' and partition = '2013-02-24' and current"
    )
    watch("2013-02-26", SHORT, work="once more")
    assert {path.name[65:75] for path in folder.iterdir() if path.name not in before} == {"2013-02-24"}


@pytest.mark.parametrize("kind", ["training", "season", "calendar"])
def test_the_project_chooses_the_reference(life: Platform, watch: Watch, kind: str) -> None:
    document = SHORT.document()
    document["monitors"]["reference"] = kind
    result = watch("2013-02-27", Project.model_validate(document))
    assert result.status is Status.OK, result.message
    too_short = "drift (the training data are too short: 0 windows side by side" in result.message
    assert too_short == (kind != "training")


def test_predictions_that_jump_are_told_of_and_each_day_is_noted_once(
    life: Platform, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(days, "MIN_WINDOWS", 14)  # this life has served three weeks
    noted = """select count(*) from ledger.monitor_result, jsonb_object_keys(details -> 'days')
               where monitor = 'prediction_drift' and partition = %s"""
    watch("2013-02-26", SHORT)
    assert results(life, "2013-02-26")["prediction_drift", ""][0] == "ok"
    assert life.owner().query(noted, ("2013-02-26",))[0][0] > 20  # what was served before anybody noted it
    life.owner().query("update serving.prediction_log set prediction = 0.9 where event_time >= '2013-02-27'")
    assert "prediction_drift" in keys(watch("2013-02-27", SHORT))
    assert life.owner().query(noted, ("2013-02-27",)) == [(1,)]
    status, message = results(life, "2013-02-27")["prediction_drift", ""]
    assert status == "warn"
    assert "the limit" in message


def test_values_that_go_missing_page_the_same_day(life: Platform, watch: Watch) -> None:
    spoil(life, "distance = null", "2013-02-28", share=0.3)
    assert keys(watch("2013-02-28")) == {"missing"}
    assert results(life, "2013-02-28")["missing", "distance"][0] == "page"


def test_a_column_without_any_value_is_told_by_who_counts_values_and_by_drift_once_it_lasts(
    life: Platform, watch: Watch
) -> None:
    spoil(life, "distance = distance * 5", "2013-02-26")
    assert "drift" in keys(watch("2013-02-26", SHORT))
    spoil(life, "distance = null", "2013-02-27")
    result = watch("2013-02-27", SHORT)
    assert results(life, "2013-02-27")["drift", "distance"][0] == "ok"
    assert keys(result) >= {"missing", "values"}
    assert not {key for key in keys(result) if key.startswith("error:")}
    assert "drift:distance" in set(result.values["held"])  # type: ignore[arg-type]
    assert results(life, "2013-02-27")["report", ""][0] == "ok"  # the others are still shown
    assert "drift" in keys(watch("2013-02-28", SHORT))
    assert "in each of 2 windows" in results(life, "2013-02-28")["drift", "distance"][1]


def test_a_lost_reference_is_an_error_and_the_other_monitors_go_on(life: Platform, watch: Watch) -> None:
    life.owner().query("truncate ledger.dataset")
    sample = life.folder / "artifacts" / "references"
    aside = sample.rename(life.folder / "aside") if sample.exists() else None
    try:
        result = watch("2013-02-28")
    finally:
        if aside:
            aside.rename(sample)
    found = results(life, "2013-02-28")
    for monitor in ("missing", "drift", "dependence", "values", "value"):
        assert found[monitor, ""][0] == "error"
        assert "not in the ledger" in found[monitor, ""][1]
    assert found["performance", ""][0] == "ok"
    failed = {"missing", "drift", "dependence", "values", "value"}
    pages = {"report", "earnings"}  # that a page could not be made wakes nobody
    assert keys(result) == {*pages, *(f"error:{name}" for name in failed)}


def test_a_model_that_got_worse_pages_and_asks_for_a_retrain(life: Platform, watch: Watch) -> None:
    document = PROJECT.document()
    document["monitors"]["watch"]["performance"] = {"params": {"days": 8}}
    project = Project.model_validate(document)
    assert keys(watch("2013-02-28", project)) == set()
    life.owner().query("update serving.label set label = 1 - label where partition >= '2013-02-20'")
    result = watch("2013-02-28", project)
    assert keys(result) == {"performance"}
    wish = result.values["retrain"]
    assert isinstance(wish, dict)
    assert wish["wanted"]
    assert "worse" in str(wish["reason"])
    told = next(each for each in result.values["alerts"] if each["matter"] == "performance")  # type: ignore[union-attr,index,call-overload]
    assert "why, as far as one sees: " in told["body"]  # type: ignore[index,call-overload,operator]
    assert told["link"] == result.links["why"]  # type: ignore[index,call-overload]
    page = ArtifactStore(life.settings().artifacts_url).read(result.links["why"]).decode()
    for title in ("a delivery fault", "covariate shift", "label shift", "concept shift", "plain luck"):
        assert title in page
    assert page.count("data:image/png") >= 4


def test_the_page_of_reasons_is_made_for_who_asks_and_nothing_is_stored_or_told(
    life: Platform, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    watch("2013-02-28")
    stored = """select partition, monitor, subject, status, message, details::text
                from ledger.monitor_result order by 1, 2, 3"""
    before = life.owner().query(stored)
    assert ("2013-02-28", "why") not in {row[:2] for row in before}
    settings = life.settings()
    monkeypatch.setenv("MLCYCLE_DSN_TRAIN", settings.warehouse_dsn.get_secret_value())
    monkeypatch.setenv("MLCYCLE_DSN_SERVE", life.settings("serve").warehouse_dsn.get_secret_value())
    monkeypatch.setenv("MLCYCLE_ARTIFACTS_URL", settings.artifacts_url)
    folder = life.folder / "projects" / "flights"
    shutil.copytree(ROOT / "projects" / "flights", folder)
    told = CliRunner().invoke(
        app, ["why", "flights", "--projects", str(folder.parent), "--state", str(life.folder / "none")]
    )
    assert told.exit_code == 0, told.output
    *lines, address = told.stdout.splitlines()
    assert len(lines) == 8
    for title in ("a delivery fault", "covariate shift", "label shift", "concept shift", "plain luck"):
        assert any(line.startswith(title) for line in lines), lines
    page = ArtifactStore(settings.artifacts_url).read(address.removeprefix(f"{settings.artifacts_url}/"))
    assert b"why is production worse than the test?" in page
    assert life.owner().query(stored) == before
    assert life.owner().query("select count(*) from ledger.alert") == [(0,)]


def test_another_definition_of_the_label_is_the_first_reason(life: Platform, watch: Watch) -> None:
    document = PROJECT.document()
    document["monitors"]["watch"]["performance"] = {"params": {"days": 8}}
    watch("2013-02-27", Project.model_validate(document))
    life.owner().query("update serving.label set label = 1 - label where partition >= '2013-02-20'")
    document["label"]["at_least"] = -5
    result = watch("2013-02-28", Project.model_validate(document))
    (kept,) = life.owner().query(
        "select details -> 'hypotheses' from ledger.monitor_result where monitor = 'why' and partition = '2013-02-28'"
    )
    assert kept[0][0]["name"] == "label_fault"
    assert "at_least 15.0 is -5.0 now" in kept[0][0]["verdict"]
    assert "why" in result.links


def test_missing_values_are_the_first_reason_where_the_model_got_worse(life: Platform, watch: Watch) -> None:
    document = PROJECT.document()
    document["monitors"]["watch"]["performance"] = {"params": {"days": 8}}
    spoil(life, "distance = null", "2013-02-22", share=0.6)
    life.owner().query("update serving.label set label = 1 - label where partition >= '2013-02-20'")
    watch("2013-02-28", Project.model_validate(document))
    (kept,) = life.owner().query(
        "select details -> 'hypotheses' from ledger.monitor_result where monitor = 'why' and partition = '2013-02-28'"
    )
    assert (kept[0][0]["name"], kept[0][0]["where"]) == ("delivery", ["distance"])


def test_labelled_days_are_noted_once_and_slices_are_judged(life: Platform, watch: Watch) -> None:
    noted = """select details -> 'days' from ledger.monitor_result
               where monitor = 'performance' and partition = %s"""
    watch("2013-02-27")
    ((first,),) = life.owner().query(noted, ("2013-02-27",))
    served = {int(day): each for day, each in first.items() if each}
    assert len(served) >= 20  # 6 to 26 February: what was served before anybody noted it, too
    assert {each["version"] for each in served.values()} == {1}
    assert {name.partition("=")[0] for each in served.values() for name in each["slices"]} == {
        "origin",
        "carrier",
    }
    watch("2013-02-28")
    assert [len(days) for (days,) in life.owner().query(noted, ("2013-02-28",))] == [1]
    life.owner().query("update serving.label set label = 0 where partition = '2013-02-25' and label = 1")
    watch("2013-02-28", work="corrected")
    assert [len(days) for (days,) in life.owner().query(noted, ("2013-02-28",))] == [2]


def streams(**watch: Any) -> Project:
    """The project with the monitors of streams alone."""
    document = PROJECT.document()
    others = [watcher.name for watcher in registry.watching(PROJECT)]
    document["monitors"]["watch"] = {name: {"enabled": False} for name in others} | watch
    return Project.model_validate(document)


STREAMS = streams(
    adwin={"params": {"each": "rows"}},
    page_hinkley={"params": {"stream": "score"}},
    kswin={},
    process_control={"params": {"limit": 3}},
    **{name: {} for name in ("ddm", "eddm", "linear_four_rates")},
)


def test_a_stream_is_the_same_however_often_and_in_which_order_days_are_watched(
    life: Platform, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calibration, "MIN_DAYS", 10)
    noted = """select monitor, count(*) from ledger.monitor_result,
                 jsonb_each(details -> 'days') d where partition = %s and d.value <> 'null' group by 1"""
    watch("2013-02-28", STREAMS)
    at_once = results(life, "2013-02-28")
    assert len(at_once) == 7
    assert "since 2013-02-06" in at_once["ddm", ""][1]
    assert "days known before" in at_once["kswin", ""][1]
    assert min(count for _, count in life.owner().query(noted, ("2013-02-28",))) >= 20
    life.owner().query("truncate ledger.monitor_result")
    for day in ("2013-02-26", "2013-02-28", "2013-02-27", "2013-02-28"):
        watch(day, STREAMS)
    assert results(life, "2013-02-28") == at_once
    assert max(count for _, count in life.owner().query(noted, ("2013-02-28",))) == 1


def test_mistakes_that_come_are_told_of_and_another_champion_s_days_are_not_its_own(
    life: Platform, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(calibration, "MIN_DAYS", 10)
    life.owner().query("update serving.label set label = 1 - label where event_time >= '2013-02-25'")
    watch("2013-02-28", STREAMS)
    found = results(life, "2013-02-28")
    told = {monitor for (monitor, _), (status, _) in found.items() if status == "warn"}
    assert {"adwin", "process_control"} <= told, found
    life.owner().query(
        """insert into ledger.model_version (project, version, run_id, candidate, model_uri, manifest,
               manifest_digest, dataset_digest, metrics)
           select project, 2, 'run-2', candidate, model_uri, manifest, manifest_digest, dataset_digest, metrics
           from ledger.model_version""",
        (),
    )
    life.owner().query("update serving.scoring set version = 2 where partition >= '2013-02-27'")
    life.owner().query("update ledger.champion set version = 2")
    watch("2013-02-28", STREAMS, work="another")
    status, message = results(life, "2013-02-28")["adwin", ""]
    assert "days since 2013-02-27" in message, message
    assert status == "ok", message


def test_other_measures_are_judged_by_training_s_own_windows(life: Platform, watch: Watch) -> None:
    names = ["hellinger", "cramer_von_mises", "fisher_rare", "mmd", "lsdd", "novelty", "margin_density"]
    document = streams(**{name: {} for name in names}).document()
    project = Project.model_validate({**document, "monitors": {**document["monitors"], "window": "1 day"}})
    calm = watch("2013-02-26", project)
    assert calm.status is Status.OK, calm.message
    found = results(life, "2013-02-26")
    assert {monitor for monitor, _ in found} == {*names}
    assert {status for status, _ in found.values()} == {"ok"}, found
    spoil(life, "carrier = 'QQ', origin = 'JFK', dest = 'QQQ', distance = 5 * distance", "2013-02-27")
    watch("2013-02-27", project)
    found = results(life, "2013-02-27")
    assert found["hellinger", "carrier"][0] == found["cramer_von_mises", "distance"][0] == "warn"
    assert found["fisher_rare", "carrier"][0] == found["mmd", ""][0] == found["lsdd", ""][0] == "warn"


def test_the_days_that_the_gate_judged_are_known_from_the_first_day_on(life: Platform, watch: Watch) -> None:
    """The champion's holdout is a part of its dataset here, as the snapshot of a training leaves it."""
    life.owner().query(
        """update ledger.dataset set manifest = jsonb_set(jsonb_set(jsonb_set(manifest,
             '{splits,holdout}', manifest #> '{splits,train}'), '{splits,train,end}',
             manifest #> '{splits,train,start}'), '{parts,0,split}', '"holdout"')"""
    )
    document = PROJECT.document()
    document["monitors"]["watch"] = {"performance": {"params": {"days": 1}}} | {
        name: {"enabled": False} for name in ("drift", "dependence", "values", "missing", "value", "report")
    }
    result = watch("2013-02-07", Project.model_validate(document))
    assert result.status is Status.OK, result.message
    status, message = results(life, "2013-02-07")["performance", ""]
    assert status == "ok", message
    assert " known before" in message


@pytest.mark.parametrize("turned", [True, False], ids=["bad", "good"])
def test_a_refit_is_watched_from_its_first_labelled_days_against_what_was_judged(
    life: Platform, watch: Watch, turned: bool
) -> None:
    judged = crown(life, PROJECT, "2013-01-12", "2013-02-05", version=2, holdout="2013-01-27")
    life.owner().query("delete from ledger.champion where version = 2")
    life.owner().query(
        """update ledger.model_version set judged = 2,
             dataset_digest = (select dataset_digest from ledger.model_version where version = 2)
           where version = 1"""
    )
    if turned:
        life.owner().query("update serving.label set label = 1 - label where partition >= '2013-02-06'")
    document = PROJECT.document()
    document["monitors"]["watch"] = {
        name: {"enabled": False} for name in ("drift", "dependence", "values", "missing", "value", "report")
    }
    project = Project.model_validate(document)
    paged = [
        day
        for day in range(8, 22)  # the last of two weeks has its labels on the 21st
        if "performance" in keys(watch(f"2013-02-{day:02}", project))
    ]
    assert bool(paged) == turned
    known = results(life, "2013-02-08")["performance", ""][1]
    assert "10 known before" in known, known
    kept = life.folder / "artifacts" / "references" / "flights"
    assert [path.name[:64] for path in kept.glob("*-held-*")] == [judged.manifest_digest]


def test_the_estimate_tells_its_error_as_labels_come_and_never_pages(life: Platform, watch: Watch) -> None:
    for day in range(12, 29):
        watch(f"2013-02-{day}")
    assert "how far to trust it is not known yet" in results(life, "2013-02-20")["estimate", ""][1]
    status, message = results(life, "2013-02-28")["estimate", ""]
    assert status in ("ok", "warn")
    assert "by its error so far between" in message
    document = PROJECT.document()
    document["monitors"]["watch"]["estimate"] = {"severity": "page"}
    refused = watch("2013-02-28", Project.model_validate(document)).error
    assert refused is not None
    assert "monitor 'estimate' never pages" in refused.message


def test_parameters_of_before_say_what_to_do(watch: Watch) -> None:
    document = PROJECT.document()
    document["monitors"]["watch"]["performance"] = {"params": {"increase": 0.1}}
    refused = watch("2013-02-28", Project.model_validate(document)).error
    assert refused is not None
    assert "'increase' is no parameter any more: leave it out" in refused.message


def test_a_metric_that_is_not_defined_is_not_measured_and_the_day_is_watched_all_the_same(
    life: Platform, watch: Watch
) -> None:
    document = PROJECT.document()
    document["evaluation"]["metric"] = "roc_auc"
    life.owner().query("update serving.label set label = 0")
    result = watch("2013-02-28", Project.model_validate(document))
    assert result.status is Status.OK, result.message
    found = results(life, "2013-02-28")
    assert found["performance", ""][1].startswith("not judged: ")
    assert {("estimate", ""), ("value", ""), ("missing", "distance")} <= set(found)


def test_a_day_with_a_third_of_its_rows_pages(life: Platform, watch: Watch) -> None:
    life.owner().query(
        """update ledger.batch set rows = rows / 3
           where table_name = 'flights' and partition = '2013-02-28' and current"""
    )
    assert keys(watch("2013-02-28")) == {"volume"}


def test_a_delivery_that_ends_early_and_one_that_repeats_itself_are_told_of_by_table(
    life: Platform, watch: Watch
) -> None:
    assert "freshness (fewer than 28 deliveries before)" in watch("2013-02-28").message
    life.owner().query(
        """update ledger.batch set event_max = partition::timestamptz + interval '20 hours',
             slots = case when table_name = 'weather' and partition = '2013-02-28' then 2097151 else 16777215 end,
             duplicates = case when table_name = 'arrivals' and partition = '2013-02-27' then rows / 50 else 0 end"""
    )
    result = watch("2013-02-28", work="counted")
    assert keys(result) == {"freshness", "duplicates"}
    found = results(life, "2013-02-28")
    assert {key: status for key, (status, _) in found.items() if key[0] in ("freshness", "duplicates")} == {
        **{("freshness", table): "ok" for table in ("flights", "arrivals")},
        ("freshness", "weather"): "warn",
        **{("duplicates", table): "ok" for table in ("flights", "weather")},
        ("duplicates", "arrivals"): "warn",  # of the day before: delivered a day later
    }
    assert "between 21:00 and 00:00" in found["freshness", "weather"][1]


def test_what_is_not_known_yet_is_left_out_and_said(life: Platform, watch: Watch) -> None:
    life.owner().query("truncate serving.label")
    result = watch("2013-02-08")
    assert {monitor for monitor, _ in results(life, "2013-02-08")} == {
        *("volume", "gaps", "missing", "report", "prediction_drift", "estimate", "served_again")
    }
    assert "not judged: " in results(life, "2013-02-08")["prediction_drift", ""][1]
    for monitor in ("performance (", "value ("):
        assert monitor in result.message.partition("not measured yet")[2]
    life.owner().query("truncate ledger.champion")
    without = watch("2013-02-09")
    assert "no champion yet" in without.message
    assert {monitor for monitor, _ in results(life, "2013-02-09")} == {"volume", "gaps"}


def test_a_run_for_an_old_day_says_what_was_known_then(life: Platform, watch: Watch) -> None:
    """Labels that came later leave their rows in the window; what was predicted later is not seen."""
    first = watch("2013-02-28")
    served = earned(life)
    life.owner().query("update serving.label set known_at = '2013-06-01' where event_time >= '2013-02-26'")
    later = watch("2013-02-28", work="labels late")
    assert "rows of 14 days" in first.message
    assert "rows of 12 days" in later.message
    assert later.metrics["estimate"] == first.metrics["estimate"]  # on every row, labelled or not
    life.owner().query("update serving.label set known_at = partition::date + interval '2 days'")
    crown(life, PROJECT, "2013-01-12", "2013-02-26", version=2)
    assert (
        run_step(request("score", PROJECT, "2013-02-06", "2013-02-28"), life.settings()).status is Status.OK
    )
    again = watch("2013-02-28", work="after a promotion")
    assert earned(life) == served  # of what was served, by whomever
    assert again.status is Status.OK


def test_value_counts_no_row_that_the_model_was_trained_on(life: Platform, watch: Watch) -> None:
    watch("2013-02-28")
    rows = int(results(life, "2013-02-28")["value", ""][1].split(" gained on ")[1].split()[0])
    life.owner().query(
        """update ledger.dataset
           set manifest = jsonb_set(manifest, '{splits,train,end}', '"2013-02-25T00:00:00Z"')"""
    )
    watch("2013-02-28")
    counted = life.owner().query(
        "select count(*) from serving.label where event_time >= '2013-02-25' and event_time < '2013-02-28'"
    )
    told = results(life, "2013-02-28")["value", ""][1]
    assert f"gained on {counted[0][0]} predictions" in told
    assert counted[0][0] < rows
    assert "over never" in told
    assert "over always" in told


def test_a_project_says_levels_and_who_asks_for_a_retrain(life: Platform, watch: Watch) -> None:
    spoil(life, "distance = null", "2013-02-28", share=0.3)
    document = PROJECT.document()
    document["monitors"]["watch"] |= {
        "missing": {"params": {"increase": 0.1}, "severity": "warn", "retrain": True},
        "value": {"enabled": False},
    }
    result = watch("2013-02-28", Project.model_validate(document))
    assert results(life, "2013-02-28")["missing", "distance"][0] == "warn"
    assert "value" not in {monitor for monitor, _ in results(life, "2013-02-28")}
    assert result.values["retrain"]["wanted"]  # type: ignore[index,call-overload]
    document["monitors"]["watch"]["vigilance"] = {}
    refused = watch("2013-02-28", Project.model_validate(document))
    assert refused.error is not None
    assert "no monitor 'vigilance': there are " in refused.error.message
    assert " dependence, drift, " in refused.error.message


def test_a_kill_between_publication_and_result_replays(
    life: Platform, watch: Watch, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patch:
        patch.setattr(attempts, "finish", lambda *_: None)
        first = watch("2013-02-28", work="same")
    stored = life.owner().query("select * from ledger.monitor_result")
    again = watch("2013-02-28", work="same")
    assert again.replayed
    for part in ("values", "outputs", "links", "metrics", "message"):
        then, now = (json.dumps(getattr(it, part), default=str, sort_keys=True) for it in (first, again))
        assert now == then
    assert life.owner().query("select * from ledger.monitor_result") == stored


def test_the_report_is_shown_in_evidentlys_ui_and_its_absence_fails_nothing(
    life: Platform, watch: Watch, tmp_path: Path
) -> None:
    import httpx

    port = free_port()
    place = {"evidently_url": f"http://127.0.0.1:{port}", "evidently_secret": "s3cret", "timeout": 3.0}
    with evidently_ui(tmp_path / "evidently", port, "s3cret", life.server) as url:
        with ThreadPoolExecutor(2) as pool:
            days = list(pool.map(lambda day: watch(day, **place), ["2013-02-26", "2013-02-27"]))
        shown = life.owner().query("select message from ledger.monitor_result where monitor = 'report'")
        assert shown == [("stored and shown",)] * 2
        assert all(day.links["drift"].startswith(f"{url}/projects/") for day in days)
        projects = httpx.get(f"{url}/api/v2/projects").json()
        assert [item["name"] for item in projects] == ["flights"]
        panels = httpx.get(f"{url}/api/v2/dashboards/{projects[0]['id']}").json()["panels"]
        assert [panel["title"] for panel in panels] == ["Drift of the inputs", "Missing values"]
        refused = watch("2013-02-28", **{**place, "evidently_secret": "wrong"})
        assert refused.status is Status.OK
        assert results(life, "2013-02-28")["report", ""][0] == "info"
    away = watch("2013-02-28", **place)
    assert away.status is Status.OK
    assert away.links["drift"].startswith("reports/flights/drift/2013-02-28-")
    alerts = away.values["alerts"]
    assert isinstance(alerts, list)
    told = {item["key"]: item["severity"] for item in alerts if isinstance(item, dict)}
    assert told["report"] == "info"


def spoil(platform: Platform, change: str, first: str, share: float = 1.0) -> None:
    """Change rows of the entity table from a day on, as a broken source would have delivered them."""
    platform.owner().query(
        f"update raw.flights__flights set {change} where sched_dep >= %s and flight %% 100 < %s",
        (first, 100 * share),
    )
    # It came as a delivery that was given again: what was served before it is no riddle.
    columns = "project, table_name, partition, status, digest, accepted, fetched, rows, quarantined, duplicates, token"
    platform.owner().query(
        f"""insert into ledger.batch ({columns}, current) select {columns}, false from ledger.batch
            where table_name = 'flights' and partition >= %s and current""",
        (first,),
    )
