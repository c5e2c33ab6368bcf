"""What the chart renders: refused where it is wrong, taken by the API server where it is right, and silent on secrets."""

import json
import secrets
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from mlcycle.orchestration.placement import project_images
from tests.kubernetes.chart import (
    CHART,
    OPERATORS,
    containers,
    helm,
    pod_specs,
    secret_values,
    template,
    version,
    write,
)
from tests.kubernetes.cluster import apply, kubectl

GIVEN = {"database": {"host": "db.example"}, "store": {"url": "s3://bucket/mlcycle"}}
HOSTS = {name: f"{name}.example" for name in ("airflow", "mlflow", "evidently")}
#: Everything that can be switched on.
ALL: dict[str, Any] = {
    **GIVEN,
    "secrets": {"mode": "generated"},
    "airflow": {
        "apiServer": {"replicas": 2, "autoscaling": {"enabled": True}},
        "config": {"AIRFLOW__CORE__X": "1"},
    },
    "mlflow": {"autoscaling": {"enabled": True}},
    "ingress": {"enabled": True, "className": "nginx", "hosts": HOSTS, "annotations": {"a/b": "c"}},
    "dags": {
        "gitSync": {"enabled": True, "repo": "https://git.example/x", "auth": "password", "secret": "git"}
    },
    "scheduling": {"nodeSelector": {"pool": "cpu"}, "tolerations": [{"operator": "Exists"}]},
    "images": {"pullSecrets": ["registry"], "registry": "registry.example/team", "tag": "1.2.3"},
    "networkPolicy": {"ingress": [{"namespaceSelector": {}}]},
    "settings": {"keep": {"REPORTS": "30 days"}, "allowedSources": "https://a.example"},
    "steps": {
        "images": {"train": "registry.example/team/mlcycle-step:1.2.3-cuda"},
        "projectImages": {"bike": "r.example/step:bike", "shops": "r.example/step:shops"},
        "checkpoints": {"enabled": True, "storageClass": "shared"},
    },
    "demo": {"enabled": True},
}
OPERATED: dict[str, Any] = {
    "store": GIVEN["store"],
    "database": {"mode": "cnpg", "cnpg": {"storageClass": "fast"}},
    "metrics": {"enabled": True, "serviceMonitor": {"enabled": True}, "rules": {"enabled": True}},
    "secrets": {
        "mode": "externalSecret",
        "externalSecret": {"store": "vault"},
        "projects": {"flights": ["HOOK"]},
    },
}
APIS = ("postgresql.cnpg.io/v1", "external-secrets.io/v1", "monitoring.coreos.com/v1")
PROFILES = sorted(path.stem.removeprefix("values-") for path in CHART.glob("values-*.yaml"))


@pytest.fixture(params=[*PROFILES, "all", "operated"])
def profile(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, list[str]]:
    """A profile, and helm's arguments for it."""
    name = request.param
    values = {"all": ALL, "operated": OPERATED}.get(name, GIVEN)
    arguments = ["--values", str(write(tmp_path, {} if name == "trial" else values))]
    if name == "operated":
        arguments += [word for api in APIS for word in ("--api-versions", api)]
    file = CHART / f"values-{name}.yaml"
    return str(file if file.exists() else CHART / "values.yaml"), arguments


@pytest.fixture(scope="module")
def rooms() -> Iterator[tuple[str, str]]:
    """Two namespaces that take nothing but restricted pods, as the chart wants them: the platform's, the steps'."""
    mark = secrets.token_hex(3)
    names = (f"mlcycle-render-{mark}", f"mlcycle-render-{mark}-steps")
    labels = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn")}
    for name in names:
        apply({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}})
    yield names
    kubectl("delete", "namespace", *names, "--wait=false")


def test_lint_finds_nothing(profile: tuple[str, list[str]]) -> None:
    values, arguments = profile
    told = [word for word in arguments if word not in ("--api-versions", *APIS)]
    if "operated" in values or len(told) != len(arguments):
        pytest.skip("helm lint knows no operator's API, and the chart refuses to be without")
    helm("lint", "--strict", "--kube-version", version(), str(CHART), "--values", values, *told)


