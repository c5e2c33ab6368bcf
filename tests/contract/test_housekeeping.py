"""Housekeeping on a life that was planted: what is needed stays, what is old goes, killed or not.

The checker reads the ledger and the artifact folder itself.
"""

import json
import os
import secrets
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import psycopg2
import psycopg2.errors
import pytest

from mlcycle.adapters.artifacts.store import ArtifactStore
from mlcycle.adapters.warehouse.connection import Warehouse
from mlcycle.errors import ConfigError, Conflict
from mlcycle.housekeeping.freed import Freed
from mlcycle.housekeeping.keep import Keep
from mlcycle.housekeeping.prune import prune
from mlcycle.ledger import datasets, partitioning, retention
from mlcycle.settings import Settings
from tests.conftest import ROOT, Platform, free_port
from tests.services import evidently_ui

NOW = datetime.now(UTC)
OLD, NEW = NOW - timedelta(days=500), NOW - timedelta(hours=2)

#: Files: path, whether it is old, whether it must stay.
FILES = [
    ("staging/shop/orders/2024-01-01/aa.csv", OLD, False),
    ("staging/shop/orders/manifests/2024-01-01..2024-01-01-aa.json", OLD, False),
    ("staging/shop/orders/2024-01-02/bb.csv.0a.part", OLD, False),
    ("staging/shop/orders/today/cc.csv", NEW, True),
    ("staging/busy/orders/2024-01-01/aa.csv", OLD, True),  # its delivery is under way
    ("reports/shop/validation/orders/old.html", OLD, False),
    ("reports/shop/validation/orders/linked.html", OLD, True),  # from an open alert
    ("reports/shop/drift/2024-01-01-aa.html", OLD, False),
    ("reports/shop/drift/shown.html", OLD, True),  # from an open alert, by the console's address
    ("reports/shop/drift/new.html", NEW, True),
    ("reports/static/script.js", OLD, True),
    ("reports/shop/comparison/1-against-0-5.html", OLD, True),  # of a champion
    ("reports/shop/comparison/2-against-1-6.html", OLD, False),
    ("reports/shop/evaluation/run-1.html", OLD, True),
    ("reports/shop/evaluation/run-1.7.json", OLD, True),
    ("reports/shop/evaluation/run-1.7.model.html", OLD, True),
    ("reports/shop/evaluation/run-2.html", OLD, False),
    ("reports/shop/evaluation/run-2.8.json", OLD, False),
    ("models/m1/data/model.bin", OLD, True),  # the first champion, not the last
    ("models/m2/data/model.bin", OLD, False),  # never one
    ("models/m3/data/model.bin", OLD, True),  # the champion
    ("models/m4/data/model.bin", OLD, True),  # compared lately
    ("models/m5/data/model.bin", OLD, True),  # the newest version
    ("models/unknown/data/model.bin", OLD, False),  # left by a step that died
    ("models/unknown-but-new/data/model.bin", NEW, True),
    ("datasets/shop/d1/manifest.json", OLD, True),
    ("datasets/shop/d1/train-000.parquet", OLD, True),
    ("datasets/shop/d2/manifest.json", OLD, False),
    ("datasets/shop/d2/train-000.parquet", OLD, False),
    ("datasets/shop/d6/manifest.json", OLD, True),  # no model of it, but used lately
    ("datasets/shop/unknown/train-000.parquet", OLD, False),
    ("references/shop/d1-5000.parquet", OLD, True),
    ("references/shop/d2-5000.parquet", OLD, False),
    ("served/shop/2024-01-01-7.parquet", OLD, False),
    ("served/shop/2024-03-01-9.parquet", NEW, True),
    ("elsewhere/of-somebody-else.txt", OLD, True),
]


