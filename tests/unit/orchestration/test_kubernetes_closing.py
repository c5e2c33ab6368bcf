"""Letting go of the Kubernetes API: nobody reads from a connection any more once it is closed."""

import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from mlcycle.orchestration.runners.kubernetes_api import Api
from mlcycle.orchestration.runners.kubernetes_follow import Follower

POD = {
    "metadata": {"name": "one", "annotations": {}},
    "status": {"phase": "Running", "containerStatuses": [{"name": "step", "state": {"running": {}}}]},
}


class Streaming(BaseHTTPRequestHandler):
    """Lists one pod; its watch and its lines go on for ever, without a word after the first."""

    def do_GET(self) -> None:
        self.send_response(200)
        self.end_headers()
        if "watch=1" in self.path:
            self.wfile.flush()
        elif "/log" in self.path:
            self.wfile.write(b"2013-01-01T00:00:00Z a line\n")
        else:
            self.wfile.write(json.dumps({"items": [POD], "metadata": {"resourceVersion": "1"}}).encode())
            return
        self.connection.recv(1)  # until the other side has hung up

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@pytest.fixture
def api(tmp_path: Path) -> Iterator[Api]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Streaming)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    config = {
        "current-context": "c",
        "contexts": [{"name": "c", "context": {"cluster": "k", "user": "u", "namespace": "n"}}],
        "clusters": [{"name": "k", "cluster": {"server": f"http://127.0.0.1:{server.server_address[1]}"}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
    }
    (tmp_path / "config").write_text(json.dumps(config))
    yield Api({"KUBECONFIG": str(tmp_path / "config")})
    server.shutdown()
    server.server_close()


def test_readers_that_wait_for_a_word_end_before_their_connections_are_closed(api: Api) -> None:
    follower = Follower(api, "work=x")
    for _ in range(100):
        follower.wait(0.2, 0)
        if follower.after(0)[0]:
            break
    assert follower.after(0)[0] == ["a line"]
    assert not follower.ended(0.2), "both streams are read"
    follower.close()
    assert not follower.ended(0.2), "nothing wakes who waits for a word"
    api.interrupt()
    assert follower.ended(60)
    api.close()


def test_a_stream_that_is_opened_after_that_is_at_its_end_at_once(api: Api) -> None:
    api.interrupt()
    assert [*api.watch("pods", 60)] == []
