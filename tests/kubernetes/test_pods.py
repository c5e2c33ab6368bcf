"""The kubernetes runner on a real cluster: real steps in pods, really lost."""

import json
import random
import time
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta

import fsspec
import pytest

from mlcycle.contract import Origin, Result, Status
from mlcycle.errors import ConfigError
from mlcycle.orchestration.runners.base import Full, hand_on
from mlcycle.orchestration.runners.kubernetes import KubernetesRunner
from mlcycle.orchestration.runners.kubernetes_api import Api
from mlcycle.orchestration.runners.kubernetes_follow import Follower, ended_or_gone
from mlcycle.orchestration.runners.kubernetes_pods import WORK
from tests.conftest import Platform
from tests.followed import Followed, extract
from tests.kubernetes.cluster import Object, apply, kubectl, until
from tests.kubernetes.conftest import Place
from tests.kubernetes.steps import GONE, LIMITS, Source, source, submit


@pytest.fixture
def world(place: Place, address: str) -> Iterator[Source]:
    """The source system of this test's steps."""
    with source(address) as found:
        place.env["MLCYCLE_SOURCE_URL"] = found.url
        place.env["MLCYCLE_TIMEOUT"] = "300"
        yield found


def left(place: Place) -> list[object]:
    """Pods, Jobs and documents of steps that are still there."""
    store = fsspec.filesystem("s3", use_listings_cache=False)
    documents = store.glob(place.env["MLCYCLE_ARTIFACTS_URL"].removeprefix("s3://") + "/exchange/**")
    pods = [one for one in place.list("pods") if "deletionTimestamp" not in one["metadata"]]
    return [*pods, *place.list("jobs"), *documents]


def published(platform: Platform) -> list[tuple[object, ...]]:
    """Pieces that were published, and gaps."""
    gaps = platform.owner().query("select count(*) from ledger.gap")
    return [*platform.owner().query("select work, count(*) from ledger.publication group by 1"), *gaps]


def attempts(platform: Platform) -> list[tuple[object, ...]]:
    """How often the work was begun and how often it was done, says the ledger."""
    return platform.owner().query(
        "select count(*), count(*) filter (where state = 'done') from ledger.attempt where work = 'work'"
    )


def test_a_step_runs_its_result_and_lines_come_back_and_nothing_is_left(
    place: Place, world: Source, image: str
) -> None:
    world.may_answer.set()
    request = extract()
    began = time.monotonic()
    followed = Followed(place.env, submit(place.env, request, image), request)
    result = followed.result()
    print(f"a step took {followed.ended_at - began:.2f} s, {result.seconds:.2f} s of them itself")
    assert (result.status, result.error) == (Status.OK, None), followed.told
    assert result.values["partitions"] == 1
    assert [line for line in followed.lines if line.startswith("extract: ok")], followed.told
    assert "pod: Scheduled" in followed.told
    until(lambda: not left(place))


def test_a_failed_step_keeps_its_own_error(place: Place, image: str) -> None:
    request = extract(params={"table": "nosuch"})
    result = Followed(place.env, submit(place.env, request, image), request).result()
    assert result.error is not None
    assert (result.error.kind, result.error.retryable) == ("input", False)