def plant(platform: Platform) -> None:
    """Years of a project ``shop`` in a second."""
    for path, moment, _ in FILES:
        file = platform.folder / "artifacts" / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(path)
        os.utime(file, (moment.timestamp(), moment.timestamp()))
    with platform.owner().transaction() as cursor:

        def run(statement: str, *values: object) -> None:
            cursor.execute(statement, values)

        for number in range(1, 6):
            digest = f"d{min(number, 2)}" if number < 3 else "d1"
            run(
                """insert into ledger.dataset (project, digest, uri, manifest, rows, created_at, used_at)
                   values ('shop', %s, '', '{}', 1, %s, %s) on conflict do nothing""",
                *(digest, OLD, OLD),
            )
            run(
                """insert into ledger.model_version (project, version, run_id, candidate, model_uri, manifest,
                       manifest_digest, dataset_digest, metrics, registered_at)
                   values ('shop', %s, %s, 'c', 'u', '{}', %s, %s, '{}', %s)""",
                *(number, f"run-{number}", f"m{number}", digest, OLD),
            )
        run(
            """insert into ledger.dataset (project, digest, uri, manifest, rows, created_at, used_at)
               values ('shop', 'd6', '', '{}', 1, %s, %s)""",
            *(OLD, NEW),
        )
        for seq, version in ((1, 1), (2, 3)):
            run(
                """insert into ledger.champion (project, seq, version, action, actor, reason, crowned_at)
                   values ('shop', %s, %s, 'promote', 'x', 'y', %s)""",
                *(seq, version, OLD),
            )
        run(
            """insert into ledger.comparison (project, challenger, champion_seq, dataset_digest, verdict,
                   reasons, statistics, compared_at) values ('shop', 4, 2, 'd1', 'refuse', '[]', '{}', %s)""",
            NEW,
        )
        for number in range(2500):
            moment = OLD if number < 2300 else NEW
            run(
                """insert into ledger.attempt (work, project, step, state, started_at)
                   values (%s, 'shop', 'score', 'done', %s)""",
                *(f"work-{number}", moment),
            )
            run(
                "insert into ledger.publication (work, key, token, outputs, published_at) values (%s, 'k', 1, '{}', %s)",
                *(f"work-{number}", moment),
            )
        for moment in (OLD, NEW):  # retried only now
            run(
                """insert into ledger.attempt (work, project, step, state, started_at)
                   values ('long', 'shop', 'score', 'done', %s)""",
                moment,
            )
        run(
            """insert into ledger.attempt (work, project, step, state, started_at)
               values ('busy', 'busy', 'validate', 'running', now())"""
        )
        run(
            """insert into ledger.publication (work, key, token, outputs, published_at)
               values ('feature definitions:shop', 'current', 0, '{}', %s)""",
            OLD,
        )
        january = datetime(2024, 1, 1, tzinfo=UTC)
        partitioning.ensure(cursor, "ledger.monitor_result", january, january + timedelta(days=4))
        for table in ("serving.label", "serving.prediction_log"):
            partitioning.ensure(cursor, table, OLD, OLD + timedelta(days=1))
        for partition, status, moment in (
            ("2024-01-01", "published", OLD),
            ("2024-01-02", "stopped", OLD),  # nobody has mended it
            ("2024-01-03", "published", OLD),  # an open alert speaks of it
            ("2024-01-04", "published", NEW),
        ):
            run(
                """insert into ledger.batch (project, table_name, partition, status, current, digest, rows, token)
                   values ('shop', 'orders', %s, %s, %s, 'x', 1, 1)""",
                *(partition, status, status == "published"),
            )
            run(
                """insert into raw.quarantine (project, table_name, partition, digest, row_number, reasons, data,
                       quarantined_at) values ('shop', 'orders', %s, 'x', 1, '{bad}', '{}', %s)""",
                *(partition, moment),
            )
            run(
                """insert into ledger.monitor_result (project, partition, monitor, status, message, measured_at)
                   values ('shop', %s, 'drift', 'ok', '', %s)""",
                *(partition, moment),
            )
            run(
                """with made as (insert into serving.scoring (project, partition, starts, ends, champion_seq,
                       version, reason, rows, scored_at)
                       values ('shop', %s, %s, %s::timestamptz + interval '1 day', 1, 1, 'live', 2, %s)
                       returning scoring_id)
                   insert into serving.prediction_log (project, event_time, entity_key, scoring_id, prediction)
                   select 'shop', %s, entity, scoring_id, 0.5 from made, unnest('{a,b}'::text[]) entity""",
                *(partition, OLD, OLD, moment, OLD),
            )
            for entity in ("a", "b"):
                run(
                    """insert into serving.label (project, partition, entity_key, event_time, label, known_at)
                       values ('shop', %s, %s, %s, 1, %s)""",
                    *(partition, entity, OLD + timedelta(minutes=int(partition[-1])), moment),
                )
        for key, state, link, closed in (
            ("a", "open", "reports/shop/validation/orders/linked.html", None),
            ("b", "open", "http://airflow/mlcycle/reports/shop/drift/shown.html", None),
            ("c", "closed", "reports/shop/validation/orders/old.html", OLD),
            ("d", "closed", "", NEW),
        ):
            run(
                """with made as (insert into ledger.alert (project, key, severity, title, body, link, state,
                       first_partition, last_partition, closed_at)
                       values ('shop', %s, 'warn', 't', 'b', %s, %s, '2024-01-03', '2024-01-03', %s)
                       returning alert_id)
                   insert into ledger.delivery (alert_id, channel) select alert_id, 'mail' from made""",
                *(key, link, state, closed),
            )


