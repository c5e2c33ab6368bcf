"""The monitor step on real flights: what it finds, what it must not miss, and what it never claims."""

import json
import secrets
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg2
import pytest

from mlcycle.adapters.artifacts.store import ArtifactStore
from mlcycle.adapters.warehouse.connection import Warehouse
from mlcycle.adapters.warehouse.predictions import scored
from mlcycle.contract import Result, Status
from mlcycle.domain.partitions import Partition
from mlcycle.ledger import attempts
from mlcycle.project import Project
from mlcycle.steps.runtime import run_step
from tests.conftest import Platform, free_port
from tests.raw_data import FLIGHTS, deliver, request
from tests.reign import crown
from tests.services import evidently_ui

Watch = Callable[..., Result]

DOCUMENT = FLIGHTS.document()
DOCUMENT["features"] = {name: DOCUMENT["features"][name] for name in ("carrier_recent", "carrier_hour")}
DOCUMENT["inputs"] = {
    "categorical": ["carrier", "origin", "dest"],
    "numeric": ["sched_hour", "distance", "carrier_late_7d", "carrier_hour_late_28d"],
}
PROJECT = Project.model_validate(DOCUMENT)


@pytest.fixture(scope="module")
def lived(module_platform: Platform) -> Platform:
    """Two months of a project's life: ingested, features, a champion, scored, labelled."""
    platform = module_platform
    ingest = Warehouse(platform.settings("ingest"))
    deliver(ingest, PROJECT, "2013-01-01", "2013-02-28")
    ingest.close()
    settings = platform.settings()
    assert run_step(request("features", PROJECT, "2013-01-01", "2013-02-28"), settings).status is Status.OK
    crown(platform, PROJECT, "2013-01-12", "2013-02-05")
    assert run_step(request("score", PROJECT, "2013-02-06", "2013-02-28"), settings).status is Status.OK
    assert run_step(request("labels", PROJECT, "2013-02-28"), settings).status is Status.OK
    return platform


@pytest.fixture
def life(lived: Platform, tmp_path: Path) -> Iterator[Platform]:
    """A copy of that life of the test's own."""
    database = f"life_{secrets.token_hex(4)}"
    connection = psycopg2.connect(lived.server.dsn("postgres"))
    connection.autocommit = True
    with connection.cursor() as cursor:
        cursor.execute(
            "select pg_terminate_backend(pid) from pg_stat_activity where datname = %s", (lived.database,)
        )
        cursor.execute(f"create database {database} template {lived.database}")
    yield replace(lived, database=database)
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
        if statement.lstrip().startswith("select"):
            self.cursor.execute(f"explain {statement}", params)
            self.plans += "\n".join(line for (line,) in self.cursor.fetchall())
        self.cursor.execute(statement, params)

    def fetchall(self) -> list[tuple[Any, ...]]:
        found: list[tuple[Any, ...]] = self.cursor.fetchall()
        return found


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
    """Keys of the alerts handed over."""
    alerts = result.values["alerts"]
    assert isinstance(alerts, list)
    return {str(item["key"]) for item in alerts if isinstance(item, dict)}


def test_an_ordinary_day_is_measured_whole(life: Platform, watch: Watch) -> None:
    result = watch("2013-02-28")
    assert result.status is Status.OK, result.message
    found = results(life, "2013-02-28")
    assert {monitor for monitor, _ in found} == {
        *(
            "volume",
            "gaps",
            "missing",
            "drift",
            "report",
            "prediction_drift",
            "performance",
            "estimate",
            "value",
        )
    }
    assert {status for status, _ in found.values()} == {"ok"}
    assert (result.values["alerts"], result.values["retrain"]) == ([], {"wanted": False, "reason": ""})
    page = ArtifactStore(life.settings().artifacts_url).read(result.links["drift"]).decode()
    assert "Drift in column" in page
    assert '<script src="http' not in page
    assert '<link href="http' not in page


