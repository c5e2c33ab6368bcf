"""The chart installed for real: its images, its release, and who looks at it from outside."""

import base64
import json
import os
import re
import secrets
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import quote

import yaml

from mlcycle.airflow_api import AirflowApi
from mlcycle.demo.world_data import day_file
from tests.conftest import ROOT, free_port
from tests.containers.building import build, named
from tests.kubernetes.chart import CHART, helm
from tests.kubernetes.cluster import kubectl, load, until

PROJECT = "weather"
IMAGES = (
    "mlcycle-airflow",
    "mlcycle-mlflow",
    "mlcycle-evidently",
    "mlcycle-demo",
    "mlcycle-step:slim",
    "mlcycle-step:cpu",
)
PUBLIC = ("postgres:17", "nginx:1.27-alpine", "motoserver/moto:5")


def load_images(folder: Path) -> None:
    """Bring the images to the nodes; Airflow's twice, with a project that trains on a GPU: ``:one`` and ``:two``.

    ``MLCYCLE_TEST_CHART_IMAGES=there`` takes those that the nodes have.
    """
    if os.environ.get("MLCYCLE_TEST_CHART_IMAGES") == "there":
        return
    load()  # or skip, before anything is built
    build(*IMAGES)
    home = folder / "projects" / PROJECT
    shutil.copytree(ROOT / "projects" / PROJECT, home)
    project = yaml.safe_load((home / "project.yaml").read_text())
    project["candidates"] = {
        "hour_table": project["candidates"]["hour_table"],
        "boosting": {**project["candidates"]["boosting"], "resources": {"gpu": 1}},
    }
    project["gate"]["confidence"] = 0.6  # three weeks do not prove much, and are not what is tried here
    (home / "project.yaml").write_text(yaml.safe_dump(project, sort_keys=False))
    (folder / "Dockerfile").write_text(
        f"FROM {named('mlcycle-airflow:latest')}\nCOPY projects /opt/airflow/projects\nARG OTHER\nLABEL other=$OTHER\n"
    )
    for tag in ("one", "two"):
        command = [
            "docker",
            "build",
            "-q",
            "--build-arg",
            f"OTHER={tag}",
            "-t",
            named(f"mlcycle-airflow:{tag}"),
        ]
        subprocess.run([*command, str(folder)], check=True, capture_output=True)
    own = [named(image if ":" in image else f"{image}:latest") for image in IMAGES[1:]]
    airflow = [named(f"mlcycle-airflow:{tag}") for tag in ("one", "two")]
    load(*PUBLIC, *own, *airflow)


class Source(ThreadingHTTPServer):
    """The weather's hours, on an address that pods reach; it can be told to let those who ask wait."""

    daemon_threads = True

    def __init__(self, address: str) -> None:
        self.may_answer = threading.Event()
        self.may_answer.set()
        self.asked: list[str] = []
        super().__init__((address, 0), _Handler)
        self.url = f"http://{address}:{self.server_address[1]}"
        threading.Thread(target=self.serve_forever, daemon=True).start()


class _Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        assert isinstance(self.server, Source)
        project, table, name = self.path.strip("/").split("/")
        self.server.asked.append(name)
        data = day_file(project, table, name.removesuffix(".csv"))
        self.send_response(200 if data else 404)
        for _ in range(60):  # a sign of life every 5 s, or who asks gives up after half a minute
            if self.server.may_answer.wait(5):
                break
            self.send_header("X-Waiting", "yes")
            self.flush_headers()
        self.send_header("Content-Length", str(len(data or b"")))
        self.end_headers()
        self.wfile.write(data or b"")

    def log_message(self, format: str, *args: object) -> None:
        """Say nothing."""


