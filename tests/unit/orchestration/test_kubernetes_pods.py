"""What a step's pod looks like, without a cluster: pools, secrets, gangs. tests/kubernetes runs them."""

import json
from dataclasses import replace
from typing import Any

import pytest

from mlcycle.contract import Request
from mlcycle.errors import ConfigError
from mlcycle.orchestration.placement import Placement
from mlcycle.orchestration.runners.exchange import Exchange
from mlcycle.orchestration.runners.kubernetes_pods import documents
from mlcycle.orchestration.runners.kubernetes_pools import pending, pool_of
from mlcycle.project import Limits
from mlcycle.project.limits import DEFAULTS

ENV = {
    "MLCYCLE_ARTIFACTS_URL": "s3://bucket/prefix",
    "MLCYCLE_KUBERNETES_SECRET": "mlcycle-steps",
    "MLCYCLE_MLFLOW_URL": "http://mlflow:5000",
    "MLCYCLE_SOURCE_URL": "https://reader:planted@exports.example",
    "MLCYCLE_ALLOWED_RECEIVERS": "https://a.example,smtp://me:planted@mail.example",
    "MLCYCLE_EVIDENTLY_SECRET": "planted",
    "MLCYCLE_DSN_TRAIN": "postgresql://train:planted@db/x",
    "AWS_ENDPOINT_URL": "http://store:9000",
    "AWS_SECRET_ACCESS_KEY": "planted",
    "AWS_CONTAINER_AUTHORIZATION_TOKEN": "planted",
    "AWS_WEB_IDENTITY_TOKEN_FILE": "/var/run/ours",
    "AIRFLOW__CORE__FERNET_KEY": "planted",
}
TRAIN = replace(DEFAULTS["train"], cpu=2.5, memory=8 * 1024**3)


def made(limits: Limits = TRAIN, step: str = "train", **env: str) -> tuple[str, Any, Any]:
    channels = [{"secret": "HOOK"}]
    project = {"name": "night_trains", "alerts": {"channels": channels}}
    request = Request.model_validate({"step": step, "work": "dag/run/task/-1/2", "project": project})
    environment = {**ENV, **env}
    placement = Placement("kubernetes", "mlcycle-step:cpu", limits)
    return documents(environment, request, placement, "train", Exchange(environment, request.work))


def variables(pod: Any) -> dict[str, str]:
    return {one["name"]: one["value"] for one in pod["spec"]["containers"][0]["env"]}


def test_nothing_secret_is_in_a_pod() -> None:
    _, pod, _ = made()
    assert "planted" not in json.dumps(pod)
    given = variables(pod)
    assert given["MLCYCLE_MLFLOW_URL"] == "http://mlflow:5000"
    assert given["AWS_ENDPOINT_URL"] == "http://store:9000"
    assert given["MLCYCLE_SECRETS"] == "/run/secrets/mlcycle"
    assert not {"AWS_WEB_IDENTITY_TOKEN_FILE", "MLCYCLE_SOURCE_URL", "PATH"} & given.keys()


def test_platforms_that_share_a_namespace_have_pods_of_their_own() -> None:
    pods = [made(MLCYCLE_INSTANCE=name)[1]["metadata"] for name in ("", "ours", "theirs")]
    assert len({pod["name"] for pod in pods}) == 3
    assert [pod["labels"]["mlcycle.dev/instance"] for pod in pods] == ["", "ours", "theirs"]
    assert len({pod["labels"]["mlcycle.dev/work"] for pod in pods}) == 3


def test_a_platforms_name_that_no_label_can_bear_is_refused() -> None:
    with pytest.raises(ConfigError, match="MLCYCLE_INSTANCE"):
        made(MLCYCLE_INSTANCE="two words")