def files(platform: Platform) -> set[str]:
    root = platform.folder / "artifacts"
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


def rows(platform: Platform) -> dict[str, list[object]]:
    """Everything that housekeeping may touch, as the owner reads it."""
    owner = platform.owner()
    return {
        "attempts": owner.query("select work, started_at from ledger.attempt order by token"),
        "publications": owner.query("select work, key from ledger.publication order by work, key"),
        "quarantine": owner.query("select partition from raw.quarantine order by 1"),
        "monitoring": owner.query("select partition from ledger.monitor_result order by 1"),
        "predictions": owner.query("select partition, entity_key from serving.prediction order by 1, 2"),
        "labels": owner.query("select partition, entity_key from serving.label order by 1, 2"),
        "alerts": owner.query(
            "select key, channel from ledger.alert join ledger.delivery using (alert_id) order by 1"
        ),
        "kept": owner.query(
            """select (select count(*) from ledger.champion), (select count(*) from ledger.model_version),
                      (select count(*) from ledger.dataset), (select count(*) from ledger.batch),
                      (select count(*) from ledger.comparison)"""
        ),
    }


def check_pruned(platform: Platform) -> None:
    assert files(platform) == {path for path, _, stays in FILES if stays}
    left = rows(platform)
    assert len(left["attempts"]) == 203
    assert {work for work, _ in left["attempts"]} >= {"long", "busy", "work-2300", "work-2499"}  # type: ignore[misc]
    assert len(left["publications"]) == 201
    assert ("feature definitions:shop", "current") in left["publications"]
    assert left["quarantine"] == [("2024-01-02",), ("2024-01-03",), ("2024-01-04",)]
    assert left["monitoring"] == [("2024-01-03",), ("2024-01-04",)]
    assert {p for p, _ in left["predictions"]} == {"2024-01-03", "2024-01-04"}  # type: ignore[misc]
    assert {p for p, _ in left["labels"]} == {"2024-01-03", "2024-01-04"}  # type: ignore[misc]
    assert [key for key, _ in left["alerts"]] == ["a", "b", "d"]  # type: ignore[misc]
    assert left["kept"] == [(2, 5, 3, 4, 1)]
    assert platform.owner().query("select digest from ledger.dataset where removed_at is not null") == [
        ("d2",)
    ]


def pruned(
    platform: Platform,
    settings: Settings | None = None,
    *,
    dry_run: bool = False,
    now: datetime | None = None,
) -> Freed:
    return prune(settings or platform.settings("keep"), Keep(), dry_run=dry_run, now=now)


def test_what_is_needed_stays_and_what_is_old_goes_as_the_dry_run_said(platform: Platform) -> None:
    plant(platform)
    before = files(platform), rows(platform)
    said = pruned(platform, dry_run=True)
    assert (files(platform), rows(platform)) == before
    done = pruned(platform)
    check_pruned(platform)
    assert said.document() == done.document()
    gone = [path for path, _, stays in FILES if not stays]
    assert sum(done.files.values()) == len(gone)
    assert sum(done.bytes.values()) == sum(map(len, gone))
    assert done.rows == {
        "attempts": 4600,
        "quarantine": 1,
        "alerts": 2,
        "monitoring": 2,
        "predictions": 8,
        "searches": 0,
        "events": 0,
    }
    assert pruned(platform).document() == {}


