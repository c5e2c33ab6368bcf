"""The chart's life on a cluster, in the order of a release's: installed, in use, struck, upgraded, rolled back, gone."""

import json
import re
import shutil
import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from tests.kubernetes.chart import CHART, helm
from tests.kubernetes.cluster import apply, kubectl, nodes, until
from tests.kubernetes.installed import PROJECT, Release, Source, load_images
from tests.kubernetes.volumes import HOST, opener

FIRST, LAST, NEXT = "2013-01-01T06", "2013-01-20T23", "2013-01-21T00"
BUSY = [f"2013-01-22T{hour:02}" for hour in range(8)]


@pytest.fixture(scope="module")
def before(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The chart before this one."""
    chart = tmp_path_factory.mktemp("before") / "mlcycle"
    shutil.copytree(CHART, chart)
    text = (chart / "Chart.yaml").read_text()
    (chart / "Chart.yaml").write_text(re.sub(r"^version: .*$", "version: 0.0.9", text, flags=re.M))
    return chart


@pytest.fixture(scope="module")
def release(address: str, before: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Release]:
    """A trial, fresh, by the chart before this one."""
    folder = tmp_path_factory.mktemp("release")
    load_images(folder)
    source = Source(address)
    found = Release(folder, source)
    kubectl("create", "namespace", found.namespace)
    apply(opener(found.namespace, "postgres:17"))
    began = time.monotonic()
    stop = found.watch()
    try:
        found.install("one", before)
        print(f"ready {time.monotonic() - began:.0f} s after helm install")
        yield found
    finally:
        stop.set()
        source.shutdown()
        found.remove()


def _steps(release: Release) -> list[tuple[str, dict[str, Any]]]:
    return [(pod["metadata"]["labels"]["mlcycle.dev/step"], pod) for pod in release.seen.values()]


def test_helm_test_runs_one_cycle(release: Release) -> None:
    began = time.monotonic()
    done = helm(
        "test", "mlcycle", "--namespace", release.namespace, "--logs", "--timeout", "10m", check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "MLflow: behind its password" in done.stdout
    assert f"{PROJECT}_ingest: success" in done.stdout
    print(f"helm test took {time.monotonic() - began:.0f} s")


def test_the_loop_runs_with_every_step_a_pod_and_training_on_the_gpu_node(release: Release) -> None:
    if not nodes("nvidia.com/gpu.present=true"):
        pytest.skip("no node with GPUs")
    began = time.monotonic()
    with release.api() as api:
        since = release.run(api, "ingest", LAST, {"first": FIRST})
        release.follow(api, "features", LAST, since)
        since = release.run(api, "retrain", LAST, {"reason": "the first model"})
        release.follow(api, "train", LAST, since)
        release.follow(api, "promote", LAST, since)
        since = release.run(api, "ingest", NEXT)
        for stage in ("features", "score", "monitor"):
            release.follow(api, stage, NEXT, since)
    print(f"the loop took {time.monotonic() - began:.0f} s")
    assert release.sql("select count(*) from ledger.champion")[0][0] == "1"
    assert int(release.sql(f"select count(*) from serving.prediction where partition = '{NEXT}'")[0][0]) > 0
    ran = {step for step, _ in _steps(release)}
    assert {
        "extract",
        "validate",
        "publish",
        "features",
        "dataset",
        "train",
        "promote",
        "score",
        "monitor",
    } <= ran
    gpu_nodes = {node["metadata"]["name"] for node in nodes("nvidia.com/gpu.present=true")}
    on_gpus = []
    for step, pod in _steps(release):
        limits = pod["spec"]["containers"][0]["resources"]["limits"]
        gpus = limits.get("nvidia.com/gpu")
        if pod["spec"].get("nodeName"):
            assert (pod["spec"]["nodeName"] in gpu_nodes) is bool(gpus), (
                step,
                pod["spec"]["nodeName"],
                limits,
            )
        if gpus:
            on_gpus.append((step, gpus, pod["spec"].get("nodeName")))
    placed = sorted((step, gpus) for step, gpus, node in on_gpus if node)
    assert placed == [("refit", "1"), ("train", "1")], on_gpus  # what passed is trained again on all rows


def test_a_training_keeps_its_checkpoints_on_the_volume_of_its_own(release: Release) -> None:
    for step, pod in _steps(release):
        claimed = [
            one["persistentVolumeClaim"] for one in pod["spec"]["volumes"] if "persistentVolumeClaim" in one
        ]
        trains = step in ("train", "refit")
        assert claimed == ([{"claimName": "mlcycle-checkpoints"}] if trains else []), step
    volume = kubectl(
        "-n", release.steps, "get", "pvc", "mlcycle-checkpoints", "-o", "jsonpath={.spec.volumeName}"
    )
    where = json.loads(kubectl("get", "pv", volume, "-o", "json"))["spec"].get("hostPath", {}).get("path", "")
    if not where.startswith(HOST):
        pytest.skip("the volume is not on a path of a node that this test can look at")
    (opened, *_) = release.kubectl("get", "pods", "-l", "app=open-volumes", "-o", "name").split()
    assert release.kubectl("exec", opened, "--", "ls", where).split() == ["checkpoints-50000"]


def test_a_tasks_lines_are_read_where_the_scheduler_keeps_them(release: Release) -> None:
    with release.api() as api:
        (run, *_) = [one for one in api.runs(f"{PROJECT}_score") if one["state"] == "success"]
        path = f"/api/v2/dags/{PROJECT}_score/dagRuns/{run['dag_run_id']}/taskInstances/score/logs/1"
        answer = json.dumps(api._request("GET", path))
    assert "score: ok" in answer, answer[-1500:]


def test_the_schedulers_death_loses_and_doubles_nothing(release: Release) -> None:
    release.source.may_answer.clear()
    release.source.asked.clear()
    with release.api() as api:
        runs = [api.trigger(f"{PROJECT}_ingest", partition=hour) for hour in BUSY]
        until(lambda: len(set(release.source.asked)) >= 4, 240, "for steps amid their work")
        amid = {
            pod["metadata"]["uid"]
            for pod in json.loads(kubectl("-n", release.steps, "get", "pods", "-o", "json"))["items"]
            if pod["status"]["phase"] == "Running"
        }
        died = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
        release.kubectl("delete", "pod", "mlcycle-scheduler-0", "--grace-period=0", "--force")
        release.source.may_answer.set()
        for run in runs:
            assert api.wait(f"{PROJECT}_ingest", run, seconds=600) == "success"
    published = release.sql(
        f"select partition, count(*) from ledger.batch where partition in ({','.join(repr(h) for h in BUSY)}) group by 1"
    )
    assert sorted(published) == [[hour, "1"] for hour in BUSY]
    again = "select work from ledger.attempt where work like '%_ingest/%' group by 1 having count(*) > 1"
    assert not release.sql(again), "a step was tried again"
    adopted = {release.seen[uid]["metadata"]["labels"]["mlcycle.dev/work"] for uid in amid}
    assert len(adopted) >= 4
    anew = [
        pod
        for _, pod in _steps(release)
        if pod["metadata"]["creationTimestamp"] > died
        and pod["metadata"]["labels"]["mlcycle.dev/work"] in adopted
    ]
    assert not anew, "a step that ran was started again"


def test_no_secret_is_where_others_read(release: Release) -> None:
    planted = set()
    for namespace in (release.namespace, release.steps):
        for one in json.loads(kubectl("-n", namespace, "get", "secrets", "-o", "json"))["items"]:
            if one["type"].startswith("helm.sh/"):
                continue  # Helm's own records hold what it made, as Secrets do
            planted |= {str(value) for value in _decoded(one)}
    passwords = {found for text in planted for found in re.findall(r"://[^:/@]+:([^@]+)@", text)}
    planted = {text for text in planted | passwords if len(text) > 12}
    assert len(planted) > 25
    places = {"pods of steps": json.dumps(list(release.seen.values()))}
    for namespace in (release.namespace, release.steps):
        for kind in (
            "pods",
            "events",
            "configmaps",
            "deployments",
            "statefulsets",
            "jobs",
            "cronjobs",
            "services",
        ):
            places[f"{kind} of {namespace}"] = kubectl("-n", namespace, "get", kind, "-o", "json")
    argv = "import pathlib; print([p.read_bytes() for p in pathlib.Path('/proc').glob('[0-9]*/cmdline')])"
    tasks = "import pathlib; print([p.read_text(errors='replace') for p in pathlib.Path('/opt/airflow/logs').rglob('*.log')])"
    for pod in json.loads(
        release.kubectl("get", "pods", "-l", "app.kubernetes.io/name=mlcycle", "-o", "json")
    )["items"]:
        name = pod["metadata"]["name"]
        places[f"log of {name}"] = release.kubectl("logs", name, "--all-containers", check=False)
        if "-scheduler-" in name:
            places["logs of tasks"] = release.kubectl("exec", name, "--", "python", "-c", tasks)
            assert "score: ok" in places["logs of tasks"]
        if pod["metadata"]["labels"]["app.kubernetes.io/component"] in (
            "api-server",
            "scheduler",
            "mlflow",
            "evidently",
        ):
            places[f"argv of {name}"] = release.kubectl("exec", name, "--", "python", "-c", argv)
    told = [
        (place, secret[:4])
        for place, text in places.items()
        for secret in planted
        if json.dumps(secret)[1:-1] in text
    ]
    assert not told


def _decoded(secret: dict[str, Any]) -> list[str]:
    import base64

    return [base64.b64decode(value).decode() for value in (secret.get("data") or {}).values()]


def _pod(release: Release, part: str) -> list[str]:
    selector = f"app.kubernetes.io/component={part}"
    pods = json.loads(release.kubectl("get", "pods", "-l", selector, "-o", "json"))["items"]
    return [pod["metadata"]["uid"] for pod in pods]


def test_an_upgrade_and_a_rollback_keep_data_secrets_and_running_steps(release: Release) -> None:
    held = release.sql("select count(*) from ledger.batch")[0][0]
    secret = release.kubectl("get", "secret", "mlcycle", "-o", "jsonpath={.data}")
    kept = {part: _pod(release, part) for part in ("postgres", "store")}
    release.source.may_answer.clear()
    release.source.asked.clear()
    with release.api() as api:
        run = api.trigger(f"{PROJECT}_ingest", partition="2013-01-23T00")
        until(lambda: release.source.asked, 120, "for a step amid its work")
    release.install("two")
    versions = json.loads(helm("history", "mlcycle", "-n", release.namespace, "-o", "json").stdout)
    assert [one["chart"] for one in versions] == ["mlcycle-0.0.9", "mlcycle-0.1.0"]
    assert {part: _pod(release, part) for part in kept} == kept, "what has not changed was started again"
    pod = json.loads(release.kubectl("get", "pod", "mlcycle-scheduler-0", "-o", "json"))
    assert pod["spec"]["containers"][0]["image"].endswith("mlcycle-airflow:two")
    release.source.may_answer.set()
    with release.api() as api:
        assert api.wait(f"{PROJECT}_ingest", run, seconds=300) == "success"
    assert release.kubectl("get", "secret", "mlcycle", "-o", "jsonpath={.data}") == secret
    assert int(release.sql("select count(*) from ledger.batch")[0][0]) == int(held) + 1

    helm("rollback", "mlcycle", "1", "--namespace", release.namespace, "--wait", "--timeout", "10m")
    pod = json.loads(release.kubectl("get", "pod", "mlcycle-scheduler-0", "-o", "json"))
    assert pod["spec"]["containers"][0]["image"].endswith("mlcycle-airflow:one")
    assert release.kubectl("get", "secret", "mlcycle", "-o", "jsonpath={.data}") == secret
    with release.api() as api:
        release.run(api, "ingest", "2013-01-23T01")


def test_what_is_uninstalled_leaves_volumes_and_secrets_and_comes_back_with_its_data(
    release: Release,
) -> None:
    held = release.sql("select count(*) from ledger.batch")[0][0]
    release.kubectl(
        "delete", "pod", "mlcycle-test", "--ignore-not-found"
    )  # of `helm test`, which Helm leaves
    helm("uninstall", "mlcycle", "--namespace", release.namespace, "--wait", "--timeout", "5m")
    until(
        lambda: (
            not json.loads(
                release.kubectl("get", "pods", "-l", "app.kubernetes.io/name=mlcycle", "-o", "json")
            )["items"]
        ),
        120,
    )
    left = {}
    for namespace in (release.namespace, release.steps):
        kinds = kubectl("api-resources", "--namespaced", "--verbs=list", "-o", "name").split()
        kinds = [
            kind
            for kind in kinds
            if not kind.startswith(("events", "endpoints", "pods.metrics", "controllerrev"))
        ]
        listing = json.loads(kubectl("-n", namespace, "get", ",".join(kinds), "-o", "json"))["items"]
        left[namespace] = sorted(
            f"{one['kind']}/{one['metadata']['name']}"
            for one in listing
            if one["metadata"]["name"] not in ("default", "kube-root-ca.crt")
            and not one["metadata"]["name"].startswith("open-volumes")
            and "mlcycle.dev/work" not in one["metadata"].get("labels", {})  # a step that runs goes on
        )
    assert left == {
        release.namespace: [
            "PersistentVolumeClaim/data-mlcycle-postgres-0",
            "PersistentVolumeClaim/logs-mlcycle-scheduler-0",
            "Secret/mlcycle",
        ],
        release.steps: [
            "PersistentVolumeClaim/mlcycle-checkpoints",
            *(f"Secret/mlcycle-steps-{role}" for role in ("ingest", "promote", "train")),
        ],
    }
    release.install("two")
    assert release.sql("select count(*) from ledger.batch")[0][0] == held
    with release.api() as api:
        release.run(api, "ingest", "2013-01-23T02")
