"""Pods and their nodes: GPUs and taints, a drain, a kubelet that is killed."""

import json
import os
import shlex
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from mlcycle.contract import Status
from tests.conftest import Platform
from tests.followed import Followed, extract
from tests.kubernetes.cluster import kubectl, nodes, until
from tests.kubernetes.conftest import Place
from tests.kubernetes.steps import GONE, LIMITS, Source, source, submit
from tests.kubernetes.test_pods import attempts, killed, left, published

GPU = "nvidia.com/gpu"
ONE = replace(LIMITS, gpu=1)


@pytest.fixture(scope="module")
def gpu_nodes() -> list[str]:
    """Nodes with GPUs that are tainted for those who want them."""
    found = []
    for node in nodes():
        tainted = any(taint["key"] == GPU for taint in node["spec"].get("taints", []))
        if int(node["status"]["allocatable"].get(GPU, 0)) and tainted:
            found.append(node["metadata"]["name"])
    if not found:
        pytest.skip(f"no node of this cluster has {GPU} and a taint of that name")
    return sorted(found)


@pytest.fixture
def world(place: Place, address: str) -> Iterator[Source]:
    """The source system of this test's steps."""
    with source(address) as found:
        place.env["MLCYCLE_SOURCE_URL"] = found.url
        place.env["MLCYCLE_TIMEOUT"] = "300"
        yield found


def pods(place: Place) -> list[dict[str, Any]]:
    """The steps' pods that have a node."""
    return [pod for pod in place.list("pods") if pod["spec"].get("nodeName")]


def on(place: Place, node: str, **changes: object) -> None:
    """Let steps with GPUs go to this node."""
    pool = {
        "node_selector": {"kubernetes.io/hostname": node},
        "tolerations": [{"key": GPU, "operator": "Exists"}],
        **changes,
    }
    place.env["MLCYCLE_KUBERNETES_POOLS"] = json.dumps({"gpu": pool})


def test_a_step_with_a_gpu_gets_it_on_the_tainted_node_and_others_keep_off(
    place: Place, world: Source, image: str, gpu_nodes: list[str]
) -> None:
    handle = submit(place.env, extract("with"), image, ONE)
    others = [submit(place.env, extract(f"without {number}"), image) for number in range(4)]
    for _ in range(5):
        world.wait()
    where = {f"pods/{pod['metadata']['name']}": pod["spec"]["nodeName"] for pod in pods(place)}
    assert where[handle.id] in gpu_nodes
    assert not {where[other.id] for other in others} & set(gpu_nodes)
    name = handle.id.partition("/")[2]
    code = "import os; print(os.environ.get('NVIDIA_VISIBLE_DEVICES', ''))"
    devices = place.kubectl("exec", name, "--", "python", "-c", code).strip()
    assert len(devices.split(",")) == 1
    assert devices not in ("", "all", "void", "none")


def test_a_drained_node_s_step_is_tried_again_elsewhere_or_later(
    place: Place, world: Source, image: str, gpu_nodes: list[str], platform: Platform
) -> None:
    on(place, gpu_nodes[-1])
    request = extract()
    handle = submit(place.env, request, image, ONE)
    world.wait()
    followed = Followed(place.env, handle, request)
    ours = f"--pod-selector=mlcycle.dev/work={handle.id.removeprefix('pods/mlcycle-')}"
    try:
        kubectl("drain", gpu_nodes[-1], ours, "--force", "--delete-emptydir-data", "--timeout=60s")
        assert "evicted from its node" in killed(followed.result())
        again = submit(place.env, request, image, ONE)
        until(lambda: place.list("pods") and not pods(place))  # a closed node takes no pod
    finally:
        kubectl("uncordon", gpu_nodes[-1])
    world.may_answer.set()
    assert Followed(place.env, again, request).result().status is Status.OK
    assert attempts(platform) == [(2, 1)]


def kubelet(what: str, node: str) -> None:
    command = os.environ.get(f"MLCYCLE_TEST_{what}_KUBELET")
    if not command:
        pytest.skip(f"set MLCYCLE_TEST_{what}_KUBELET to a command that does so, its last argument the node")
    subprocess.run([*shlex.split(command), node], check=True, capture_output=True)


def ready(node: str) -> bool:
    return node in {one["metadata"]["name"] for one in nodes()}


def test_a_step_whose_kubelet_is_killed_is_done_once_whatever_returns(
    place: Place, world: Source, image: str, gpu_nodes: list[str], platform: Platform
) -> None:
    """The old pod's process lives on, on a node that nobody reaches, and ends while the next one works."""
    on(place, gpu_nodes[-1], lost_after=1)
    request = extract()
    handle = submit(place.env, request, image, ONE)
    world.wait()
    followed = Followed(place.env, handle, request)
    until(lambda: followed.lines)
    kubelet("KILL", gpu_nodes[-1])
    try:
        said = killed(followed.result(180))
        assert gpu_nodes[-1] in said or "taken off a node" in said, said
        assert not left(place)
        place.env["MLCYCLE_KUBERNETES_POOLS"] = "{}"
        place.env["MLCYCLE_KUBERNETES_PENDING"] = "120"
        again = submit(place.env, request, image, replace(LIMITS, gpu=0))
        world.wait()
        followed = Followed(place.env, again, request)
        world.answer = GONE
        world.may_answer.set()  # both of them go on now
        result = followed.result()
        assert result.status is Status.SKIPPED, followed.told
    finally:
        kubelet("START", gpu_nodes[-1])
        until(lambda: ready(gpu_nodes[-1]), 120)
    assert published(platform) == [("work", 1), (1,)]
    until(lambda: not left(place))


def test_a_kubelet_that_comes_back_in_time_costs_nothing(
    place: Place, world: Source, image: str, gpu_nodes: list[str], platform: Platform
) -> None:
    on(place, gpu_nodes[-1])
    request = extract()
    handle = submit(place.env, request, image, ONE)
    world.wait()
    followed = Followed(place.env, handle, request)
    until(lambda: followed.lines)
    try:
        kubelet("KILL", gpu_nodes[-1])
    finally:
        kubelet("START", gpu_nodes[-1])
    until(lambda: ready(gpu_nodes[-1]), 120)
    world.may_answer.set()
    assert followed.result().status is Status.OK
    assert attempts(platform) == [(1, 1)]
    assert len(followed.lines) == len(set(followed.lines)), followed.told