@pytest.mark.parametrize("after", [0.02, 0.1, 0.3])
def test_killed_at_any_moment_and_run_again_it_ends_the_same(platform: Platform, after: float) -> None:
    plant(platform)
    code = (
        "import sys; from mlcycle.housekeeping.prune import prune; from mlcycle.housekeeping.keep import Keep;"
        "from mlcycle.settings import Settings; import os; import mlcycle.housekeeping.files, psycopg2, fsspec;"
        "settings = Settings.from_env(os.environ); print('go', flush=True);"
        "prune(settings, Keep(), dry_run=False)"
    )
    env = {**os.environ, **platform.settings("keep").as_env()}
    child = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, env=env, cwd=ROOT)
    assert child.stdout is not None
    child.stdout.readline()
    time.sleep(after)
    child.send_signal(signal.SIGKILL)
    child.wait()
    child.stdout.close()
    deadline = time.monotonic() + 10
    while True:
        try:
            pruned(platform)
            break
        except Conflict:  # the server has not noticed yet that the other one is gone
            assert time.monotonic() < deadline
            time.sleep(0.05)
    check_pruned(platform)


def test_a_dataset_that_is_used_again_meanwhile_stays_or_is_stored_again(platform: Platform) -> None:
    plant(platform)
    user = Warehouse(platform.settings("train"))
    with user.transaction() as cursor:  # a step of now wants the old dataset before it is looked at
        assert datasets.use(cursor, "shop", "d2") is True
    pruned(platform)
    assert "datasets/shop/d2/manifest.json" in files(platform)

    platform.owner().query("update ledger.dataset set used_at = %s where digest = 'd2'", (OLD,))
    keeper = Warehouse(platform.settings("keep"))
    with keeper.transaction() as cursor:  # or while it is being taken away: it waits
        assert retention.hold_dataset(cursor, "shop", "d2", NOW)
        with user.transaction() as other:
            other.execute("set local lock_timeout = '200ms'")
            with pytest.raises(psycopg2.errors.LockNotAvailable):
                datasets.use(other, "shop", "d2")
            other.connection.rollback()
        retention.note_removed(cursor, "shop", "d2")
    with user.transaction() as cursor:
        assert datasets.use(cursor, "shop", "d2") is False


def test_a_delivery_that_is_staged_again_meanwhile_stays(platform: Platform) -> None:
    plant(platform)
    store = ArtifactStore(platform.settings("keep").artifacts_url)
    listed = [file.path for file in store.walk("staging/shop")]
    again = "staging/shop/orders/2024-01-01/aa.csv"
    store.put(again, b"the same bytes, fetched again")
    for path in listed:
        store.remove(path, unless_since=NOW - timedelta(days=7))
    assert again in files(platform)
    assert "staging/shop/orders/manifests/2024-01-01..2024-01-01-aa.json" not in files(platform)


def test_a_second_housekeeping_is_refused(platform: Platform) -> None:
    keeper = Warehouse(platform.settings("keep"))
    with keeper.transaction() as cursor:
        assert retention.alone(cursor)
    with pytest.raises(Conflict, match="another housekeeping is at work"):
        pruned(platform)
    keeper.close()


@pytest.mark.parametrize(
    "table",
    [
        "ledger.champion",
        "ledger.model_version",
        "ledger.comparison",
        "ledger.batch",
        "ledger.dataset",
        "ledger.watermark",
    ],
)
def test_its_role_cannot_delete_what_is_for_ever(platform: Platform, table: str) -> None:
    with (
        pytest.raises(psycopg2.errors.InsufficientPrivilege),
        psycopg2.connect(platform.settings("keep").warehouse_dsn.get_secret_value()) as connection,
        connection.cursor() as cursor,
    ):
        cursor.execute(f"delete from {table}")
    for role in ("ingest", "promote", "serve"):
        with (
            pytest.raises(psycopg2.errors.InsufficientPrivilege),
            psycopg2.connect(platform.settings(role).warehouse_dsn.get_secret_value()) as connection,
            connection.cursor() as cursor,
        ):
            cursor.execute("delete from ledger.attempt")


