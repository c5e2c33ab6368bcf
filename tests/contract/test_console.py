"""The console: who may look, what is shown, and that nothing but reports leaves the artifact store."""

from tests import airflow_env  # noqa: F401, I001 - first of all

import hashlib
import re
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


@pytest.mark.parametrize("path", ["/", "/projects/flights", "/reports/flights/drift.html"])
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


def test_a_project_that_was_explored_has_its_report_linked(platform: Platform, client: object) -> None:
    page = client.get("/projects/flights").text  # type: ignore[attr-defined]
    assert "What the rows say" not in page
    put(platform, "reports/flights/explore/page.html", "<h1>rows</h1>")
    page = client.get("/projects/flights").text  # type: ignore[attr-defined]
    (link,) = re.findall(r'<a href="/mlcycle([^"]*)">What the rows say', page)
    assert client.get(link).text == "<h1>rows</h1>"  # type: ignore[attr-defined]


def test_the_script_that_reports_share_is_served_to_a_page_without_an_origin(
    platform: Platform, client: object
) -> None:
    from starlette.testclient import TestClient

    from mlcycle.console.app import app

    put(platform, "reports/flights/drift/a.html", "<script src='../../static/x.js'></script>")
    policy = client.get("/reports/flights/drift/a.html").headers["content-security-policy"]  # type: ignore[attr-defined]
    assert "script-src 'unsafe-inline' http://testserver/reports/static/;" in policy
    name = hashlib.sha256(b"draw()").hexdigest()
    put(platform, f"reports/static/{name}.js", "draw()")
    put(platform, f"reports/static/{'0' * 64}.js", "not what its name says")
    app.dependency_overrides.clear()
    anonymous = TestClient(app, follow_redirects=False)  # the sandbox sends no cookie along
    answer = anonymous.get(f"/reports/static/{name}.js")
    assert (answer.status_code, answer.text) == (200, "draw()")
    assert "immutable" in answer.headers["cache-control"]
    assert anonymous.get(f"/reports/static/{'0' * 64}.js").status_code == 404
    for path in ("/reports/static/secret.js", f"/reports/flights/{name}.js", f"/reports/static/../{name}.js"):
        assert anonymous.get(path).status_code in (401, 404, 422)


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
            "('flights', 4, 'r', 'boosting', 'u', '{}', 'm', 'd', "
            '\'{"log_loss": 0.4361, "value_over_always": 81240.3}\')'
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
    for text in ("boosting, version 4", "0.4361", "81,240", "2013-03-01", "842", "&lt;script&gt;alert(1)"):
        assert text in answer.text
    for text in ("<script", "javascript:"):
        assert text not in answer.text


def batch(
    platform: Platform,
    table: str,
    partition: str,
    rows: int,
    status: str = "published",
    project: str = "flights",
) -> None:
    platform.owner().query(
        """insert into ledger.batch (project, table_name, partition, status, current, digest, rows, token)
           values (%s, %s, %s, %s, %s, '', %s, 1)""",
        (project, table, partition, status, status == "published", rows),
    )


def test_the_bars_are_the_entity_tables_rows_and_no_other_tables(platform: Platform, client: object) -> None:
    batch(platform, "flights", "2013-03-01", 842)
    batch(platform, "weather", "2013-03-01", 72)
    batch(platform, "weather", "2013-03-02", 72)
    page = client.get("/projects/flights").text  # type: ignore[attr-defined]
    assert "<title>2013-03-01: 842 rows</title>" in page
    assert "2013-03-02: " not in page
    assert "each partition of flights" in page


def test_a_stopped_partition_that_was_published_since_is_no_matter(
    platform: Platform, client: object
) -> None:
    batch(platform, "flights", "2013-03-01", 842, "stopped")
    batch(platform, "flights", "2013-03-01", 840)
    batch(platform, "flights", "2013-03-02", 7, "stopped")
    batch(platform, "flights", "2013-03-02", 7, "held")
    from mlcycle.ledger import overview

    with platform.owner().transaction() as cursor:
        assert overview.stopped(cursor) == [("flights", "flights", 1)]
        assert overview.tables(cursor) == [("flights", "flights", "2013-03-01", 840)]
    assert '<td class="n warn">1</td>' in client.get("/").text  # type: ignore[attr-defined]


