"""What a step's process really holds of the secrets that its starter has: read while it runs."""

import os
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from mlcycle.contract import Handover, Result
from mlcycle.orchestration.placement import place
from mlcycle.orchestration.runners.base import run_to_end
from mlcycle.orchestration.runners.process import ProcessRunner
from mlcycle.project import Project
from tests.conftest import Platform
from tests.raw_data import FLIGHTS, request

ALERT = {"key": "k", "severity": "page", "title": "t", "body": "b", "link": ""}
STARTER = {
    "MLCYCLE_SECRET_FLIGHTS__HOOK": "planted-own",
    "MLCYCLE_SECRET_FLIGHTS__OTHER": "planted-unnamed",
    "MLCYCLE_SECRET_FLIGHTS_TOO__HOOK": "planted-neighbours",
    "MLCYCLE_SECRET_HOOK": "planted-old",
}


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    """A receiver that takes a connection and says nothing: the step waits for it."""
    with socket.create_server(("127.0.0.1", 0)) as listening:
        listening.settimeout(30)
        yield listening


def test_the_alert_step_holds_the_secret_it_names_and_no_other(
    platform: Platform, silent: socket.socket, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = platform.settings(timeout=20).as_env()
    settings["MLCYCLE_DSN_TRAIN"] = settings.pop("MLCYCLE_WAREHOUSE_DSN")
    for name, value in {**settings, **STARTER}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv("MLCYCLE_STEP_SOCKET", raising=False)
    channel = {"kind": "webhook", "url": f"http://127.0.0.1:{silent.getsockname()[1]}/x", "secret": "HOOK"}
    project = Project.model_validate({**FLIGHTS.document(), "alerts": {"channels": [channel]}})
    asked = request(
        "alert", project, "2013-03-01", inputs={"monitor": [Handover(values={"alerts": [ALERT]})]}
    )
    results: list[Result] = []
    lines: list[str] = []
    runner = ProcessRunner(os.environ)
    where = place(os.environ, project, "alert")
    thread = threading.Thread(
        target=lambda: results.append(run_to_end(runner, asked, where, role="train", log=lines.append)),
        daemon=True,
    )
    thread.start()
    taken, _ = silent.accept()
    with taken:
        sent = taken.recv(65536).decode()
        (pid,) = runner._running
        held = Path(f"/proc/{pid}/environ").read_bytes().decode()
        argv = Path(f"/proc/{pid}/cmdline").read_bytes().decode()
    thread.join(30)
    assert "Bearer planted-own" in sent
    assert "MLCYCLE_SECRET_FLIGHTS__HOOK=planted-own" in held
    others = [value for value in STARTER.values() if value != "planted-own"]
    assert not [value for value in others if value in held]
    told = results[0].model_dump_json() + "\n".join(lines) + argv
    assert "planted" not in told
    assert os.environ["MLCYCLE_SECRET_HOOK"] == "planted-old"  # the starter's own stays
