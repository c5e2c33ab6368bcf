"""Where a project's source and channels may lead: refused by the step, with real servers that would answer."""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from mlcycle.adapters.alerts import channels
from mlcycle.adapters.delivery.places import Places
from mlcycle.adapters.delivery.source import SourceFiles
from mlcycle.domain.partitions import Partition
from mlcycle.errors import ConfigError
from mlcycle.ledger.alerts import Alert, Pending
from mlcycle.project import Channel
from mlcycle.steps.runtime import run_step
from tests.conftest import Platform, free_port
from tests.raw_data import FLIGHTS, request
from tests.receivers import webhook


class Server(ThreadingHTTPServer):
    """Answers every path, or sends each on to where ``leads`` says; keeps what was asked."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[str] = []
        self.leads = ""

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class _Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        self.server.asked.append(self.path)
        self.send_response(302 if self.server.leads else 200)
        if self.server.leads:
            self.send_header("Location", self.server.leads)
        self.send_header("Content-Length", "6")
        self.end_headers()
        self.wfile.write(b"a,b\n1\n")

    do_POST = do_HEAD = do_GET

    def log_message(self, *_: object) -> None:
        pass


@contextmanager
def serving() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


@pytest.fixture
def source() -> Iterator[Server]:
    """The source that is allowed."""
    with serving() as server:
        yield server


@pytest.fixture
def inside() -> Iterator[Server]:
    """A server that only this machine should reach."""
    with serving() as server:
        yield server


def fetch(platform: Platform, url: str, **settings: Any) -> bytes | None:
    """Fetch one delivery of a source."""
    spec = FLIGHTS.source.model_copy(update={"url": url})
    platform.folder.joinpath("scratch").mkdir(exist_ok=True)
    files = SourceFiles(spec, platform.settings(**settings), platform.folder / "scratch")
    table = spec.tables["flights"].model_copy(update={"max_bytes": 1000})
    return files.fetch("flights", table, Partition.parse("2013-01-01", spec.unit)).data


def test_what_is_not_listed_is_not_asked(platform: Platform, source: Server) -> None:
    with pytest.raises(ConfigError, match=r"adds http://127.0.0.1:\d+ to MLCYCLE_ALLOWED_SOURCES") as caught:
        fetch(platform, source.url)
    assert "\n" not in caught.value.message
    assert source.asked == []
    assert fetch(platform, f"{source.url}/x", allowed_sources=f"{source.url}/x") == b"a,b\n1\n"
    assert fetch(platform, "{source}/flights", source_url=source.url) == b"a,b\n1\n"


@pytest.mark.parametrize(
    "url",
    [
        pytest.param("{source}/secret?", id="a query takes the rest of the path"),
        pytest.param("{source}/secret#", id="a fragment takes it"),
        pytest.param("{source}/../secret", id="a way up"),
        pytest.param("{source}/%2e%2e/secret", id="an encoded one"),
        pytest.param("{source}.evil.example/x", id="the host goes on"),
        pytest.param("{source}@evil.example/x", id="the host becomes a user"),
        pytest.param("{source}1/x", id="the port goes on"),
        pytest.param("https://evil.example/{source}", id="not at the beginning"),
        pytest.param("simplecache::{source}/x", id="a chain"),
        pytest.param("file:///etc", id="a file"),
        pytest.param("/etc", id="a path"),
    ],
)
def test_a_project_does_not_leave_its_source(platform: Platform, source: Server, url: str) -> None:
    with pytest.raises(ConfigError, match=r"source\.url"):
        fetch(platform, url, source_url=f"{source.url}/exports")
    assert source.asked == []


def test_the_step_says_it_once_and_it_is_in_the_audit(platform: Platform) -> None:
    document = FLIGHTS.document()
    document["source"]["url"] = "https://evil.example/flights"
    project = type(FLIGHTS).model_validate(document)
    asked = request("extract", project, "2013-01-01", params={"table": "flights"})
    result = run_step(asked, platform.settings("ingest"))
    assert result.error is not None
    assert (result.error.kind, result.error.retryable) == ("config", False)
    audit = "select result -> 'error' ->> 'message' from ledger.attempt where project = 'flights'"
    assert platform.owner().query(audit) == [(result.message,)]
    assert result.message == (
        "source.url 'https://evil.example/flights' is not among the places that sources may name: whoever runs "
        "the platform adds https://evil.example to MLCYCLE_ALLOWED_SOURCES"
    )


def test_a_redirect_to_another_host_is_not_followed(
    platform: Platform, source: Server, inside: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    source.leads = f"{inside.url}/latest/meta-data"
    with pytest.raises(ConfigError, match=r"redirects: 'http://127.0.0.1:\d+/latest/meta-data' is not among"):
        fetch(platform, "{source}/flights", source_url=source.url)
    assert inside.asked == []
    both = f"{source.url} {inside.url}"
    assert fetch(platform, "{source}/flights", source_url=source.url, allowed_sources=both) == b"a,b\n1\n"
    monkeypatch.setattr(Places, "check", lambda *_: None)  # as it was: the other host is asked
    assert fetch(platform, "{source}/flights", source_url=source.url) == b"a,b\n1\n"
    assert inside.asked == ["/latest/meta-data"] * 2


def test_a_link_does_not_lead_out_of_the_folder(platform: Platform, tmp_path: Path) -> None:
    folder, secret = tmp_path / "exports" / "flights", tmp_path / "secret.csv"
    folder.mkdir(parents=True)
    secret.write_text("secret")
    (folder / "2013-01-01.csv").symlink_to(secret)
    with pytest.raises(ConfigError, match="a link that leads out of the folders in MLCYCLE_ALLOWED_SOURCES"):
        fetch(platform, "{source}", source_url=f"file://{tmp_path}/exports")
    with pytest.raises(ConfigError, match="a link that leads out"):
        fetch(platform, f"file://{tmp_path}/exports", allowed_sources=f"file://{tmp_path}/exports")
    assert fetch(platform, f"file://{tmp_path}/exports", allowed_sources="*") == b"secret"
    (folder / "2013-01-01.csv").unlink()
    (folder / "2013-01-01.csv").write_text("its own")
    assert fetch(platform, "{source}", source_url=f"file://{tmp_path}/exports") == b"its own"


PENDING = Pending((1,), "webhook:x", 0, "flights", Alert("k", "page", "t", "b"), "2013-01-01", "2013-01-01")


def send(platform: Platform, receivers: str, **channel: Any) -> None:
    spec = Channel.model_validate({"kind": "webhook", **channel})
    channels.deliver(spec, PENDING, platform.settings(allowed_receivers=receivers, timeout=2.0), {})


def test_a_webhook_is_sent_where_it_is_allowed_alone(platform: Platform) -> None:
    with webhook(free_port()) as hook:
        with pytest.raises(ConfigError, match="to MLCYCLE_ALLOWED_RECEIVERS") as caught:
            send(platform, "", url=f"{hook.url}/t0ken")
        assert "t0ken" not in caught.value.message
        with pytest.raises(ConfigError, match="a user or password before the host"):
            send(platform, "*", url=hook.url.replace("//", "//a@"))
        assert hook.got == []
        send(platform, hook.url.removesuffix("/alerts"), url=f"{hook.url}?token=1")
        assert len(hook.got) == 1


def test_a_webhook_s_redirect_is_not_followed(platform: Platform, source: Server, inside: Server) -> None:
    source.leads = inside.url
    with pytest.raises(ConfigError, match="webhook answered 302, a redirect, and none is followed"):
        send(platform, "*", url=f"{source.url}/hook")
    assert (source.asked, inside.asked) == (["/hook"], [])


@pytest.mark.parametrize(
    ("host", "expected"),
    [
        pytest.param("mail.example:25", "adds smtp://mail.example to", id="not listed"),
        pytest.param("127.0.0.1:6379", "adds smtp://127.0.0.1:6379 to", id="another service"),
        pytest.param("mail.test@127.0.0.1:25", "a user or password", id="a user"),
        pytest.param("2130706433:25", "an IP address is written", id="a decimal address"),
        pytest.param("mail.test/x", "write it like host:25", id="a path"),
    ],
)
def test_mail_goes_to_listed_servers_alone(platform: Platform, host: str, expected: str) -> None:
    with pytest.raises(ConfigError, match=expected):
        send(platform, "smtp://mail.test", kind="email", to="ops@example.test", host=host)
