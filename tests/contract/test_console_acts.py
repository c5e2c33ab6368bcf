"""Acts on alerts from the console: Airflow's own tokens and permissions, its user in the ledger, no foreign form."""

from tests import airflow_env  # noqa: F401, I001 - first of all

from typing import Any

import pytest

from tests.conftest import ROOT, Platform

PAGE, API = "/projects/flights", "/api/projects/flights/alerts"
SAME = {"sec-fetch-site": "same-origin"}


@pytest.fixture(scope="module")
def tokens() -> dict[str, str]:
    """Tokens of two people, made and read by Airflow's auth manager over a database of its own."""
    import airflow.models
    from airflow import settings
    from airflow.api_fastapi.app import create_auth_manager
    from airflow.api_fastapi.auth.managers.simple.user import SimpleAuthManagerUser
    from airflow.models.base import Base

    airflow.models.import_all_models()
    Base.metadata.create_all(settings.engine)
    manager = create_auth_manager()
    roles = {"ana": "user", "vic": "viewer"}
    return {
        name: manager.generate_jwt(SimpleAuthManagerUser(username=name, role=role))
        for name, role in roles.items()
    }


@pytest.fixture
def client(platform: Platform, monkeypatch: pytest.MonkeyPatch, tokens: dict[str, str]) -> Any:
    """Ana's browser, and two open alerts of one matter."""
    from starlette.testclient import TestClient

    from mlcycle.console.app import app

    monkeypatch.setenv("MLCYCLE_PROJECTS", str(ROOT / "projects"))
    monkeypatch.setenv("MLCYCLE_DSN_SERVE", platform.settings("serve").warehouse_dsn.get_secret_value())
    for name in ("wind", "rain"):
        platform.owner().query(
            """insert into ledger.alert (project, key, severity, title, body, first_partition, last_partition,
                   matter, subject) values ('flights', %s, 'page', %s, '', '2013-03-01', '2013-03-01', 'drift', %s)
               returning 1""",
            (f"drift:{name}", f"inputs drift ({name})", name),
        )
    return TestClient(
        app, cookies={"_token": tokens["ana"]}, raise_server_exceptions=False, follow_redirects=False
    )


def acts(platform: Platform) -> list[tuple[Any, ...]]:
    return platform.owner().query("select action, name, actor, reason from ledger.alert_act order by act_id")


def test_a_form_acts_in_the_name_of_airflow_s_user_and_shows_what_came_of_it(
    platform: Platform, client: Any
) -> None:
    page = client.get(PAGE)
    assert '<form method="post" action="flights">' in page.text
    assert "form-action 'self'" in page.headers["content-security-policy"]
    assert page.headers["referrer-policy"] == "same-origin"
    done = client.post(
        PAGE, data={"action": "acknowledge", "name": "drift:wind", "reason": "I <b>look</b>"}, headers=SAME
    )
    assert done.status_code == 200
    assert "drift:wind: acknowledged" in done.text
    assert "wind: acknowledged by ana, " in done.text
    silence = {"action": "silence", "name": "drift", "reason": "<script>", "for": "4 hours"}
    quiet = client.post(PAGE, data=silence, headers=SAME)
    assert "by ana: &lt;script&gt;" in quiet.text
    assert "<script" not in quiet.text
    client.post(PAGE, data={"action": "assign", "name": "drift", "owner": "bo"}, headers=SAME)
    assert "<td>bo</td>" in client.get("/").text
    assert acts(platform) == [
        ("acknowledge", "drift:wind", "ana", "I <b>look</b>"),
        ("silence", "drift", "ana", "<script>"),
        ("assign", "drift", "ana", ""),
        ("assign", "drift", "ana", ""),
    ]


def test_what_a_form_lacks_is_said_on_the_page_and_done_nowhere(platform: Platform, client: Any) -> None:
    for fields, says in (
        ({"action": "silence", "name": "drift", "for": "1 hour"}, "say why"),
        ({"action": "silence", "name": "drift", "for": "soon", "reason": "x"}, "is not a duration"),
        ({"action": "acknowledge", "name": "volume"}, "no open alert"),
    ):
        answer = client.post(PAGE, data=fields, headers=SAME)
        assert (answer.status_code, says in answer.text) == (400, True)
        answer = client.post(API, json=fields, headers=SAME)
        assert (answer.status_code, says in answer.json()["detail"]) == (400, True)
    assert acts(platform) == []


