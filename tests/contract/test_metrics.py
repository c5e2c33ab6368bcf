"""The exporter: who may scrape, what a day of the real steps shows, what a year of 200 projects costs."""

from tests import airflow_env  # noqa: F401, I001 - first of all

import time
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from mlcycle.adapters.warehouse.connection import Warehouse
from mlcycle.console import app as console
from mlcycle.console.metrics import Kept, exposition
from tests.conftest import ROOT, Platform
from tests.hourly import Hourly, now_hour, rows

TOKEN = "a-token-of-its-own"
Samples = dict[tuple[str, tuple[str, ...]], float]


@pytest.fixture
def client(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The console as whoever is not logged in reaches it."""
    from starlette.testclient import TestClient

    monkeypatch.setattr(console, "kept_metrics", Kept(0))
    monkeypatch.setenv("MLCYCLE_PROJECTS", str(ROOT / "projects"))
    monkeypatch.setenv("MLCYCLE_METRICS_TOKEN", TOKEN)
    monkeypatch.setenv("MLCYCLE_DSN_SERVE", platform.settings("serve").warehouse_dsn.get_secret_value())
    return TestClient(console.app, raise_server_exceptions=False)


def parsed(text: str) -> Samples:
    """Every sample by its name and the values of its labels, by the labels' names."""
    return {
        (sample.name, tuple(value for _, value in sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_a_scraper_bears_the_token_and_nobody_else_sees_anything(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    for headers in ({}, {"Authorization": "Bearer wrong"}, {"Authorization": "Bearer "}):
        answer = client.get("/metrics", headers=headers)
        assert (answer.status_code, "mlcycle_" in answer.text) == (401, False)
    answer = client.get("/metrics", headers={"Authorization": f"Bearer {TOKEN}"})
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain; version=0.0.4")
    monkeypatch.delenv("MLCYCLE_METRICS_TOKEN")
    for headers in ({}, {"Authorization": "Bearer "}):
        assert client.get("/metrics", headers=headers).status_code == 404


def test_a_ledger_that_is_away_is_no_metrics_rather_than_old_ones(
    client: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    bearing = {"Authorization": f"Bearer {TOKEN}"}
    assert client.get("/metrics", headers=bearing).status_code == 200
    monkeypatch.setenv("MLCYCLE_DSN_SERVE", "postgresql://mlcycle_serve:p@127.0.0.1:1/mlcycle")
    assert client.get("/metrics", headers=bearing).status_code == 503


def test_what_the_steps_of_a_day_left_is_shown(platform: Platform) -> None:
    hourly, newest = Hourly(platform), now_hour()
    for hour in (newest.shift(-3), newest.shift(-2)):
        hourly.come(hour)
        hourly.tick(hour)
    hourly.deliver(newest.shift(-1).key, rows(newest.shift(-1)).replace(b"41.0", b""))
    hourly.tick(newest.shift(-1))
    with Warehouse(platform.settings("serve"), "t").transaction() as cursor:
        text = exposition(cursor, {"weather": hourly.project}).decode()
    found, now = parsed(text), time.time()
    held = newest.shift(-2)
    assert found["mlcycle_partition_rows", ("weather", "weather")] == 3
    assert found["mlcycle_partition_end_timestamp_seconds", ("weather", "weather")] == held.end.timestamp()
    late = found["mlcycle_partition_late_seconds", ("weather", "weather")]
    lateness = hourly.project.source.lateness.total_seconds()
    assert late == pytest.approx(now - newest.shift(-1).end.timestamp() - lateness, abs=5)
    assert found["mlcycle_alerts_open", ("weather", "page")] == 1
    assert found["mlcycle_alerts_open", ("weather", "warn")] == 0
    assert found["mlcycle_page_opened_timestamp_seconds", ("weather",)] == pytest.approx(now, abs=60)
    assert found["mlcycle_failures", ("stopped", "weather")] == 1
    assert found["mlcycle_stage_finished_timestamp_seconds", ("weather", "ingest")] == pytest.approx(
        now, abs=60
    )
    assert found["mlcycle_attempts_last_day", ("done", "publish")] == 2
    assert found["mlcycle_step_failures_last_day", ("weather", "validate")] == 1
    assert found["mlcycle_step_seconds_last_day", ("max", "extract")] > 0
    assert newest.key not in text  # no label grows with time
    assert held.key not in text


def test_a_scrape_of_200_projects_with_a_year_behind_them_costs_little(platform: Platform) -> None:
    """A day's attempts of every project, 30 days kept; a year of batches, windows and measurements."""
    fill(platform)
    with Warehouse(platform.settings("serve"), "t").transaction() as cursor:
        exposition(cursor, {})
        began = time.perf_counter()
        text = exposition(cursor, {})
        took = time.perf_counter() - began
    found = parsed(text.decode())
    print(f"\n{len(found)} series, {len(text) / 1e3:.0f} kB, {took:.2f} s")
    assert found["mlcycle_partition_rows", ("p199", "events")] == 100
    assert len(found) < 200 * 60
    assert took < 5  # what the rule MlcycleScrapeSlow allows


def fill(platform: Platform) -> None:
    with platform.owner().transaction() as cursor:
        cursor.execute("""
            insert into ledger.batch (project, table_name, partition, status, current, digest, rows, token)
            select 'p' || p, t, to_char(date '2025-11-22' + d, 'YYYY-MM-DD'), 'published', true, 'x', 100, 1
            from generate_series(0, 199) p, unnest(array['events', 'labels']) t, generate_series(0, 364) d;
            insert into ledger.attempt (work, project, step, state, started_at, finished_at, result)
            select 'w' || p || s || d, 'p' || p, s, case when p % 50 = 0 and s = 'score' then 'failed' else 'done' end,
                   now() - d * interval '1 day', now() - d * interval '1 day' + interval '7 seconds',
                   jsonb_build_object('status', 'ok', 'message', repeat('x', 300))
            from generate_series(0, 199) p, generate_series(0, 29) d,
                 unnest(array['extract', 'validate', 'publish', 'extract2', 'validate2', 'publish2', 'features',
                              'materialize', 'score', 'labels', 'monitor', 'alert', 'request_retrain']) s;
            insert into ledger.monitored (project, partition, moment)
            select 'p' || p, to_char(date '2025-11-22' + d, 'YYYY-MM-DD'), now()
            from generate_series(0, 199) p, generate_series(0, 364) d;
            insert into ledger.alert (project, key, severity, title, body, state, first_partition, last_partition)
            select 'p' || p, 'drift:' || k, 'warn', 't', 'b', case when k < 3 then 'open' else 'closed' end, 'd', 'd'
            from generate_series(0, 199) p, generate_series(0, 40) k;
            insert into ledger.delivery (alert_id, channel, state)
            select alert_id, 'log', case when alert_id % 100 = 0 then 'pending' else 'delivered' end
            from ledger.alert;
            insert into ledger.gap (project, table_name, partition, state)
            select 'p' || p, 'events', '2026-11-' || d, 'missing' from generate_series(0, 199) p, generate_series(23, 25) d;
            insert into ledger.model_version (project, version, run_id, candidate, model_uri, manifest,
                manifest_digest, dataset_digest, metrics)
            select 'p' || p, v, 'r' || v, 'c', 'u', '{}', 'd', 'd', '{}'
            from generate_series(0, 199) p, generate_series(1, 52) v;
            insert into ledger.champion (project, seq, version, action, actor, reason)
            select 'p' || p, v, v, 'promote', 'a', 'r' from generate_series(0, 199) p, generate_series(1, 52) v;
        """)  # fmt: skip
        first = datetime(2025, 11, 1, tzinfo=UTC)
        from mlcycle.ledger import partitioning

        partitioning.ensure(cursor, "ledger.monitor_result", first, first + timedelta(days=400))
        cursor.execute("""
            insert into ledger.monitor_result (project, partition, monitor, subject, status, value, message)
            select 'p' || p, to_char(date '2025-11-22' + d, 'YYYY-MM-DD'), m, s::text, 'ok', 1.0, 'fine'
            from generate_series(0, 199) p, generate_series(0, 364) d,
                 unnest(array['volume', 'value']) m, generate_series(0, 1) s
        """)
        cursor.execute(
            "analyze ledger.batch, ledger.attempt, ledger.alert, ledger.delivery, ledger.monitor_result"
        )
