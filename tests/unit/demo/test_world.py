"""The demo's world: what it hands out, and the faults it plants."""

import csv
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import get_args

import httpx
import pytest

from mlcycle.demo import world_data
from mlcycle.demo.world import World
from mlcycle.demo.world_faults import Fault, Kind, plant
from mlcycle.project.file import load
from tests.conftest import ROOT, free_port

DAY = "2013-06-01"


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    with World(0, tmp_path) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server
        server.shutdown()


def base(world: World) -> str:
    return f"http://127.0.0.1:{world.server_port}"


@pytest.mark.parametrize("name", ["flights", "weather"])
def test_every_delivery_has_the_columns_its_project_declares(name: str) -> None:
    project = load(ROOT / "projects" / name / "project.yaml")
    for table, declared in project.source.tables.items():
        key = world_data.partitions(name, table)[40]
        data = world_data.day_file(name, table, key)
        assert data is not None
        rows = list(csv.DictReader(data.decode().splitlines()))
        assert list(rows[0]) == list(declared.columns)
        assert all(row[declared.event_time].startswith(key) for row in rows)
        assert not any("NA" in row.values() for row in rows)
        assert len(
            {tuple(row[column] for column in [*declared.key, declared.event_time]) for row in rows}
        ) == len(rows)


def test_all_flights_are_delivered_once() -> None:
    keys = world_data.partitions("flights", "flights")
    assert (keys[0], keys[-1]) == ("2013-01-01", "2014-01-01")
    count = sum((world_data.day_file("flights", "flights", key) or b"").count(b"\n") - 1 for key in keys)
    assert count == 336_776


def test_deliveries_over_http(world: World) -> None:
    with httpx.Client(base_url=base(world)) as client:
        assert client.get("/health").text == "ok\n"
        assert client.get(f"/flights/arrivals/{DAY}.csv").content == world_data.day_file(
            "flights", "arrivals", DAY
        )
        for path in ("2012-01-01.csv", "../../etc/passwd", "2013-06-01.txt"):
            assert client.get(f"/flights/flights/{path}").status_code == 404
        assert client.get(f"/nobody/flights/{DAY}.csv").status_code == 404


def test_faults_are_planted_shown_and_kept(world: World, tmp_path: Path) -> None:
    fault = {"project": "flights", "table": "weather", "partition": DAY, "kind": "drifted_sensor"}
    fault |= {"column": "temp", "offset": 20}
    with httpx.Client(base_url=base(world)) as client:
        assert client.put("/faults", json=[fault]).json() == {"planted": 1}
        assert client.get("/faults").json()[0]["offset"] == 20
        later = client.get("/flights/weather/2013-07-01.csv").content
        assert later != world_data.day_file("flights", "weather", "2013-07-01"), "it stays drifted"
        before = client.get("/flights/weather/2013-05-31.csv").content
        assert before == world_data.day_file("flights", "weather", "2013-05-31")
    with World(0, tmp_path) as again:
        assert [f.kind for f in again.faults] == ["drifted_sensor"]


@pytest.mark.parametrize(
    "body",
    [
        b"{",
        b"[1]",
        b'[{"project":"flights"}]',
        b"x" * 2_000_000,
        json.dumps([{"project": "flights", "table": "nothing", "partition": DAY, "kind": "empty"}]).encode(),
    ],
    ids=["no-json", "no-fault", "half-a-fault", "too-long", "no-such-table"],
)
def test_faults_that_are_none_are_refused(world: World, body: bytes) -> None:
    assert httpx.put(f"{base(world)}/faults", content=body).status_code == 400
    assert world.faults == []


@pytest.mark.parametrize("kind", [kind for kind in get_args(Kind) if kind not in ("missing", "unavailable")])
def test_each_fault_changes_the_delivery_and_always_in_the_same_way(kind: str) -> None:
    data = world_data.day_file("flights", "weather", DAY)
    assert data is not None
    fault = Fault.model_validate(
        {
            "project": "flights",
            "table": "weather",
            "partition": DAY,
            "kind": kind,
            "column": "temp",
            "share": 0.5,
            "factor": 2,
        }
    )
    assert plant(fault, data) != data
    assert plant(fault, data) == plant(fault, data)


def test_it_listens_within_half_a_second_on_loopback_alone(tmp_path: Path) -> None:
    port, clock = free_port(), time.monotonic()
    process = subprocess.Popen(
        [sys.executable, "-m", "mlcycle.demo.world", "--port", str(port), "--state", str(tmp_path)],
        stdout=subprocess.DEVNULL,
    )
    try:
        while True:
            try:
                assert httpx.get(f"http://127.0.0.1:{port}/health", timeout=1).status_code == 200
                break
            except httpx.TransportError:
                assert time.monotonic() - clock < 60
                time.sleep(0.01)
        listening = Path(f"/proc/{process.pid}/net/tcp").read_text()
        assert f"0100007F:{port:04X}" in listening
        assert f"00000000:{port:04X}" not in listening
    finally:
        process.terminate()
        process.wait(10)
