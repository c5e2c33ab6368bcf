"""What became of a pod, out of its status: what it waits for in vain, and why it ended."""

import re
from datetime import UTC, datetime, timedelta

from mlcycle.contract import ErrorInfo
from mlcycle.orchestration.runners.ending import ended_with, out_of_memory, over_time, told
from mlcycle.orchestration.runners.kubernetes_api import Object
from mlcycle.orchestration.runners.kubernetes_follow import container, phase
from mlcycle.orchestration.runners.kubernetes_pods import MEMORY, SECONDS

#: An image, a Secret or a claim that is not there is a person's mistake, and told sooner than a full cluster.
MISTAKE = timedelta(minutes=3)
AT_ONCE = ("InvalidImageName", "ErrImageNeverPull")
IMAGE = ("ErrImagePull", "ImagePullBackOff", "RegistryUnavailable", "ImageInspectError", *AT_ONCE)
CONTAINER = ("CreateContainerConfigError", "CreateContainerError", "RunContainerError")
NO_CLAIM = re.compile(r'persistentvolumeclaim "[^"]*" not found')  # as the scheduler says it (1.34)
UNREACHED = timedelta(
    seconds=15
)  # past its grace that a pod may take to be gone before its node counts as lost


def stuck(pod: Object, now: datetime, patience: timedelta, warning: str) -> ErrorInfo | None:
    """Why a pod that has not begun never will, once it has had its time; None while it may still begin.

    A pod that a queue holds back (Kueue) waits for its turn, however long. One that is taken off its node
    waits for nothing more: a node may be lost before it said that the step began, which is worth a retry.

    Args:
        pod: as last seen.
        now: the moment.
        patience: for a node, and then for the image and the volumes.
        warning: the newest warning among its events.
    """
    if phase(pod) != "Pending" or pod["metadata"].get("deletionTimestamp"):
        return None
    placed = _condition(pod, "PodScheduled")
    if placed.get("status") != "True":
        waited = now - moment(placed.get("lastTransitionTime") or pod["metadata"]["creationTimestamp"])
        why = _line(placed.get("message") or warning)
        if (claim := NO_CLAIM.search(why)) and waited >= min(patience, MISTAKE):
            return _final(
                f"the step's volume is not there: {claim[0]}; make it, or name another "
                "(MLCYCLE_KUBERNETES_VOLUMES)"
            )
        if placed.get("reason") == "SchedulingGated" or waited < patience:
            return None
        return _final(
            f"no node took the step's pod for {told(waited)}: {why or 'the scheduler said nothing'}; "
            "make room, or let it ask for less in the project file"
        )
    waited = now - moment(placed["lastTransitionTime"])
    waiting = container(pod).get("waiting") or {}
    reason, said = str(waiting.get("reason", "")), _line(waiting.get("message"))
    soon = min(patience, MISTAKE)
    image = next((one.get("image") for one in pod["spec"]["containers"] if one["name"] == "step"), "")
    if reason in AT_ONCE or (reason in IMAGE and waited >= soon):
        return _final(f"the image {image!r} cannot be had ({reason}): {said or warning}")
    if reason in CONTAINER and waited >= soon:
        return _final(f"the step's container cannot be made ({reason}): {said or warning}")
    if "FailedMount" in warning and waited >= soon and not _may_be_held(pod, warning):
        return _final(f"the step's pod cannot be made: {warning}")
    if waited >= patience and "terminated" not in container(pod):
        what = said or warning or f"its image {image!r} is still being pulled, or a volume mounted"
        return _final(f"the step's pod had a node for {told(waited)} and did not begin: {what}")
    return None


def _may_be_held(pod: Object, warning: str) -> bool:
    """The mount that failed may be of a claim, and the node of the pod before hold it still: that passes."""
    claimed = any("persistentVolumeClaim" in volume for volume in pod["spec"].get("volumes") or [])
    return claimed and 'volume "secrets"' not in warning


def why_it_ended(pod: Object | None) -> ErrorInfo:
    """Why a pod that left no result ended, or is gone."""
    if pod is None:
        return _killed("the step's pod is gone")
    status, notes = pod.get("status", {}), pod["metadata"].get("annotations") or {}
    ended = container(pod).get("terminated")
    if ended is not None and ended.get("reason") == "OOMKilled":
        return out_of_memory(float(notes.get(MEMORY, 0)))
    reason, said = str(status.get("reason", "")), _line(status.get("message"))
    if reason == "DeadlineExceeded":
        return over_time(given_time(pod))
    if reason == "Evicted" and FULL.search(said):
        return ErrorInfo(
            kind="disk", message=f"the step was ended, its disk is full: {said}", retryable=False
        )
    disrupted = _condition(pod, "DisruptionTarget")
    if disrupted.get("status") == "True":
        what = DISRUPTED.get(str(disrupted.get("reason")), str(disrupted.get("reason")))
        return _killed(f"the step's pod was {what}: {_line(disrupted.get('message'))}")
    if reason:
        return _killed(f"the step's pod failed ({reason}): {said}")
    if ended is not None and not lost(pod, datetime.now(UTC)):
        return ended_with(ended.get("exitCode"))
    node = pod["spec"].get("nodeName") or "its node"
    if pod["metadata"].get("deletionTimestamp"):
        return _killed(f"the step's pod was deleted, or {node} was lost")
    return _killed(f"the step's pod on {node} is gone")


#: How the kubelet says that a pod used more of the disk than it may (1.34); of a full node it says otherwise.
FULL = re.compile(
    r"(EmptyDir volume .*|ephemeral local storage usage )exceeds the |exceeded its local ephemeral"
)

#: Reasons of the condition DisruptionTarget.
DISRUPTED = {
    "PreemptionByScheduler": "preempted by one of a higher priority",
    "EvictionByEvictionAPI": "evicted from its node",
    "DeletionByTaintManager": "taken off a node that was lost or closed",
    "DeletionByPodGC": "on a node that is gone",
    "TerminationByKubelet": "ended by its node",
}


def lost(pod: Object, now: datetime) -> bool:
    """The pod was to be gone by now and is not: its node does not answer."""
    until = pod["metadata"].get("deletionTimestamp")
    return until is not None and now - moment(until) > UNREACHED


def began_at(pod: Object) -> datetime | None:
    """When the step's process started, where it did."""
    state = container(pod)
    found = (state.get("running") or state.get("terminated") or {}).get("startedAt")
    return moment(found) if found else None


def given_time(pod: Object) -> timedelta:
    """The time that the step may take."""
    return timedelta(seconds=float((pod["metadata"].get("annotations") or {}).get(SECONDS, 0)))


def moment(text: str) -> datetime:
    """A time as the API writes it."""
    return datetime.fromisoformat(text)


def _condition(pod: Object, kind: str) -> Object:
    for one in pod.get("status", {}).get("conditions") or []:
        if one["type"] == kind:
            return dict(one)
    return {}


def _line(text: object) -> str:
    return " ".join(str(text or "").split())[:400]


def _final(message: str) -> ErrorInfo:
    return ErrorInfo(kind="config", message=message, retryable=False)


def _killed(message: str) -> ErrorInfo:
    return ErrorInfo(kind="killed", message=f"{message}; it will be tried again", retryable=True)