@pytest.mark.parametrize(
    ("variable", "value", "expected"),
    [
        ("MLCYCLE_KEEP_STAGING", "1 hour", "MLCYCLE_KEEP_STAGING is less than 1 day"),
        ("MLCYCLE_KEEP_PREDICTIONS", "30 days", "MLCYCLE_KEEP_PREDICTIONS is less than 60 days"),
        ("MLCYCLE_KEEP_REPORTS", "long", "MLCYCLE_KEEP_REPORTS: 'long' is not a duration"),
        ("MLCYCLE_KEEP_REPORT", "9 days", "MLCYCLE_KEEP_REPORT: Extra inputs"),
    ],
)
def test_a_wrong_setting_is_one_line(variable: str, value: str, expected: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Keep.from_env({variable: value})
    assert expected in caught.value.message
    assert Keep.from_env({"MLCYCLE_KEEP_REPORTS": "9 days"}).reports == timedelta(days=9)


def test_the_command_says_what_would_go_and_what_went(platform: Platform, tmp_path: Path) -> None:
    plant(platform)
    settings = platform.settings("keep")
    env = {
        **{name: value for name, value in os.environ.items() if not name.startswith("MLCYCLE_")},
        "MLCYCLE_DSN_KEEP": settings.warehouse_dsn.get_secret_value(),
        "MLCYCLE_ARTIFACTS_URL": settings.artifacts_url,
        "MLCYCLE_STATE": str(tmp_path / "none"),
    }

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "mlcycle", "prune", *arguments]
        return subprocess.run(command, env=env, capture_output=True, text=True, check=False)

    would = run("--dry-run", "--json")
    assert would.returncode == 0, would.stderr
    assert len(files(platform)) == len(FILES)
    did = run("--json")
    assert json.loads(did.stdout) == json.loads(would.stdout)
    assert json.loads(did.stdout)["staging"]["files"] == 3
    check_pruned(platform)
    assert "0 rows" in run().stdout


def test_old_reports_leave_evidentlys_ui_but_for_one_of_an_open_alert(
    platform: Platform, tmp_path: Path
) -> None:
    import numpy as np
    import pandas as pd

    from mlcycle.adapters.monitoring import reports

    frame = pd.DataFrame({"x": np.arange(40.0)})
    port = free_port()
    place = {"evidently_url": f"http://127.0.0.1:{port}", "evidently_secret": "s3cret"}
    with evidently_ui(tmp_path / "evidently", port, "s3cret", platform.server):
        settings = platform.settings("keep", **place)
        links = []
        for day in (1, 2):
            moment = datetime(2013, 6, day, tzinfo=UTC)  # the data's time: long ago from the first
            snapshot = reports.build(
                frame, frame, numeric=["x"], categorical=[], judged={}, name="shop", moment=moment
            )
            links.append(reports.show(settings, "shop", snapshot, ["x"]))
        platform.owner().query(
            """insert into ledger.alert (project, key, severity, title, body, link, first_partition,
                   last_partition) values ('shop', 'k', 'warn', 't', 'b', %s, 'p', 'p')""",
            (links[0],),
        )
        later = NOW + timedelta(days=200)
        assert pruned(platform, settings, now=datetime.now(UTC)).rows["runs"] == 0
        assert pruned(platform, settings, dry_run=True, now=later).rows["runs"] == 1
        assert pruned(platform, settings, now=later).rows["runs"] == 1
        assert pruned(platform, settings, now=later).rows["runs"] == 0
    away = pruned(platform, settings, now=later)
    assert "Evidently's UI" in away.problems[0]