def test_the_api_server_takes_every_manifest(profile: tuple[str, list[str]], rooms: tuple[str, str]) -> None:
    values, arguments = profile
    platform, steps = rooms
    arguments += ["--set", f"steps.namespace={steps}"]
    documents = template(values, *arguments, namespace=platform)
    left_out = sorted({one["kind"] for one in documents if one["kind"] in OPERATORS})
    judged = [one for one in documents if one["kind"] not in OPERATORS]
    assert len(judged) > 20
    apply(*(one for one in judged if one["kind"] == "ServiceAccount"))  # a pod needs its own to be judged
    listing = {"apiVersion": "v1", "kind": "List", "items": judged}
    done = subprocess.run(
        ["kubectl", "apply", "--dry-run=server", "--validate=strict", "-f", "-"],
        input=json.dumps(listing),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "would violate PodSecurity" not in done.stderr, done.stderr
    print(f"{len(judged)} taken; not judged, for want of their operators: {left_out or 'none'}")


def test_pods_have_no_rights_on_their_node(profile: tuple[str, list[str]]) -> None:
    values, arguments = profile
    for name, spec in pod_specs(template(values, *arguments)):
        assert spec["securityContext"]["runAsNonRoot"], name
        assert spec["automountServiceAccountToken"] is ("scheduler" in name), name
        for one in containers(spec):
            assert one["securityContext"]["readOnlyRootFilesystem"], (name, one["name"])
            assert one["securityContext"]["capabilities"] == {"drop": ["ALL"]}, (name, one["name"])
            assert one["resources"]["limits"]["memory"], (name, one["name"])


@pytest.mark.parametrize("mode", ["trial", "all"])
def test_no_secret_stands_anywhere_but_in_secrets(mode: str, tmp_path: Path) -> None:
    values = CHART / "values-trial.yaml" if mode == "trial" else write(tmp_path, ALL)
    documents = template(values)
    planted = secret_values(documents)
    assert len(planted) > 15
    others = json.dumps([one for one in documents if one["kind"] != "Secret"])
    assert not [value for value in planted if json.dumps(value)[1:-1] in others]
    for name, spec in pod_specs(documents):
        for one in containers(spec):
            named = [entry["name"] for entry in one.get("env", []) if "secretKeyRef" in str(entry)]
            assert named in ([], ["GITSYNC_USERNAME"]), (name, named)


def test_the_launcher_may_start_steps_in_their_namespace_and_nothing_else() -> None:
    documents = template(CHART / "values-trial.yaml")
    kinds = {one["kind"] for one in documents}
    assert not kinds & {"ClusterRole", "ClusterRoleBinding"}
    (role,) = [one for one in documents if one["kind"] == "Role"]
    assert role["metadata"]["namespace"] == "mlcycle-steps"
    granted = {resource: rule["verbs"] for rule in role["rules"] for resource in rule["resources"]}
    work = ["create", "get", "list", "watch", "delete"]
    assert granted == {
        "pods": work,
        "jobs": work,
        "pods/log": ["get"],
        "events": ["list"],
        "services": ["create"],
    }


def test_both_namespaces_are_closed_until_opened() -> None:
    documents = template(CHART / "values-trial.yaml")
    policies = [one for one in documents if one["kind"] == "NetworkPolicy"]
    assert {one["metadata"]["namespace"] for one in policies} == {"default", "mlcycle-steps"}
    for one in policies:
        assert one["spec"]["policyTypes"] == ["Ingress", "Egress"]
    closed = {
        one["metadata"]["namespace"]: one for one in policies if one["metadata"]["name"] == "mlcycle-deny"
    }
    assert "ingress" not in closed["default"]["spec"]
    assert closed["mlcycle-steps"]["spec"]["podSelector"] == {}
    named = {one["metadata"]["name"].removeprefix("mlcycle-") for one in policies}
    parts = {
        pod["metadata"]["labels"]["app.kubernetes.io/component"]
        for one in documents
        if (pod := one.get("spec", {}).get("template")) and one["kind"] != "CronJob"
    }
    assert parts - named == set(), "a part without rules of its own reaches nothing"


@pytest.mark.parametrize("given", ["", "theirs"], ids=["the chart's", "one that is there"])
def test_trainings_alone_get_the_claim_of_checkpoints_and_it_stays(given: str, tmp_path: Path) -> None:
    checkpoints = {"enabled": True, "existingClaim": given, "storageClass": "shared"}
    documents = template(write(tmp_path, {**GIVEN, "steps": {"checkpoints": checkpoints}}))
    (settings,) = [one["data"] for one in documents if one["metadata"]["name"] == "mlcycle-airflow"]
    assert settings["MLCYCLE_CHECKPOINTS"] == "/checkpoints"
    assert settings["MLCYCLE_KUBERNETES_VOLUMES_TRAIN"] == f"{given or 'mlcycle-checkpoints'}:/checkpoints"
    assert [name for name in settings if "VOLUMES" in name] == ["MLCYCLE_KUBERNETES_VOLUMES_TRAIN"]
    claims = [one for one in documents if one["kind"] == "PersistentVolumeClaim"]
    assert [one["metadata"]["name"] for one in claims] == ([] if given else ["mlcycle-checkpoints"])
    for one in claims:
        assert one["metadata"]["namespace"] == "mlcycle-steps"
        assert one["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
        assert one["spec"]["accessModes"] == ["ReadWriteMany"]
        assert one["spec"]["storageClassName"] == "shared"
    off = template(write(tmp_path, GIVEN))
    assert "checkpoints" not in json.dumps(off)


def test_an_image_is_named_once(tmp_path: Path) -> None:
    digest = "sha256:" + "a" * 64
    images = {
        "registry": "r.example",
        "tag": "9",
        "airflow": {"digest": digest},
        "publicRegistry": "m.example",
    }
    documents = template(write(tmp_path, {**ALL, "images": images}))
    found = {one["image"] for _, spec in pod_specs(documents) for one in containers(spec)}
    assert f"r.example/mlcycle-airflow@{digest}" in found
    assert "r.example/mlcycle-mlflow:9" in found
    assert {name for name in found if not name.startswith(("r.example/", "m.example/"))} == set()
    (settings,) = [one for one in documents if one["metadata"]["name"] == "mlcycle-airflow"]
    assert settings["data"]["MLCYCLE_IMAGE"] == "r.example/mlcycle-step:9-slim"
    assert settings["data"]["MLCYCLE_IMAGE_TRAIN"] == "registry.example/team/mlcycle-step:1.2.3-cuda"
    own = {"MLCYCLE_PROJECT_IMAGES": settings["data"]["MLCYCLE_PROJECT_IMAGES"]}
    assert project_images(own) == {"bike": "r.example/step:bike", "shops": "r.example/step:shops"}


def test_changed_settings_and_secrets_roll_the_pods(tmp_path: Path) -> None:
    def marks(*more: str) -> dict[str, dict[str, str]]:
        documents = template(CHART / "values-trial.yaml", *more)
        return {
            one["metadata"]["name"]: one["spec"]["template"]["metadata"].get("annotations", {})
            for one in documents
            if one["kind"] in ("Deployment", "StatefulSet")
        }

    before, after = marks(), marks("--set", "settings.timeout=31")
    for part in ("api-server", "scheduler", "dag-processor"):
        name = f"mlcycle-{part}"
        assert before[name]["checksum/settings"] != after[name]["checksum/settings"]
    assert before["mlcycle-mlflow"]["checksum/settings"] == after["mlcycle-mlflow"]["checksum/settings"]
    assert before["mlcycle-evidently"]["checksum/secrets"] != after["mlcycle-evidently"]["checksum/secrets"]


def test_a_release_of_the_chart_alone_rolls_no_pod(tmp_path: Path) -> None:
    other = tmp_path / "mlcycle"
    shutil.copytree(CHART, other)
    text = (other / "Chart.yaml").read_text().replace("\nversion: 0.", "\nversion: 9.")
    (other / "Chart.yaml").write_text(text)

    def pods(chart: Path) -> dict[str, Any]:
        found = {}
        for one in template(write(tmp_path, GIVEN), chart=chart):
            if one["kind"] in ("Deployment", "StatefulSet"):
                found[one["metadata"]["name"]] = one["spec"]["template"]
        return found

    assert pods(other) == pods(CHART)


def _closed(schema: Any, where: str = "") -> list[str]:
    """Places of a schema that take keys it does not name."""
    if isinstance(schema, list):
        return [found for number, one in enumerate(schema) for found in _closed(one, f"{where}/{number}")]
    if not isinstance(schema, dict):
        return []
    found = [
        f"{where}/{key}" for key, one in schema.items() for found in _closed(one, f"{where}/{key}") if found
    ]
    if (
        "properties" in schema
        and schema.get("additionalProperties") is not False
        and "properties" not in where[-10:]
    ):
        found.append(where or "/")
    return found


def test_the_schema_is_closed_everywhere_and_knows_what_values_say() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    assert _closed(schema) == []
    values = yaml.safe_load((CHART / "values.yaml").read_text())
    assert set(schema["properties"]) == set(values)


@pytest.mark.parametrize(
    "wrong",
    [
        "unknown=1",
        "airflow.scheduler.replicas=2",
        "steps.pools.cpu.nodeSelector.a=b",
        "steps.pools.tpu.resource=x",
        "images.airflow.name=x",
        "steps.projectImages.bike=one\\,two",
        "database.mode=sqlite",
        "secrets.mode=plain",
        "networkPolicy.ingres[0].podSelector.matchLabels.a=b",
        "airflow.config.PASSWORD=x",
        "steps.pools.cpu.cpu_request=2",
        "steps.checkpoints.accessMode=ReadOnlyMany",
        "steps.checkpoints.claim=x",
        "images.airflow.digest=md5:abc",
    ],
)
def test_a_value_that_is_none_of_the_charts_is_refused_by_name(wrong: str) -> None:
    done = helm(
        *("template", "mlcycle", str(CHART), "--kube-version", version()),
        *("--values", str(CHART / "values-trial.yaml"), "--set", wrong),
        check=False,
    )
    assert done.returncode != 0
    assert "values don't meet the specifications of the schema" in done.stderr, done.stderr


@pytest.mark.parametrize(
    ("values", "line"),
    [
        ({"store": {"url": "s3://b/x"}, "database": {"mode": "cnpg"}}, "needs CloudNativePG"),
        ({**GIVEN, "secrets": {"mode": "externalSecret"}}, "needs the External Secrets Operator"),
        ({"database": {"host": "db"}}, "store.url: where artifacts lie"),
        (
            {"store": GIVEN["store"], "secrets": {"mode": "generated"}},
            "database.host: with secrets.mode=generated",
        ),
        ({**GIVEN, "ingress": {"enabled": True}}, "ingress.hosts: name at least"),
        (
            {**GIVEN, "ingress": {"enabled": True, "hosts": HOSTS}, "gate": {"enabled": False}},
            "have no password without the gate",
        ),
    ],
    ids=["no CloudNativePG", "no operator of secrets", "no store", "no server", "no host", "no gate"],
)
def test_what_cannot_work_is_refused_in_a_line(values: dict[str, Any], line: str, tmp_path: Path) -> None:
    options = ("--kube-version", version(), "--values", str(write(tmp_path, values)))
    done = helm("template", "mlcycle", str(CHART), *options, check=False)
    assert done.returncode != 0
    assert line in done.stderr, done.stderr
