"""Trainings on several GPUs and nodes: a small torch program in the place of a training, started by torchrun."""

import json
from collections.abc import Iterator
from dataclasses import replace

import pytest

from mlcycle.contract import Request, Status
from tests.followed import Followed, extract
from tests.kubernetes import volumes
from tests.kubernetes.cluster import apply, until
from tests.kubernetes.conftest import Place
from tests.kubernetes.steps import LIMITS, submit
from tests.kubernetes.test_nodes import gpu_nodes as gpu_nodes
from tests.kubernetes.test_nodes import pods
from tests.kubernetes.test_pods import killed, left

ONE_NODE = replace(LIMITS, gpu=2, memory=1024**3)
TWO_NODES = replace(ONE_NODE, gpu=1, nodes=2)


@pytest.fixture
def two_nodes(gpu_nodes: list[str]) -> Iterator[list[str]]:
    """With GPUs."""
    if len(gpu_nodes) < 2:
        pytest.skip("only one node of this cluster has GPUs")
    return gpu_nodes


def lasting(seconds: float, work: str = "gang") -> Request:
    return extract(work, params={"seconds": seconds})


def test_gpus_of_one_node_are_processes_of_one_pod(
    place: Place, gang_image: str, gpu_nodes: list[str]
) -> None:
    request = lasting(1)
    handle = submit(place.env, request, gang_image, ONE_NODE)
    followed = Followed(place.env, handle, request)
    result = followed.result()
    assert result.status is Status.OK, followed.told
    assert result.values == {"sum": 1.0, "world": 2, "first": 0}
    assert all(f"rank {rank} of 2" in followed.told for rank in (0, 1))
    until(lambda: not left(place))


def test_a_gang_of_two_nodes_finds_itself_and_ends_as_one(
    place: Place, gang_image: str, two_nodes: list[str]
) -> None:
    request = lasting(5)
    handle = submit(place.env, request, gang_image, TWO_NODES)
    followed = Followed(place.env, handle, request)
    until(lambda: "rank 1 of 2" in followed.told and "rank 0 of 2" in followed.told, 60)
    assert {pod["spec"]["nodeName"] for pod in pods(place)} <= set(two_nodes)
    again = submit(place.env, request, gang_image, TWO_NODES)  # adopted, not doubled
    assert again.id == handle.id
    assert len(place.list("jobs")) == 1
    result = followed.result()
    assert result.values == {"sum": 1.0, "world": 2, "first": 0}, followed.told
    prefixes = {line[:3] for line in followed.lines if "rank" in line}
    assert prefixes == {"[0]", "[1]"}
    until(lambda: not left(place) and not place.list("services"))


@pytest.fixture(scope="module")
def workshop(image: str) -> Iterator[str]:
    with volumes.workshop(image) as namespace:
        yield namespace


def keep(place: Place, **changes: object) -> None:
    """Let checkpoints outlive pods, on a volume of a new claim."""
    document = volumes.claim(place.namespace, **changes)
    apply(document)
    place.env["MLCYCLE_KUBERNETES_VOLUMES_EXTRACT"] = f"{document['metadata']['name']}:/checkpoints"
    place.env["MLCYCLE_CHECKPOINTS"] = "/checkpoints"


def test_a_lost_pod_fails_the_gang_and_the_retry_resumes_from_the_checkpoint_of_its_work(
    place: Place, gang_image: str, two_nodes: list[str], workshop: str
) -> None:
    keep(place)
    request = lasting(60)
    handle = submit(place.env, request, gang_image, TWO_NODES)
    followed = Followed(place.env, handle, request)
    until(lambda: "round 40 in rank 1" in followed.told, 60)
    before = {pod["metadata"]["uid"] for pod in pods(place)}
    lost = next(pod["metadata"]["name"] for pod in pods(place) if "-1-" in pod["metadata"]["name"])
    place.kubectl("delete", "pod", lost, "--wait=false", "--grace-period=1")
    killed(followed.result())
    request = lasting(5)
    again = submit(place.env, request, gang_image, TWO_NODES)
    assert again.id == handle.id
    followed = Followed(place.env, again, request)
    until(lambda: "rank 1 of 2" in followed.told and "rank 0 of 2" in followed.told, 60)
    assert not before & {pod["metadata"]["uid"] for pod in pods(place)}
    result = followed.result()
    assert result.status is Status.OK, followed.told
    first = result.values["first"]
    assert first >= 20
    assert all(f"after round {first}" in line for line in followed.lines if "of 2 on" in line)
    until(lambda: not left(place) and not place.list("services"))