def test_a_sensor_that_drifts_warns_when_it_lasts(life: Platform, watch: Watch) -> None:
    spoil(life, "distance = distance * 2", "2013-02-24")
    for day, level in (("26", "ok"), ("27", "ok"), ("28", "warn")):
        result = watch(f"2013-02-{day}")
        status, message = results(life, f"2013-02-{day}")["drift", "distance"]
        assert (status, "drifts" in message) == (level, True)
        assert keys(result) == ({"drift"} if level == "warn" else set())
    assert "distance" in str(result.values["alerts"])


def test_values_that_go_missing_page_the_same_day(life: Platform, watch: Watch) -> None:
    spoil(life, "distance = null", "2013-02-28", share=0.3)
    assert keys(watch("2013-02-28")) == {"missing"}
    assert results(life, "2013-02-28")["missing", "distance"][0] == "page"


def test_a_column_without_any_value_is_an_error_and_an_alert(life: Platform, watch: Watch) -> None:
    spoil(life, "distance = null", "2013-02-20")
    result = watch("2013-02-28")
    assert results(life, "2013-02-28")["drift", "distance"][0] == "error"
    assert keys(result) == {"missing", "error:drift"}
    assert "drift" not in result.values["ok"]  # type: ignore[operator]
    assert results(life, "2013-02-28")["report", ""][0] == "ok"  # the others are still shown


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
    for monitor in ("missing", "drift", "value"):
        assert found[monitor, ""][0] == "error"
        assert "not in the ledger" in found[monitor, ""][1]
    assert found["performance", ""][0] == "ok"
    assert keys(result) == {"error:drift", "error:missing", "error:value"}


def test_a_model_that_got_worse_pages_and_asks_for_a_retrain(life: Platform, watch: Watch) -> None:
    life.owner().query("update serving.label set label = 1 - label where partition >= '2013-02-20'")
    result = watch("2013-02-28")
    assert keys(result) == {"performance"}
    wish = result.values["retrain"]
    assert isinstance(wish, dict)
    assert wish["wanted"]
    assert "worse" in str(wish["reason"])


def test_a_metric_that_is_not_defined_is_not_measured_and_the_day_is_watched_all_the_same(
    life: Platform, watch: Watch
) -> None:
    document = PROJECT.document()
    document["evaluation"]["metric"] = "roc_auc"
    life.owner().query("update serving.label set label = 0")
    result = watch("2013-02-28", Project.model_validate(document))
    assert result.status is Status.OK, result.message
    assert "the rows hold one class only" in result.message.partition("not measured yet")[2]
    found = {monitor for monitor, _ in results(life, "2013-02-28")}
    assert "performance" not in found
    assert {"estimate", "value", "drift"} <= found


def test_a_day_with_a_third_of_its_rows_pages(life: Platform, watch: Watch) -> None:
    life.owner().query(
        """update ledger.batch set rows = rows / 3
           where table_name = 'flights' and partition = '2013-02-28' and current"""
    )
    assert keys(watch("2013-02-28")) == {"volume"}


def test_what_is_not_known_yet_is_left_out_and_said(life: Platform, watch: Watch) -> None:
    life.owner().query("truncate serving.label")
    result = watch("2013-02-08")
    assert {monitor for monitor, _ in results(life, "2013-02-08")} == {
        *("volume", "gaps", "missing", "drift", "report", "estimate")
    }
    for monitor in ("prediction_drift (", "performance (", "value ("):
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
    assert "not measured yet: performance (" in later.message
    assert later.metrics["estimate"] == first.metrics["estimate"]  # on every row, labelled or not
    life.owner().query("update serving.label set known_at = partition::date + interval '2 days'")
    crown(life, PROJECT, "2013-01-12", "2013-02-26", version=2)
    assert (
        run_step(request("score", PROJECT, "2013-02-06", "2013-02-28"), life.settings()).status is Status.OK
    )
    again = watch("2013-02-28", work="after a promotion")
    assert earned(life) == served  # of what was served, by whomever
    assert "prediction_drift (no prediction of the champion)" in again.message


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
    assert "no monitor 'vigilance': there are drift, estimate" in refused.error.message


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
