"""Events over HTTP: the real service in a process of its own, and what it refuses."""

import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import yaml

from mlcycle.errors import ConfigError
from mlcycle.landing.app import MOST_BYTES
from mlcycle.landing.tokens import Tokens
from tests.conftest import Platform, free_port
from tests.contract.test_events import Queue, days, event, project

TOKEN = "a-token-of-air-for-its-producers"


@dataclass
class Service:
    """A running service and its platform."""

    queue: Queue
    url: str
    log: Path

    def post(
        self, body: Any, path: str = "/events/air/pm", token: str = TOKEN, **headers: str
    ) -> httpx.Response:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        given = {"Authorization": f"Bearer {token}", **headers}
        return httpx.post(self.url + path, content=content, headers=given, timeout=60)

    def count(self) -> int:
        return int(self.queue.platform.owner().query("select count(*) from raw.event")[0][0])


@pytest.fixture(scope="module")
def service(module_platform: Platform, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    folder = tmp_path_factory.mktemp("service")
    for name, source in (("air", project()), ("shut", project())):
        (folder / "projects" / name).mkdir(parents=True)
        text = yaml.safe_dump({**source.document(), "name": name}, sort_keys=False)
        (folder / "projects" / name / "project.yaml").write_text(text)
    port = free_port()
    env = {
        "PATH": os.environ["PATH"],
        "MLCYCLE_DSN_SERVE": module_platform.settings("serve").warehouse_dsn.get_secret_value(),
        "MLCYCLE_ARTIFACTS_URL": f"file://{folder}/artifacts",
        "MLCYCLE_SECRET_AIR__EVENTS": TOKEN,
    }
    command = ["-m", "mlcycle", "events", "serve", "--port", str(port), "--projects", "projects"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen([sys.executable, *command], cwd=folder, env=env, stdout=log, stderr=log)
    try:
        _until_it_listens(process, port, folder / "log")
        yield Service(Queue(module_platform, project(), "pm"), f"http://127.0.0.1:{port}", folder / "log")
    finally:
        process.terminate()
        process.wait(30)


def _until_it_listens(process: "subprocess.Popen[bytes]", port: int, log: Path) -> None:
    deadline = time.monotonic() + 180
    while True:
        assert process.poll() is None, log.read_text()
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) == 0:
                return
        assert time.monotonic() < deadline, log.read_text()
        time.sleep(0.1)


def test_a_batch_is_put_once_however_often_it_is_sent(service: Service) -> None:
    rows = days(1, 1)
    lines = "\n".join(map(json.dumps, rows)).encode()
    first, again, other = service.post(rows), service.post(rows), service.post(lines)
    assert [each.status_code for each in (first, again, other)] == [202] * 3
    assert [each.json()["new"] for each in (first, again, other)] == [48, 0, 0]
    assert service.queue.run("2013-01-01")["publish"].metrics["rows"] == 48
    assert httpx.get(f"{service.url}/health", timeout=60).json() == {"status": "ok"}


def test_a_batch_with_a_bad_event_is_answered_with_a_line_each(service: Service) -> None:
    before = service.count()
    bad = [event(2, 1), event(2, 2, at="soon"), event(2, 3, more=1)]
    answer = service.post(bad)
    assert answer.status_code == 422
    assert answer.json() == {
        "detail": "2 of 3 events refused, none put",
        "events": [
            {"event": 2, "why": "column at: 'soon' is not a time like 2013-06-01T12:00:00Z"},
            {"event": 3, "why": "unknown column 'more': there are station, at, pm25, wind"},
        ],
    }
    assert service.count() == before


@pytest.mark.parametrize(
    ("sent", "code", "said"),
    [
        ({"token": "a-token-of-somebody-else-altogether"}, 401, "bear the project's token"),
        ({"Authorization": "Bearer"}, 401, "bear the project's token"),
        ({"Authorization": f"Basic {TOKEN}"}, 401, "bear the project's token"),
        ({"path": "/events/shut/pm"}, 401, "bear the project's token"),
        ({"path": "/events/..%2fair/pm"}, 404, ""),
        ({"path": "/events/none/pm"}, 401, "bear the project's token"),
        ({"path": "/events/air/none"}, 404, "no table 'none' of project 'air' takes events: there are pm"),
        ({"body": b""}, 422, "no event"),
        ({"body": b"[1"}, 422, "the body is no JSON list"),
        ({"body": b"\xff\xfe{}"}, 422, "1 of 1 events refused"),
        ({"body": b" " * (MOST_BYTES + 1)}, 413, "put fewer events at once"),
        ({"body": b"{}\n" * 10_001}, 422, "put 10000 at once at the most"),
        ({"Content-Encoding": "gzip"}, 415, "without a content encoding"),
    ],
    ids=lambda value: str(value)[:40],
)
def test_what_may_not_come_in_is_refused(
    service: Service, sent: dict[str, Any], code: int, said: str
) -> None:
    before = service.count()
    answer = service.post(**{"body": [event(3, 1)], **sent})
    assert (answer.status_code, said in answer.text) == (code, True), answer.text
    assert service.count() == before


def test_a_body_that_says_no_length_is_cut_off_where_it_grows_too_large(service: Service) -> None:
    parts = (b" " * (1 << 20) for _ in range(9))
    answer = httpx.post(
        f"{service.url}/events/air/pm",
        content=parts,
        headers={"Authorization": f"Bearer {TOKEN}"},
        timeout=60,
    )
    assert answer.status_code == 413


def test_no_token_and_no_event_is_in_the_log(service: Service) -> None:
    service.post([event(4, 1, wind="of a secret")])
    service.post([event(4, 2, at="a secret")])
    text = service.log.read_text()
    assert TOKEN not in text
    assert "secret" not in text


def test_a_token_is_long_and_of_one_project() -> None:
    with pytest.raises(ConfigError, match="no project has a token"):
        Tokens({"MLCYCLE_SECRET_AIR__SHOP": TOKEN})
    with pytest.raises(ConfigError, match="AIR__EVENTS has less than 16"):
        Tokens({"MLCYCLE_SECRET_AIR__EVENTS": "short"})
    tokens = Tokens({"MLCYCLE_SECRET_AIR__EVENTS": TOKEN})
    assert tokens.opens("air", f"bearer {TOKEN}")
    for project_name, header in (("air", TOKEN), ("AIR", f"Bearer {TOKEN}"), ("sea", f"Bearer {'-' * 16}")):
        assert not tokens.opens(project_name, header)
