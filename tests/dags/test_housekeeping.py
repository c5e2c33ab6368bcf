"""The platform's own DAG: it runs the command without Airflow's settings and tells how it ended."""

from tests import airflow_env  # noqa: F401, I001 - first of all

import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from tests.conftest import Platform


@pytest.fixture
def environment(platform: Platform, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Platform:
    """What a task finds on a platform of one's own."""
    settings = platform.settings("keep")
    monkeypatch.setenv("MLCYCLE_DSN_KEEP", settings.warehouse_dsn.get_secret_value())
    monkeypatch.setenv("MLCYCLE_ARTIFACTS_URL", settings.artifacts_url)
    monkeypatch.setenv("MLCYCLE_STATE", str(tmp_path / "none"))
    return platform


def test_the_task_prunes(environment: Platform) -> None:
    from mlcycle.orchestration.housekeeping import housekeeping_dag

    environment.owner().query(
        """insert into ledger.attempt (work, project, step, state, started_at)
           values ('w', 'shop', 'score', 'done', now() - interval '99 days')"""
    )
    housekeeping_dag().get_task("prune").execute({})
    assert environment.owner().query("select 1 from ledger.attempt") == []


def test_a_warehouse_that_is_away_is_tried_again_and_a_wrong_setting_is_not(
    environment: Platform, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow.sdk.exceptions import AirflowException, AirflowFailException

    from mlcycle.orchestration.housekeeping import housekeeping_dag

    task = housekeeping_dag().get_task("prune")
    monkeypatch.setenv("MLCYCLE_KEEP_STAGING", "1 hour")
    with pytest.raises(AirflowFailException, match="less than 1 day"):
        task.execute({})
    monkeypatch.delenv("MLCYCLE_KEEP_STAGING")
    monkeypatch.setenv("MLCYCLE_DSN_KEEP", "postgresql://mlcycle_keep:x@127.0.0.1:1/x")
    with pytest.raises(AirflowException, match="does not answer") as caught:
        task.execute({})
    assert not isinstance(caught.value, AirflowFailException)


def test_nothing_heavy_is_loaded_for_it() -> None:
    import subprocess

    code = (
        "import sys; from mlcycle.orchestration.housekeeping import housekeeping_dag; housekeeping_dag();"
        "print([name for name in ('psycopg2', 'mlflow', 'pandas') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("[]")


@pytest.mark.parametrize(
    ("ran_before", "first_is_past"),
    [pytest.param(False, False, id="a new platform"), pytest.param(True, True, id="one that was down")],
)
def test_a_new_platform_has_nothing_to_make_up_for(ran_before: bool, first_is_past: bool) -> None:
    from airflow.serialization.serialized_objects import DagSerialization
    from airflow.timetables.base import DataInterval

    from mlcycle.orchestration.housekeeping import housekeeping_dag

    dag = DagSerialization.from_dict(DagSerialization.to_dict(housekeeping_dag()))
    three_days_ago = datetime.now(UTC) - timedelta(days=3)
    last = DataInterval.exact(three_days_ago) if ran_before else None
    info = dag.timetable.next_dagrun_info(
        last_automated_data_interval=last, restriction=dag._time_restriction
    )
    assert info is not None
    assert (info.run_after < datetime.now(UTC)) is first_is_past


def test_every_table_that_grows_with_runs_is_cleaned() -> None:
    from airflow.utils.db_cleanup import config_list

    from mlcycle.local.own_rows import TABLES

    of_dags = {"dag", "dag_version", "import_error"}
    go_by_themselves = {"trigger", "deadline", "task_state_store", "revoked_token", "connection_test_request"}
    not_ours = {"celery_taskmeta", "celery_tasksetmeta", "_xcom_archive"}
    known = {table.table_name for table in config_list}
    assert known - of_dags - go_by_themselves - not_ours == {*TABLES}