@pytest.mark.parametrize(
    "headers",
    [
        pytest.param({}, id="who says nothing of where it comes from"),
        pytest.param({"origin": "https://evil.example"}, id="another site"),
        pytest.param({"origin": "null"}, id="a page without an origin, as reports are"),
        pytest.param({"sec-fetch-site": "cross-site", "origin": "http://testserver"}, id="a browser says so"),
        pytest.param({"sec-fetch-site": "same-site"}, id="another port of the machine"),
        pytest.param({"authorization": "Basic eDp5"}, id="another kind of login beside the cookie"),
    ],
)
@pytest.mark.parametrize("path", [PAGE, API])
def test_another_page_cannot_act_with_a_person_s_cookie(
    platform: Platform, client: Any, path: str, headers: dict[str, str]
) -> None:
    fields = {"action": "acknowledge", "name": "drift"}
    for body in ({"data": fields}, {"json": fields}):
        answer = client.post(path, headers=headers, **body)
        assert (answer.status_code, answer.json()["detail"][:15]) == (403, "asked by anothe")
    assert acts(platform) == []


@pytest.mark.parametrize("origin", ["http://testserver", "https://airflow.example"])
def test_where_a_browser_says_no_more_than_its_origin_that_counts(
    platform: Platform, client: Any, monkeypatch: pytest.MonkeyPatch, origin: str
) -> None:
    """Over plain HTTP, and behind a proxy that has another name."""
    monkeypatch.setenv("MLCYCLE_AIRFLOW_URL", "https://airflow.example/base")
    answer = client.post(PAGE, data={"action": "acknowledge", "name": "drift"}, headers={"origin": origin})
    assert answer.status_code == 200


def test_who_may_only_look_sees_no_form_and_is_refused(
    platform: Platform, client: Any, tokens: dict[str, str]
) -> None:
    client.cookies.clear()
    bearer = {"authorization": f"Bearer {tokens['vic']}"}
    page = client.get(PAGE, headers=bearer)
    assert "inputs drift" in page.text
    assert "<form" not in page.text
    assert client.get(API, headers=bearer).status_code == 200
    for path, body in (
        (PAGE, {"data": {"action": "acknowledge"}}),
        (API, {"json": {"action": "acknowledge"}}),
    ):
        assert client.post(path, headers=bearer, **body).status_code == 403  # type: ignore[arg-type]
        assert client.post(path, headers=SAME, **body).status_code == 401  # type: ignore[arg-type]
        assert client.post(path, headers={"authorization": "Bearer x"}, **body).status_code == 403  # type: ignore[arg-type]
    assert acts(platform) == []


def test_a_program_acts_by_its_token_and_reads_how_alerts_stand(
    platform: Platform, client: Any, tokens: dict[str, str]
) -> None:
    client.cookies.clear()
    bearer = {"authorization": f"Bearer {tokens['ana']}"}
    done = client.post(API, headers=bearer, json={"action": "acknowledge", "name": "drift"})
    assert (done.status_code, done.json()) == (200, {"message": "drift:wind, drift:rain: acknowledged"})
    listed = client.get(API, headers=bearer).json()["alerts"]
    assert [(one["key"], one["acknowledged_by"]) for one in listed] == [
        ("drift:rain", "ana"),
        ("drift:wind", "ana"),
    ]
    for body, code in (
        ({"content": b"x" * 20_000, "headers": {**bearer, "content-type": "application/json"}}, 413),
        ({"content": b"{", "headers": {**bearer, "content-type": "application/json"}}, 400),
        ({"json": ["acknowledge"], "headers": bearer}, 400),
        ({"json": {"action": "acknowledge", "who": "me"}, "headers": bearer}, 400),
        ({"content": b"x", "headers": {**bearer, "content-type": "text/plain"}}, 415),
    ):
        assert client.post(API, **body).status_code == code
