"""What is read out of a pod's status; the statuses are those that a cluster gave."""

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from mlcycle.orchestration.runners.kubernetes_fate import lost, stuck, why_it_ended

NOW = datetime(2026, 1, 1, 12, tzinfo=UTC)
BEFORE = "2026-01-01T11:00:00Z"


def pod(**status: Any) -> dict[str, Any]:
    spec = {"nodeName": "node-1", "containers": [{"name": "step", "image": "image:1"}]}
    notes = {"mlcycle.dev/memory": str(1024**3), "mlcycle.dev/seconds": "3600.0"}
    return {"metadata": {"creationTimestamp": BEFORE, "annotations": notes}, "spec": spec, "status": status}


def terminated(code: int, reason: str = "Error", **status: Any) -> dict[str, Any]:
    state = {"terminated": {"exitCode": code, "reason": reason, "finishedAt": BEFORE}}
    return pod(phase="Failed", containerStatuses=[{"name": "step", "state": state}], **status)


def evicted(message: str) -> dict[str, Any]:
    return pod(phase="Failed", reason="Evicted", message=message)


EVICTED = {
    "type": "DisruptionTarget",
    "status": "True",
    "reason": "EvictionByEvictionAPI",
    "message": "drained",
}


@pytest.mark.parametrize(
    ("ended", "kind", "retryable", "says"),
    [
        (terminated(137, "OOMKilled"), "memory", False, "the 1.00 GiB it may use"),
        (terminated(143), "killed", True, "killed by signal 15 (exit code 143)"),
        (terminated(1), "killed", True, "ended with exit code 1"),
        (terminated(143, conditions=[EVICTED]), "killed", True, "evicted from its node: drained"),
        (pod(phase="Failed", reason="DeadlineExceeded"), "timeout", True, "after 1 hour"),
        (
            pod(phase="Failed", reason="OutOfcpu", message="no cpu"),
            "killed",
            True,
            "failed (OutOfcpu): no cpu",
        ),
        (
            evicted('Usage of EmptyDir volume "scratch" exceeds the limit "1Gi". '),
            "disk",
            False,
            "disk is full",
        ),
        (evicted("The node was low on resource: ephemeral-storage."), "killed", True, "(Evicted): The node"),
        (pod(phase="Running"), "killed", True, "on node-1 is gone"),
        (None, "killed", True, "the step's pod is gone"),
    ],
    ids=["memory", "sigterm", "crash", "evicted", "time", "node", "scratch", "full node", "running", "none"],
)
def test_why_a_pod_without_a_result_ended(
    ended: dict[str, Any] | None, kind: str, retryable: bool, says: str
) -> None:
    error = why_it_ended(ended)
    assert (error.kind, error.retryable) == (kind, retryable)
    assert says in error.message


def waits(why: str, placed: str = "True", **condition: str) -> dict[str, Any]:
    scheduled = {"type": "PodScheduled", "status": placed, "lastTransitionTime": BEFORE, **condition}
    state = {"waiting": {"reason": why, "message": "why"}}
    return pod(phase="Pending", conditions=[scheduled], containerStatuses=[{"name": "step", "state": state}])


NO_CLAIM = 'persistentvolumeclaim "checkpoints" not found'
HOURS, MINUTES = timedelta(hours=2), timedelta(minutes=30)


@pytest.mark.parametrize(
    ("found", "patience", "says"),
    [
        (waits("InvalidImageName"), HOURS, "image 'image:1' cannot be had (InvalidImageName)"),
        (waits("ImagePullBackOff"), HOURS, "image 'image:1' cannot be had (ImagePullBackOff): why"),
        (waits("CreateContainerConfigError"), HOURS, "cannot be made (CreateContainerConfigError)"),
        (waits("ContainerCreating"), HOURS, ""),
        (waits("ContainerCreating"), MINUTES, "had a node for 1 hour and did not begin"),
        (waits("", "False", reason="Unschedulable", message="0/3"), HOURS, ""),
        (waits("", "False", reason="Unschedulable", message="0/3"), MINUTES, "for 1 hour: 0/3; make room"),
        (waits("", "False", reason="SchedulingGated"), MINUTES, ""),
        (
            waits("", "False", message=f"0/3: {NO_CLAIM}. preemption"),
            HOURS,
            f"is not there: {NO_CLAIM}; make it",
        ),
        (pod(phase="Running"), MINUTES, ""),
    ],
    ids=[
        *("name", "pull", "config", "pulling", "pulled long"),
        *("patient", "impatient", "queued", "no claim", "running"),
    ],
)
def test_what_a_pod_waits_for_in_vain(found: dict[str, Any], patience: timedelta, says: str) -> None:
    error = stuck(found, NOW, patience, "")
    assert says in error.message if says and error else not says and error is None, json.dumps(found)


@pytest.mark.parametrize(
    ("claims", "warning", "says"),
    [
        (
            [],
            'FailedMount: MountVolume.SetUp failed for volume "secrets" : secret "x" not found',
            "cannot be made",
        ),
        (
            ["kept"],
            'FailedMount: MountVolume.SetUp failed for volume "secrets" : secret "x"',
            "cannot be made",
        ),
        (["kept"], "FailedMount: Unable to attach or mount volumes: unmounted volumes=[kept-0]", ""),
    ],
    ids=["no secret", "no secret beside a claim", "a claim that another node holds"],
)
def test_a_volume_that_another_node_holds_is_waited_for(claims: list[str], warning: str, says: str) -> None:
    found = waits("ContainerCreating")
    found["spec"]["volumes"] = [
        {"name": name, "persistentVolumeClaim": {"claimName": name}} for name in claims
    ]
    error = stuck(found, NOW, HOURS, warning)
    assert says in error.message if says and error else not says and error is None


def test_a_pod_that_is_not_gone_when_it_should_be_is_lost_with_its_node() -> None:
    found = pod(phase="Running")
    assert not lost(found, NOW)
    found["metadata"]["deletionTimestamp"] = BEFORE
    assert lost(found, NOW)
    assert not lost(found, datetime(2026, 1, 1, 11, 0, 10, tzinfo=UTC))


def test_a_pod_that_is_taken_off_its_node_before_it_was_seen_to_begin_is_tried_again() -> None:
    taken = {"type": "DisruptionTarget", "status": "True", "reason": "DeletionByTaintManager"}
    found = waits("ContainerCreating")
    found["status"]["conditions"].append(taken)
    assert stuck(found, NOW, MINUTES, "") is not None
    found["metadata"]["deletionTimestamp"] = BEFORE
    assert stuck(found, NOW, MINUTES, "") is None
    assert why_it_ended(found).retryable