def test_a_step_sees_the_secret_of_its_role_and_the_keys_that_its_project_names_for_it() -> None:
    sources = {
        step: next(volume for volume in made(step=step)[1]["spec"]["volumes"] if volume["name"] == "secrets")
        for step in ("train", "evaluate", "alert")
    }
    role = {"secret": {"name": "mlcycle-steps-train"}}
    hook = "MLCYCLE_SECRET_NIGHT_TRAINS__HOOK"
    items = [{"key": hook, "path": hook}]
    own = {"secret": {"name": "mlcycle-steps-project-night-trains", "items": items, "optional": True}}
    signing = "MLCYCLE_MODEL_SIGNING_KEY"
    items = [{"key": signing, "path": signing}]
    key = {"secret": {"name": "mlcycle-steps-signing", "items": items, "optional": True}}
    assert sources["train"]["projected"]["sources"] == [role, key]
    assert sources["evaluate"]["projected"]["sources"] == [role]
    assert sources["alert"]["projected"]["sources"] == [role, own]


def test_a_pod_asks_for_what_its_pool_says_of_its_limits() -> None:
    cpu = {"cpu_request": 0.5, "memory_request": 0.25, "scratch": "5Gi", "priority_class": "low"}
    cpu["node_selector"] = {"pool": "cheap"}
    _, pod, service = made(MLCYCLE_KUBERNETES_POOLS=json.dumps({"cpu": cpu}))
    (container,) = pod["spec"]["containers"]
    assert container["resources"] == {
        "limits": {"cpu": "2500m", "memory": str(8 * 1024**3)},
        "requests": {"cpu": "1250m", "memory": str(2 * 1024**3)},
    }
    assert container["args"][:2] == ["step", "train"]
    assert (pod["spec"]["priorityClassName"], pod["spec"]["nodeSelector"]) == ("low", {"pool": "cheap"})
    assert pod["spec"]["activeDeadlineSeconds"] == 6 * 3600 + 1800
    assert service is None
    assert not [one for one in pod["spec"]["tolerations"] if "gpu" in one["key"]]


def test_gpus_of_one_node_are_one_pod_below_torchrun() -> None:
    kind, pod, _ = made(replace(TRAIN, gpu=4))
    (container,) = pod["spec"]["containers"]
    assert kind == "pods"
    assert container["resources"]["limits"]["nvidia.com/gpu"] == "4"
    assert {"key": "nvidia.com/gpu", "operator": "Exists"} in pod["spec"]["tolerations"]
    torchrun = [
        "torchrun",
        "--nproc-per-node=4",
        "--max-restarts=0",
        "--standalone",
        "--no-python",
        "mlcycle",
    ]
    assert container["command"][:7] == [*torchrun, "step"]
    one = made(replace(TRAIN, gpu=1))[1]["spec"]["containers"][0]
    assert "command" not in one


def test_several_nodes_are_one_job_that_any_failure_ends() -> None:
    kind, job, service = made(replace(TRAIN, gpu=2, nodes=3))
    spec = job["spec"]
    assert kind == "jobs"
    assert (spec["completions"], spec["parallelism"], spec["backoffLimit"]) == (3, 3, 0)
    assert [rule["action"] for rule in spec["podFailurePolicy"]["rules"]] == ["FailJob", "FailJob"]
    name = job["metadata"]["name"]
    command = spec["template"]["spec"]["containers"][0]["command"]
    assert f"--master-addr={name}-0.{name}" in command
    assert service["spec"]["selector"].items() <= spec["template"]["metadata"]["labels"].items()
    assert (spec["template"]["spec"]["subdomain"], service["spec"]["clusterIP"]) == (name, "None")