def test_columns_of_one_matter_are_one_line_that_names_each(platform: Platform, client: object) -> None:
    for name, day, severity in (("wind", "02", "warn"), ("rain", "04", "page")):
        platform.owner().query(
            """insert into ledger.alert (project, key, severity, title, body, first_partition, last_partition,
                   matter, subject) values ('flights', %s, %s, %s, '', %s, '2013-03-05', 'drift', %s)""",
            (f"drift:{name}", severity, f"inputs drift ({name})", f"2013-03-{day}", name),
        )
    page = client.get("/projects/flights").text  # type: ignore[attr-defined]
    assert page.count("inputs drift") == 1
    assert "rain (since 2013-03-04), wind (since 2013-03-02)" in page
    assert "2013-03-02 to 2013-03-05" in page


def test_many_projects_are_a_line_each_and_a_page_of_their_own(
    platform: Platform, client: object, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MLCYCLE_PROJECTS", str(tmp_path / "none"))
    (tmp_path / "none").mkdir()
    for number in range(30):
        batch(platform, "orders", f"2013-03-{1 + number:02}", 10 + number, project=f"shop_{number:02}")
    platform.owner().query(
        "insert into ledger.alert (project, key, severity, title, body, first_partition, last_partition) "
        "values ('shop_17', 'k', 'page', 'No data', '', '2013-03-18', '2013-03-18')"
    )
    first = client.get("/").text  # type: ignore[attr-defined]
    assert first.count('<a href="projects/shop_') == 30
    assert "<svg" not in first
    assert first.index("shop_17") < first.index("shop_00")  # who needs a person comes first
    assert "1 page" in first
    page = client.get("/projects/shop_17").text  # type: ignore[attr-defined]
    assert "<title>2013-03-18: 27 rows</title>" in page
    assert "No data" in page
    assert client.get("/projects/shop_99").status_code == 404  # type: ignore[attr-defined]


def test_a_project_file_is_read_again_when_it_or_its_sql_changes(tmp_path: Path) -> None:
    import shutil

    from mlcycle.console.files import ProjectFiles

    home = shutil.copytree(ROOT / "projects" / "weather", tmp_path / "weather")
    files = ProjectFiles()
    known = files.one(tmp_path, "weather")
    assert known is files.one(tmp_path, "weather")
    (home / "recent.sql").unlink()
    assert "recent.sql" in str(files.one(tmp_path, "weather"))
    assert "recent.sql" in str(files.all(tmp_path, seconds=30)["weather"])
    assert files.one(tmp_path, "other") is None


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


def test_a_project_whose_file_is_gone_is_listed_until_it_is_forgotten(
    platform: Platform, client: object
) -> None:
    owner = platform.owner()
    owner.query(
        """insert into ledger.batch (project, table_name, partition, status, current, digest, rows, token)
           values ('gone_shop', 'orders', '2024-01-01', 'published', true, 'x', 1, 1)"""
    )
    page = "/projects/gone_shop"

    def listed() -> tuple[bool, bool]:
        text = client.get("/").text  # type: ignore[attr-defined]
        with reading() as cursor:
            measured = exposition(cursor, {}).decode()
        assert "weather" in text
        return "gone_shop" in text, "gone_shop" in measured

    from mlcycle.console.metrics import exposition
    from mlcycle.console.overview import reading

    assert listed() == (True, True)
    owner.query(
        "insert into ledger.forgotten (project, actor) values ('gone_shop', 'ann'), ('weather', 'ann')"
    )
    assert listed() == (False, False)  # and weather, whose file is there, is shown
    assert client.get(page).status_code == 200  # type: ignore[attr-defined]
    owner.query("delete from ledger.forgotten")
    assert listed() == (True, True)
