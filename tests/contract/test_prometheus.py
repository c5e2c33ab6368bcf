"""The shipped rules, scrape configuration and Alertmanager configuration, by Prometheus's own tools."""

from tests import airflow_env  # noqa: F401, I001 - first of all

import json
import shutil
import subprocess
import threading
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conftest import ROOT, Platform, free_port
from tests.receivers import webhook

DEPLOY = ROOT / "deploy" / "prometheus"
TOKEN = "a-token-of-its-own"


def tool(name: str, package: str) -> str:
    """A program's path; the test says why it skips where there is none."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"no {name}: install it (Debian: apt install {package})")
    return found


def run(*command: str, folder: Path = DEPLOY) -> str:
    done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_rules_say_what_they_should() -> None:
    run(tool("promtool", "prometheus"), "test", "rules", "rules_test.yaml")


def test_every_rule_is_tested_and_tells_what_it_is_about() -> None:
    rules = yaml.safe_load((DEPLOY / "rules.yaml").read_text())["groups"][0]["rules"]
    tested = {
        case["alertname"]
        for test in yaml.safe_load((DEPLOY / "rules_test.yaml").read_text())["tests"]
        for case in test["alert_rule_test"]
        if "exp_alerts" in case
    }
    assert {rule["alert"] for rule in rules} == tested
    assert all(rule["labels"]["severity"] in ("page", "warn") and rule["for"] for rule in rules)


def test_the_configurations_are_what_the_tools_take(tmp_path: Path) -> None:
    shutil.copytree(DEPLOY, tmp_path / "p")
    (tmp_path / "p" / "metrics_token").write_text(TOKEN)
    run(tool("promtool", "prometheus"), "check", "config", "prometheus.yaml", folder=tmp_path / "p")
    amtool = tool("amtool", "prometheus-alertmanager")
    run(amtool, "check-config", "alertmanager.yaml")
    for severity, receiver in (("page", "pages"), ("warn", "warnings")):
        routed = run(
            amtool, "config", "routes", "test", "--config.file=alertmanager.yaml", f"severity={severity}"
        )
        assert routed.strip() == receiver


def test_a_real_prometheus_scrapes_the_exporter_and_its_page_reaches_a_receiver(
    platform: Platform, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An alert that is open for a day, seen by the shipped rules at a pace of tests: no ``for``, and each second."""
    prometheus = tool("prometheus", "prometheus")
    alertmanager = tool("prometheus-alertmanager", "prometheus-alertmanager")
    with platform.owner().transaction() as cursor:
        cursor.execute(
            """insert into ledger.alert
                   (project, key, severity, title, body, first_partition, last_partition, opened_at)
               values ('flights', 'k', 'page', 't', 'b', 'd', 'd', now() - interval '1 day')"""
        )
    monkeypatch.setenv("MLCYCLE_PROJECTS", str(ROOT / "projects"))
    monkeypatch.setenv("MLCYCLE_METRICS_TOKEN", TOKEN)
    monkeypatch.setenv("MLCYCLE_DSN_SERVE", platform.settings("serve").warehouse_dsn.get_secret_value())
    with ExitStack() as running:
        receiver = running.enter_context(webhook(free_port()))
        exporter = running.enter_context(console())
        manager, watcher, cluster = free_port(), free_port(), "--cluster.listen-address="
        configure(tmp_path, exporter, manager, receiver.url)
        running.enter_context(
            started(
                alertmanager, f"--config.file={tmp_path}/alertmanager.yaml", f"--storage.path={tmp_path}/am",
                f"--web.listen-address=127.0.0.1:{manager}", cluster,
            )
        )  # fmt: skip
        running.enter_context(
            started(
                prometheus, f"--config.file={tmp_path}/prometheus.yaml", f"--storage.tsdb.path={tmp_path}/tsdb",
                f"--web.listen-address=127.0.0.1:{watcher}",
            )
        )  # fmt: skip

        def asked(path: str) -> Any:
            with urllib.request.urlopen(f"http://127.0.0.1:{watcher}/api/v1/{path}", timeout=5) as answer:
                return json.load(answer)["data"]

        (target,) = wait_for(lambda: [t for t in asked("targets")["activeTargets"] if t["health"] == "up"])
        assert target["lastError"] == ""
        firing = wait_for(lambda: [a for a in asked("alerts")["alerts"] if a["state"] == "firing"])
        assert [alert["labels"]["alertname"] for alert in firing] == ["MlcyclePageOld"]
        (_, told) = wait_for(lambda: receiver.got)[0]
        assert told["groupLabels"] == {"alertname": "MlcyclePageOld", "project": "flights"}
        assert told["receiver"] == "pages"


@contextmanager
def console() -> Iterator[int]:
    """The console's application behind a real HTTP server, as in Airflow's; its port."""
    import uvicorn
    from starlette.applications import Starlette
    from starlette.routing import Mount

    from mlcycle.console.app import app

    port = free_port()
    config = uvicorn.Config(
        Starlette(routes=[Mount("/mlcycle", app)]), host="127.0.0.1", port=port, log_level="error"
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    try:
        yield port
    finally:
        server.should_exit = True
        thread.join(10)


def configure(folder: Path, exporter: int, manager: int, receiver: str) -> None:
    """The shipped files with the ports of the test, and its patience."""
    rules = yaml.safe_load((DEPLOY / "rules.yaml").read_text())
    for rule in rules["groups"][0]["rules"]:
        if rule["alert"] == "MlcyclePageOld":
            rule.pop("for")
    (folder / "rules.yaml").write_text(yaml.safe_dump(rules))
    config = yaml.safe_load((DEPLOY / "prometheus.yaml").read_text())
    config["global"] = dict.fromkeys(config["global"], "1s")
    config["scrape_configs"][0]["static_configs"] = [{"targets": [f"127.0.0.1:{exporter}"]}]
    config["alerting"]["alertmanagers"][0]["static_configs"] = [{"targets": [f"127.0.0.1:{manager}"]}]
    (folder / "prometheus.yaml").write_text(yaml.safe_dump(config))
    (folder / "metrics_token").write_text(TOKEN)
    routes = yaml.safe_load((DEPLOY / "alertmanager.yaml").read_text())
    routes["route"]["group_wait"] = "0s"
    for receiving in routes["receivers"]:
        receiving["webhook_configs"] = [{"url": receiver}]
    (folder / "alertmanager.yaml").write_text(yaml.safe_dump(routes))


@contextmanager
def started(*command: str) -> Iterator[None]:
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
        try:
            yield
        finally:
            process.terminate()
            process.wait(20)


def wait_for(condition: Callable[[], Any], seconds: float = 90) -> Any:
    """What the condition gives once it gives something; a server that is not up yet gives nothing."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            if found := condition():
                return found
        except OSError:
            pass
        assert time.monotonic() < deadline
        time.sleep(0.2)
