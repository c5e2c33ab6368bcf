"""The console: who may look, what is shown, and that nothing but reports leaves the artifact store."""

from tests import airflow_env  # noqa: F401, I001 - first of all

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.conftest import ROOT, Platform


@pytest.fixture
def client(platform: Platform, monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    """The console as a logged-in person's browser sees it; Airflow's own login is not started."""
    from airflow.api_fastapi.core_api.security import get_user
    from starlette.testclient import TestClient

    from mlcycle.console.app import app

    monkeypatch.setenv("MLCYCLE_ARTIFACTS_URL", f"file://{platform.folder}/artifacts")
    monkeypatch.setenv("MLCYCLE_PROJECTS", str(ROOT / "projects"))
    monkeypatch.setenv("MLCYCLE_DSN_SERVE", platform.settings("serve").warehouse_dsn.get_secret_value())
    app.dependency_overrides[get_user] = lambda: None
    yield TestClient(app, raise_server_exceptions=False)
    app.dependency_overrides.clear()


def put(platform: Platform, path: str, text: str) -> None:
    file = platform.folder / "artifacts" / path
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(text)


@pytest.mark.parametrize("path", ["/", "/reports/flights/drift.html"])
def test_who_is_not_logged_in_sees_nothing_and_is_led_to_the_login(
    platform: Platform, client: object, path: str
) -> None:
    from starlette.testclient import TestClient

    from mlcycle.console.app import app

    put(platform, "reports/flights/drift.html", "secret")
    app.dependency_overrides.clear()
    anonymous = TestClient(app, follow_redirects=False)
    answer = anonymous.get(path)
    assert (answer.status_code, answer.json()) == (401, {"detail": "Not authenticated"})
    browser = anonymous.get(path, headers={"accept": "text/html"})
    assert browser.status_code == 303
    assert browser.headers["location"].startswith("/auth/login?next=%2F")


def test_a_report_is_shown_without_a_way_out_of_it(platform: Platform, client: object) -> None:
    put(platform, "reports/flights/drift.html", "<h1>drift</h1>")
    answer = client.get("/reports/flights/drift.html")  # type: ignore[attr-defined]
    assert (answer.status_code, answer.text) == (200, "<h1>drift</h1>")
    policy = answer.headers["content-security-policy"]
    assert "sandbox allow-scripts" in policy
    assert "allow-same-origin" not in policy
    assert "default-src 'none'" in policy
    assert answer.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "path",
    [
        "%2e%2e/secret.json",
        "..%2fsecret.json",
        "a/%2e%2e/%2e%2e/secret.json",
        "/etc/passwd",
        "%00",
        "a%5csecret",
    ],
)
def test_nothing_else_of_the_store_can_be_read(platform: Platform, client: object, path: str) -> None:
    put(platform, "secret.json", "{}")
    put(platform, "reports/a/x.html", "x")
    answer = client.get(f"/reports/{path}")  # type: ignore[attr-defined]
    assert answer.status_code == 404
    assert "/" not in answer.text  # no path of this machine


def test_the_overview_shows_champion_tables_and_alerts_and_escapes_them(
    platform: Platform, client: object
) -> None:
    with platform.owner().transaction() as cursor:
        cursor.execute(
            "insert into ledger.batch (project, table_name, partition, status, current, digest, rows, token) "
            "values ('flights', 'flights', '2013-03-01', 'published', true, '', 842, 1)"
        )
        cursor.execute(
            "insert into ledger.model_version (project, version, run_id, candidate, model_uri, manifest, "
            "manifest_digest, dataset_digest, metrics) values "
            "('flights', 4, 'r', 'boosting', 'u', '{}', 'm', 'd', '{\"log_loss\": 0.4361}')"
        )
        cursor.execute(
            "insert into ledger.champion (project, seq, version, action, actor, reason) "
            "values ('flights', 1, 4, 'promote', 'x', 'y')"
        )
        cursor.execute(
            "insert into ledger.alert (project, key, severity, title, body, link, first_partition, "
            "last_partition) values ('flights', 'k', 'page', '<script>alert(1)</script>', '', "
            "'javascript:alert(1)', '2013-03-01', '2013-03-01')"
        )
    answer = client.get("/")  # type: ignore[attr-defined]
    assert answer.status_code == 200
    for text in ("boosting, version 4", "0.4361", "2013-03-01", "842", "&lt;script&gt;alert(1)"):
        assert text in answer.text
    for text in ("<script", "javascript:"):
        assert text not in answer.text


def test_a_warehouse_that_is_away_is_one_line_beside_the_projects(
    client: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MLCYCLE_DSN_SERVE", "postgresql://a:hidden@127.0.0.1:1/x")
    answer = client.get("/")  # type: ignore[attr-defined]
    assert answer.status_code == 503
    assert "the warehouse does not answer" in answer.text
    assert "flights" in answer.text
    assert "hidden" not in answer.text


def test_a_broken_project_file_is_shown_with_its_line(
    client: object, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    file = tmp_path / "odd" / "project.yaml"
    file.parent.mkdir()
    file.write_text("version: 1\nname: [\n")
    monkeypatch.setenv("MLCYCLE_PROJECTS", str(tmp_path))
    assert "project.yaml:3: not YAML" in client.get("/").text  # type: ignore[attr-defined]