def test_old_runs_leave_mlflow_but_those_of_models_that_stay(platform: Platform, mlflow_url: str) -> None:
    from mlcycle.adapters.tracking.old_runs import OldRuns
    from mlcycle.adapters.tracking.server import Tracking

    settings = platform.settings("keep", mlflow_url=mlflow_url)
    project = f"shop_{secrets.token_hex(4)}"
    tracking = Tracking(settings, project)
    runs = [tracking.start_run(name, {"mlcycle.work_id": name}) for name in ("champion", "other")]
    foreign = tracking.start_run("a scientist's own", {})
    assert tracking.run_url(foreign).endswith(f"/runs/{foreign}?workflowType=machine_learning")
    tracking.client.create_registered_model(project)
    source = f"{tracking.client.get_run(runs[1]).info.artifact_uri}/model"
    tracking.client.create_model_version(project, source, runs[1])
    for run in runs:
        platform.owner().query(
            "insert into ledger.evaluation values (%s, %s, 'c', 'd', '{}', true)", (project, run)
        )
    platform.owner().query(
        """insert into ledger.model_version (project, version, run_id, candidate, model_uri, manifest,
               manifest_digest, dataset_digest, metrics, registered_at)
           values (%s, 1, %s, 'c', 'u', '{}', 'm', 'd', '{}', %s)""",
        (project, runs[0], OLD),
    )
    later = NOW + timedelta(days=200)
    assert pruned(platform, settings, now=datetime.now(UTC)).rows["runs"] == 0
    assert pruned(platform, settings, dry_run=True, now=later).rows["runs"] == 1
    assert tracking.client.get_run(runs[1]).info.lifecycle_stage == "active"
    assert pruned(platform, settings, now=later).rows["runs"] == 1
    stages = [tracking.client.get_run(run).info.lifecycle_stage for run in (*runs, foreign)]
    assert stages == ["active", "deleted", "active"]
    with OldRuns(settings, project) as old:
        assert old.deleted() == [runs[1]]
    assert not tracking.client.search_model_versions(f"name = '{project}'")
    assert pruned(platform, settings, now=later).rows["runs"] == 0


def test_a_search_of_long_ago_goes_whole_and_one_that_goes_on_stays(platform: Platform) -> None:
    """With Optuna's own tables, every one of them in use."""
    from mlcycle.adapters.search.storage import make_tables, opened
    from mlcycle.adapters.search.study import Plan, SearchStudy, Spent, Taken
    from mlcycle.domain.search import Budget, Dimension

    assert pruned(platform, now=NOW + timedelta(days=500)).document() == {}  # without tables, too
    settings, owner = platform.settings("train"), platform.owner()
    warehouse, budget = Warehouse(settings), Budget(3)
    make_tables(settings, warehouse)
    space = {"a": Dimension("float", 0, 1), "b": Dimension("choice", choices=(1, 2))}
    said = (
        "shop",
        "table",
        "rate_table",
        {},
        space,
        "log_loss",
        False,
        "random",
        "successive_halving",
        17,
        {},
    )
    with opened(settings) as storage:
        for name in ("shop-table-old", "shop-table-new", "shop-table-untried"):
            study = SearchStudy(storage, warehouse, name)
            study.make(Plan(*said), [{"a": 0.5, "b": 2}], budget)
            storage.set_study_system_attr(study.study._study_id, "of Optuna's own", 1)
            for _ in range(0 if name.endswith("untried") else 2):
                taken = study.take("work", 1, Spent(0, 0, 0), budget)
                assert isinstance(taken, Taken)
                taken.trial.report(0.7, 1)
                study.tell(taken, 0.5, said={})
    tables = [name for (name,) in owner.query("select tablename from pg_tables where schemaname = 'search'")]
    versions = {"version_info", "alembic_version"}

    def held() -> dict[str, int]:
        return {
            str(name): int(str(owner.query(f"select count(*) from search.{name}")[0][0]))
            for name in tables
            if name not in versions
        }

    full = held()
    assert all(full.values()), full
    assert "searches" not in pruned(platform).document()
    long_ago = "update search.trials set datetime_start = %s, datetime_complete = %s where study_id = 1"
    owner.query(long_ago, (OLD, OLD))
    assert pruned(platform).rows["searches"] == 0  # it was planned anew: somebody goes on with it
    owner.query(
        "update search.study_user_attributes set value_json = %s where key = 'planned' and study_id <> 2",
        (json.dumps(OLD.replace(tzinfo=None).isoformat()),),
    )
    said_so = pruned(platform, dry_run=True)
    assert held() == full
    done = pruned(platform)
    assert said_so.document() == done.document()
    assert done.rows["searches"] == 1 + 2 + 1 + 1  # two studies, their trials told and waiting
    assert owner.query("select study_name from search.studies") == [("shop-table-new",)]
    left = held()
    assert left["trials"] == 2
    assert left["trial_params"] == 4
    assert pruned(platform).document() == {}