def test_a_volume_of_root_s_is_the_step_s_to_write_to_and_a_retry_in_a_new_pod_resumes(
    place: Place, gang_image: str, gpu_nodes: list[str], workshop: str
) -> None:
    with volumes.root_s_own(workshop, gpu_nodes[0]) as storage_class:
        keep(place, storageClassName=storage_class, accessModes=["ReadWriteOnce"])
        request = lasting(60)
        handle = submit(place.env, request, gang_image, ONE_NODE)
        followed = Followed(place.env, handle, request)
        until(lambda: "round 40 in rank 0" in followed.told, 60)
        place.kubectl("delete", handle.id, "--grace-period=1")
        killed(followed.result())
        request = lasting(0)
        followed = Followed(place.env, submit(place.env, request, gang_image, ONE_NODE), request)
        result = followed.result()
        assert result.status is Status.OK, followed.told
        assert result.values["first"] >= 20
        place.kubectl("delete", "pvc", "--all")


def test_a_claim_that_is_not_there_is_named(place: Place, gang_image: str, two_nodes: list[str]) -> None:
    place.env["MLCYCLE_KUBERNETES_VOLUMES_EXTRACT"] = "nosuch:/checkpoints"
    place.env["MLCYCLE_KUBERNETES_PENDING"] = "8"
    request = lasting(0)
    result = Followed(place.env, submit(place.env, request, gang_image, TWO_NODES), request).result()
    assert result.error is not None
    assert (result.error.kind, result.error.retryable) == ("config", False)
    assert 'persistentvolumeclaim "nosuch" not found' in result.message
    until(lambda: not left(place))


def test_nobody_who_looks_at_a_gang_sees_a_secret(
    place: Place, gang_image: str, two_nodes: list[str]
) -> None:
    request = lasting(60)
    handle = submit(place.env, request, gang_image, TWO_NODES)
    followed = Followed(place.env, handle, request)
    until(lambda: "rank 1 of 2" in followed.told and "rank 0 of 2" in followed.told, 60)
    kinds = ("jobs", "pods", "services", "endpointslices", "events", "configmaps")
    objects = {kind: place.list(kind) for kind in kinds}
    (job,), (service,) = objects["jobs"], objects["services"]
    named = {job["metadata"]["name"], service["metadata"]["name"]}
    assert named == {handle.id.removeprefix("jobs/")}
    assert len(objects["pods"]) == 2
    seen = {kind: json.dumps(found) for kind, found in objects.items()}
    for kind in ("jobs", "pods", "services"):
        seen[f"{kind} described"] = place.kubectl("describe", kind)
    # Of every process: torchrun's, and that which it starts and hands its environment on to.
    inside = "import pathlib; print([p.read_bytes() for p in pathlib.Path('/proc').glob('[0-9]*/cmdline')])"
    first = "print(open('/proc/1/environ').read())"
    for pod in objects["pods"]:
        name = pod["metadata"]["name"]
        argv = place.kubectl("exec", name, "--", "python", "-c", inside)
        assert "torchrun" in argv
        assert argv.count("--request") > 1
        seen[f"argv of {name}"] = argv
        seen[f"environment of {name}"] = place.kubectl("exec", name, "--", "python", "-c", first)
        seen[f"log of {name}"] = place.kubectl("logs", name)
    place.kubectl("delete", "pod", objects["pods"][0]["metadata"]["name"], "--wait=false", "--grace-period=1")
    seen["result"] = killed(followed.result())
    seen["log of the task"] = followed.told
    seen["events afterwards"] = json.dumps(place.list("events"))
    told = [(where, secret[:8]) for where, text in seen.items() for secret in place.planted if secret in text]
    assert not told


def test_a_gang_that_has_no_room_for_all_has_none(
    place: Place, gang_image: str, two_nodes: list[str]
) -> None:
    place.env["MLCYCLE_KUBERNETES_PENDING"] = "8"
    request = lasting(0)
    limits = replace(TWO_NODES, nodes=20)
    result = Followed(place.env, submit(place.env, request, gang_image, limits), request).result()
    assert result.error is not None
    assert (result.error.kind, result.error.retryable) == ("config", False)
    assert "Insufficient nvidia.com/gpu" in result.message
    until(lambda: not left(place))


def test_a_cancelled_gang_leaves_nothing(place: Place, gang_image: str, two_nodes: list[str]) -> None:
    from mlcycle.orchestration.runners.kubernetes import KubernetesRunner

    handle = submit(place.env, lasting(60), gang_image, TWO_NODES)
    until(lambda: len(pods(place)) == 2)
    KubernetesRunner(place.env).cancel(handle)
    until(lambda: not left(place))