@pytest.mark.parametrize("nodes", [1, 2])
def test_a_step_mounts_the_claims_that_are_its_own_and_may_write_to_them(nodes: int) -> None:
    env = {
        "MLCYCLE_KUBERNETES_VOLUMES": "shared:/data",
        "MLCYCLE_KUBERNETES_VOLUMES_TRAIN": "shared:/data, kept.checkpoints:/checkpoints",
        "MLCYCLE_CHECKPOINTS": "/checkpoints",
    }
    _, made_of, _ = made(replace(TRAIN, nodes=nodes), **env)
    pod = made_of if nodes == 1 else made_of["spec"]["template"]
    sources = {one["name"]: one.get("persistentVolumeClaim") for one in pod["spec"]["volumes"]}
    mounts = pod["spec"]["containers"][0]["volumeMounts"]
    kept = {one["mountPath"]: sources[one["name"]] for one in mounts if sources[one["name"]]}
    assert kept == {"/data": {"claimName": "shared"}, "/checkpoints": {"claimName": "kept.checkpoints"}}
    assert not [one for one in mounts if one.get("readOnly") and one["name"] != "secrets"]
    assert pod["spec"]["securityContext"]["fsGroup"] == 50000
    assert variables(pod)["MLCYCLE_CHECKPOINTS"] == "/checkpoints"
    other = made(step="dataset", **env)[1]
    assert "shared" in json.dumps(other)
    assert "kept.checkpoints" not in json.dumps(other)
    assert "fsGroup" not in json.dumps(made()[1])


@pytest.mark.parametrize(
    ("value", "says"),
    [
        ("checkpoints", "'checkpoints' is not CLAIM:/PATH"),
        ("Check_Points:/checkpoints", "the name of a PersistentVolumeClaim"),
        (f"{'a' * 254}:/checkpoints", "the name of a PersistentVolumeClaim"),
        ("kept:checkpoints", "with an absolute path"),
        ("kept:/a/../b", "with an absolute path"),
        ("kept:/checkpoints:ro", "with an absolute path"),
        ("kept:/", "would cover /run/secrets/mlcycle"),
        ("kept:/run", "would cover /run/secrets/mlcycle"),
        ("kept:/tmp/kept", "would cover /tmp"),
        ("kept:/a,kept:/b", "names a claim twice"),
        ("kept:/a,other:/a/b", "a path within another's"),
    ],
    ids=["no path", "name", "long", "relative", "dots", "mode", "root", "above", "below", "twice", "nested"],
)
def test_a_wrong_volume_is_one_line(value: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says) as error:
        made(MLCYCLE_KUBERNETES_VOLUMES_TRAIN=value)
    assert error.value.message.startswith("MLCYCLE_KUBERNETES_VOLUMES of step 'train': ")


def test_a_kind_of_gpu_and_spot_are_what_the_deployment_says() -> None:
    kind = {
        "resource": "example.com/gpu",
        "node_selector": {"gpu": "h100"},
        "spot": {"node_selector": {"spot": "yes"}, "priority_class": "spot"},
    }
    env = {"MLCYCLE_KUBERNETES_POOLS": json.dumps({"gpu:h100": kind})}
    limits = replace(TRAIN, gpu=1, gpu_kind="h100")
    assert pool_of(env, limits).node_selector == {"gpu": "h100"}
    spot = pool_of(env, replace(limits, spot=True))
    assert (spot.node_selector, spot.priority_class) == ({"gpu": "h100", "spot": "yes"}, "spot")
    with pytest.raises(ConfigError, match="gpu_kind 'a100': no such pool here; there are h100"):
        pool_of(env, replace(limits, gpu_kind="a100"))


@pytest.mark.parametrize(
    ("name", "value", "says"),
    [
        ("POOLS", "{", "is not JSON"),
        ("POOLS", "[]", "is not an object of pools by name"),
        ("POOLS", '{"tpu": {}}', "no pool 'tpu': there are cpu, gpu, and gpu:KIND"),
        ("POOLS", '{"gpu": {"nodeSelector": {}}}', "gpu.nodeSelector: no such key: there are node_selector"),
        ("POOLS", '{"cpu": {"scratch": "ten"}}', "cpu.scratch: String should match"),
        ("PENDING", "soon", "PENDING=soon: seconds, from 1 to a week"),
        ("SECRET", "", "SECRET is not set"),
    ],
    ids=["no JSON", "list", "pool", "key", "value", "pending", "secret"],
)
def test_a_wrong_setting_is_one_line(name: str, value: str, says: str) -> None:
    with pytest.raises(ConfigError, match=says):
        made(**{f"MLCYCLE_KUBERNETES_{name}": value})
    assert pending({}).total_seconds() == 1800