@dataclass
class Release:
    """The chart in namespaces of this run alone."""

    folder: Path
    source: Source
    namespace: str = field(default_factory=lambda: f"mlcycle-chart-{secrets.token_hex(3)}")
    seen: dict[str, dict[str, Any]] = field(default_factory=dict)  # every pod of a step, by uid

    @property
    def steps(self) -> str:
        """The steps' namespace."""
        return f"{self.namespace}-steps"

    def values(self, tag: str, **more: Any) -> Path:
        """A trial's values, as this cluster needs them."""
        registry = os.environ.get("REGISTRY", "").rstrip("/")
        given = {
            "images": {"registry": registry, "airflow": {"tag": tag}},
            "steps": {"namespace": self.steps, "checkpoints": {"enabled": True, "size": "1Gi"}},
            "settings": {"sourceUrl": self.source.url},
            "database": {"statefulset": {"user": int(os.environ.get("MLCYCLE_TEST_POSTGRES_USER", "999"))}},
            **more,
        }
        file = self.folder / f"values-{secrets.token_hex(3)}.yaml"
        file.write_text(yaml.safe_dump(given))
        return file

    def install(self, tag: str, chart: Path = CHART, **more: Any) -> None:
        """Install or upgrade it, and wait until all is there."""
        options = ("--namespace", self.namespace, "--create-namespace", "--wait", "--timeout", "10m")
        files = ("--values", str(chart / "values-trial.yaml"), "--values", str(self.values(tag, **more)))
        done = helm("upgrade", "--install", "mlcycle", str(chart), *options, *files, check=False)
        assert done.returncode == 0, f"{done.stderr[-1500:]}\n{self.kubectl('get', 'pods')}"

    def kubectl(self, *arguments: str, check: bool = True) -> str:
        """In the platform's namespace."""
        return kubectl("-n", self.namespace, *arguments, check=check)

    def secret(self, key: str) -> str:
        """A value of the platform's Secret."""
        data = json.loads(self.kubectl("get", "secret", "mlcycle", "-o", "json"))["data"]
        return base64.b64decode(data[key]).decode()

    def sql(self, query: str) -> list[list[str]]:
        """What the warehouse answers."""
        psql = ("psql", "-h", "/var/run/postgresql", "-U", "postgres", "-d", "mlcycle", "-Atc", query)
        answer = self.kubectl("exec", "mlcycle-postgres-0", "--", *psql)
        return [line.split("|") for line in answer.splitlines()]

    @contextmanager
    def api(self) -> Iterator[AirflowApi]:
        """Airflow, as its administrator reaches it by a port-forward."""
        port = free_port()
        command = [
            "kubectl",
            "-n",
            self.namespace,
            "port-forward",
            "service/mlcycle-api-server",
            f"{port}:8080",
        ]
        with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as forward:
            try:
                until(lambda: _listens(port), 30, "for the port-forward")
                with AirflowApi(
                    f"http://127.0.0.1:{port}", "admin", self.secret("password-airflow-admin")
                ) as api:
                    yield api
            finally:
                forward.terminate()

    def watch(self) -> threading.Event:
        """Note every pod of a step from now on; set what comes back to stop."""
        stop = threading.Event()

        def look() -> None:
            while not stop.is_set():
                with suppress(AssertionError, ValueError):
                    for pod in json.loads(kubectl("-n", self.steps, "get", "pods", "-o", "json"))["items"]:
                        self.seen[pod["metadata"]["uid"]] = pod
                time.sleep(0.5)

        threading.Thread(target=look, daemon=True).start()
        return stop

    def follow(self, api: AirflowApi, stage: str, partition: str, since: str, seconds: float = 600) -> None:
        """Wait for the end of the run that an asset started."""
        run = api.wait_for_run(f"{PROJECT}_{stage}", partition, since=since, seconds=seconds)
        state = api.wait(f"{PROJECT}_{stage}", run, seconds=seconds)
        assert state == "success", self.told(api, f"{PROJECT}_{stage}", run)

    def run(self, api: AirflowApi, stage: str, partition: str, conf: dict[str, Any] | None = None) -> str:
        """Start a run and wait for its end; when it was queued."""
        dag = f"{PROJECT}_{stage}"
        run = api.trigger(dag, partition=partition, conf=conf or {})
        state = api.wait(dag, run, seconds=600)
        assert state == "success", self.told(api, f"{PROJECT}_{stage}", run)
        return str(api.run(dag, run)["queued_at"])

    def told(self, api: AirflowApi, dag: str, run: str) -> str:
        """What the failed tasks of a run said."""
        lines = [f"{dag} of {run}"]
        for task in api.tasks(dag, run):
            if task["state"] == "failed":
                path = (
                    f"/api/v2/dags/{dag}/dagRuns/{quote(run, safe='')}/taskInstances/{task['task_id']}/logs"
                )
                found = json.dumps(api._request("GET", f"{path}/{task['try_number']}"))
                lines += re.findall(r'"exc_value": "([^"]+)"', found) or [found[-1500:]]
        return "\n".join(lines)

    def remove(self) -> None:
        """All of it."""
        helm("uninstall", "mlcycle", "--namespace", self.namespace, check=False)
        kubectl("delete", "namespace", self.namespace, self.steps, "--wait=false", check=False)


def _listens(port: int) -> bool:
    with suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False