def test_nobody_who_looks_at_the_cluster_sees_a_secret_and_a_pod_has_no_rights(
    place: Place, world: Source, image: str
) -> None:
    request = extract()
    handle = submit(place.env, request, image)
    world.wait()
    followed = Followed(place.env, handle, request)
    until(lambda: followed.lines)
    (pod,) = place.list("pods")
    seen = [json.dumps(place.list(kind)) for kind in ("pods", "events", "configmaps", "jobs", "services")]
    seen.append(place.kubectl("describe", "pods"))
    inside = "import os; print(open('/proc/1/cmdline').read(), open('/proc/1/environ').read())"
    seen.append(place.kubectl("exec", pod["metadata"]["name"], "--", "python", "-c", inside))
    world.may_answer.set()
    assert followed.result().status is Status.OK
    seen.append(followed.told)
    assert not [secret for secret in place.planted for text in seen if secret in text]
    (container,) = pod["spec"]["containers"]
    assert container["resources"]["limits"] == {"cpu": "1", "memory": str(LIMITS.memory)}
    assert container["resources"]["requests"] == {"cpu": "100m", "memory": str(LIMITS.memory // 4)}
    assert pod["spec"]["automountServiceAccountToken"] is False
    assert not [volume for volume in pod["spec"]["volumes"] if "serviceAccountToken" in json.dumps(volume)]
    assert container["securityContext"]["readOnlyRootFilesystem"] is True
    assert pod["metadata"]["labels"]["mlcycle.dev/project"] == "flights"
    assert pod["metadata"]["annotations"]["mlcycle.dev/work"] == "work"


def test_a_worker_that_comes_later_finds_the_pod_and_it_runs_once(
    place: Place, world: Source, image: str, platform: Platform
) -> None:
    request = extract()
    handle = submit(place.env, request, image)
    world.wait()
    again = submit(place.env, request, image)  # its worker died before it could keep the handle
    assert again.id == handle.id
    assert len(place.list("pods")) == 1
    followed = Followed(place.env, again, request)
    world.may_answer.set()
    assert followed.result().status is Status.OK
    assert attempts(platform) == [(1, 1)]


def test_a_step_that_ended_while_nobody_looked_is_not_lost(place: Place, world: Source, image: str) -> None:
    world.may_answer.set()
    request = extract()
    handle = submit(place.env, request, image)
    until(lambda: place.list("pods")[0]["status"]["phase"] == "Succeeded", 60)
    followed = Followed(place.env, handle, request)
    assert followed.result().status is Status.OK
    assert "extract: ok" in followed.told


def test_what_was_handed_on_before_the_task_let_go_is_not_handed_on_again(
    place: Place, world: Source, image: str
) -> None:
    request = extract()
    handle = submit(place.env, request, image)
    world.wait()
    lines: list[str] = []
    for look in range(3):
        runner, seen = KubernetesRunner(place.env), 0
        for _ in range(3):
            runner.poll(handle, 1.0)
            seen = hand_on(runner, handle, seen, lines.append)
        handle = runner.leave(handle)
        runner.close()
        if look == 0:
            assert [line for line in lines if line.startswith("pod: Scheduled")]
    world.may_answer.set()
    followed = Followed(place.env, handle, request)
    assert followed.result().status is Status.OK
    told = [*lines, *followed.lines]
    assert len(told) == len(set(told)), told


def test_no_line_is_lost_or_doubled_however_often_the_stream_breaks(place: Place, image: str) -> None:
    count, label = 2000, "0123456789abcdef01234567"
    code = f"import time\nfor i in range({count}): print(i, flush=True); time.sleep(0.002)"
    apply(talking_pod(place.namespace, image, code, label))
    lines: list[str] = []
    told, through = "", False
    chance = random.Random(8)
    while not through:
        api = Api(place.env)
        follower = Follower(api, f"{WORK}={label}", told)
        until_then, seen = time.monotonic() + chance.uniform(0.3, 1.5), 0
        while time.monotonic() < until_then and not through:
            follower.wait(0.1, seen)
            found, seen = follower.after(seen)
            lines += found
            through = bool(follower.drained) and all(ended_or_gone(follower, name) for name in follower.pods)
        found, seen = follower.after(seen)
        lines += found
        told = json.dumps({"pods": follower.position(seen)})
        follower.close()
        api.close()
    assert lines == [str(number) for number in range(count)]


def talking_pod(namespace: str, image: str, code: str, label: str) -> Object:
    """A pod that runs this code, made without the runner."""
    security = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    container = {
        "name": "step",
        "image": image,
        "command": ["python", "-c", code],
        "securityContext": security,
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "talking", "namespace": namespace, "labels": {WORK: label}},
        "spec": {
            "restartPolicy": "Never",
            "containers": [container],
            "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        },
    }


@pytest.mark.parametrize(
    ("changes", "limits", "kind", "says"),
    [
        pytest.param(
            {"image": "nosuch.example/step:1"}, {}, "config", "nosuch.example/step:1", id="wrong image"
        ),
        pytest.param({"image": "NOT A NAME"}, {}, "config", "InvalidImageName", id="no image's name"),
        pytest.param({}, {"cpu": 200}, "config", "Insufficient cpu", id="no node so large"),
        pytest.param(
            {}, {"gpu": 60}, "config", "Insufficient nvidia.com/gpu", id="no node with so many GPUs"
        ),
        pytest.param({"secret": "nosuch"}, {}, "config", '"nosuch-ingest" not found', id="no Secret"),
    ],
)
def test_what_a_pod_waits_for_in_vain_is_one_clear_line_in_bounded_time(
    place: Place, image: str, changes: dict[str, str], limits: dict[str, float], kind: str, says: str
) -> None:
    # On a node, a busy kubelet takes seconds to read a Secret, and says so, before it looks at anything else.
    env = {**place.env, "MLCYCLE_KUBERNETES_PENDING": "8" if limits else "20"}
    env["MLCYCLE_KUBERNETES_SECRET"] = changes.get("secret", env["MLCYCLE_KUBERNETES_SECRET"])
    request, began = extract(), time.monotonic()
    handle = submit(env, request, changes.get("image", image), replace(LIMITS, **limits))
    result = Followed(env, handle, request).result()
    assert time.monotonic() - began < 60
    assert result.error is not None
    assert (result.error.kind, result.error.retryable) == (kind, False), result.message
    assert says in result.message
    assert "\n" not in result.message
    until(lambda: not left(place))


def test_a_kind_of_gpu_that_there_is_not_is_refused(place: Place, image: str) -> None:
    with pytest.raises(ConfigError, match="gpu_kind 'h900': no such pool here; there are none"):
        submit(place.env, extract(), image, replace(LIMITS, gpu=1, gpu_kind="h900"))


def test_a_quota_that_is_used_up_is_asked_again_and_leaves_nothing(
    place: Place, world: Source, image: str
) -> None:
    world.may_answer.set()
    meta = {"name": "full", "namespace": place.namespace}
    apply({"apiVersion": "v1", "kind": "ResourceQuota", "metadata": meta, "spec": {"hard": {"pods": "0"}}})
    until(lambda: place.list("resourcequota")[0].get("status", {}).get("hard"))
    with pytest.raises(Full, match=r"no room for the step's pod: .*exceeded quota: full") as refusal:
        submit(place.env, extract(), image)
    assert refusal.value.patience.total_seconds() == 60
    assert not left(place)
    place.kubectl("delete", "resourcequota", "full")
    request = extract()
    assert Followed(place.env, submit(place.env, request, image), request).result().status is Status.OK


def test_a_namespace_that_there_is_not_and_one_that_is_not_ours_are_one_line(
    place: Place, image: str
) -> None:
    with pytest.raises(ConfigError, match=r"refuses \(403\).*cannot get resource"):
        submit({**place.env, "MLCYCLE_KUBERNETES_NAMESPACE": "default"}, extract(), image)


def test_out_of_memory_is_named(place: Place, image: str) -> None:
    request = extract()
    limits = replace(LIMITS, memory=24 * 1024**2)
    result = Followed(place.env, submit(place.env, request, image, limits), request).result()
    assert result.error is not None
    assert (result.error.kind, result.error.retryable) == ("memory", False), result.message
    assert "more than the 0.02 GiB it may use" in result.message


def test_a_step_over_its_time_is_ended_with_a_line_that_says_so(
    place: Place, world: Source, image: str
) -> None:
    request = extract()
    limits = replace(LIMITS, time=timedelta(seconds=6))
    result = Followed(place.env, submit(place.env, request, image, limits), request).result()
    assert result.error is not None
    assert (result.error.kind, result.error.retryable) == ("timeout", True)
    assert "0:00:06" in result.message
    until(lambda: not left(place))


def killed(result: Result) -> str:
    """What a result says that is a failure and worth a retry."""
    assert result.error is not None, result
    assert (result.status, result.error.kind, result.error.retryable) == (Status.FAILED, "killed", True)
    return result.message


def test_a_pod_that_is_deleted_is_no_success(place: Place, world: Source, image: str) -> None:
    request = extract()
    handle = submit(place.env, request, image)
    world.wait()
    followed = Followed(place.env, handle, request)
    place.kubectl("delete", handle.id, "--wait=false")
    assert "143" in killed(followed.result()) or "deleted" in killed(followed.result())
    until(lambda: not left(place))


def test_an_evicted_step_is_tried_again_as_the_same_work_and_published_once(
    place: Place, world: Source, image: str, platform: Platform
) -> None:
    request = extract()
    handle = submit(place.env, request, image)
    world.wait()
    followed = Followed(place.env, handle, request)
    name = handle.id.partition("/")[2]
    meta = {"name": name, "namespace": place.namespace}
    eviction = json.dumps({"apiVersion": "policy/v1", "kind": "Eviction", "metadata": meta})
    kubectl(
        "create",
        "-f",
        "-",
        "--raw",
        f"/api/v1/namespaces/{place.namespace}/pods/{name}/eviction",
        stdin=eviction,
    )
    assert "evicted from its node" in killed(followed.result())
    world.answer = GONE
    world.may_answer.set()
    again = submit(place.env, request, image)
    result = Followed(place.env, again, request).result()
    assert result.status is Status.SKIPPED, result
    assert published(platform) == [("work", 1), (1,)]


def test_a_cancelled_step_leaves_nothing(place: Place, world: Source, image: str) -> None:
    handle = submit(place.env, extract(), image)
    world.wait()
    began = time.monotonic()
    KubernetesRunner(place.env).cancel(handle)
    assert time.monotonic() - began < 20  # it waits for 2 of them; the rest is a busy machine's
    until(lambda: not left(place))
    KubernetesRunner(place.env).cancel(handle)


def test_steps_are_found_without_a_handle(place: Place, world: Source, image: str) -> None:
    handle = submit(place.env, extract(), image)
    submit(place.env, extract("by hand", origin=Origin()), image)
    runner = KubernetesRunner(place.env)
    assert [found.model_copy(update={"place": ""}) for found in runner.works()] == [
        handle.model_copy(update={"place": ""})
    ]
    runner.close()
