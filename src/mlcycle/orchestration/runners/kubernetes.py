"""Runs each step as a pod of a Kubernetes cluster; a training on several nodes as an Indexed Job of pods.

The pod is named for its work, and says it in its annotations: whoever comes later finds it. It runs as the
image's user on a read-only root, without rights and without a token; its secrets are files of mounted
Secrets, so that nobody who reads pods, events or logs sees one. Request and result lie in the artifact store.

Besides the settings of a step (whose addresses are those that a pod reaches):

``MLCYCLE_IMAGE``, ``MLCYCLE_IMAGE_<STEP>``
    The image, ``mlcycle-step`` or one made from it.
``MLCYCLE_INSTANCE``
    The platform's name, where several share a namespace (``naming``).
``MLCYCLE_KUBERNETES_NAMESPACE``
    The namespace of the steps; that of the service account or of KUBECONFIG's context if it is not set.
``MLCYCLE_KUBERNETES_SECRET``
    What the Secrets' names begin with. ``NAME-<role>`` (``ingest``, ``train``, ``promote``) has the keys
    ``MLCYCLE_WAREHOUSE_DSN`` and, where there are such, ``MLCYCLE_EVIDENTLY_SECRET``, ``AWS_ACCESS_KEY_ID``,
    ``AWS_SECRET_ACCESS_KEY``, ``AWS_SESSION_TOKEN``, any setting whose address holds a password (it is not
    among the pod's own variables). ``NAME-project-<project>``, hyphens for underscores, has the keys
    ``MLCYCLE_SECRET_<PROJECT>__<WORD>`` of a project's secrets; it may be missing.
``MLCYCLE_KUBERNETES_POOLS``
    Pools of nodes, JSON: ``{"cpu": {...}, "gpu": {...}, "gpu:KIND": {...}}``; the keys are those of
    :class:`~mlcycle.orchestration.runners.kubernetes_pools.Pool`.
``MLCYCLE_KUBERNETES_VOLUMES``, ``MLCYCLE_KUBERNETES_VOLUMES_<STEP>``
    PersistentVolumeClaims of that namespace that steps see, ``CLAIM:/PATH`` separated by commas: where
    ``MLCYCLE_CHECKPOINTS`` outlives a training's pod. Every pod of a gang mounts them, and so does each
    candidate that trains at the same time: on several nodes a claim must be ReadWriteMany.
``MLCYCLE_KUBERNETES_PENDING``
    Seconds that a pod may wait for a node, and again for its image (1800); a wrong image and a missing Secret
    are told after three minutes at most.

The API is reached by the pod's own service account, else by KUBECONFIG. What it may do, in that namespace
alone: pods and batch/jobs create, get, list, watch, delete; services create; pods/log get; events list. Pods
of a gang talk to each other on ports of their own choice: a network policy lets those with the label
``mlcycle.dev/gang`` do so.
"""

import json
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import ClassVar

from mlcycle.contract import ErrorInfo, Request, Result
from mlcycle.errors import ConfigError, InputError, MlcycleError, Unavailable
from mlcycle.orchestration.placement import Placement
from mlcycle.orchestration.runners.base import Full, Handle
from mlcycle.orchestration.runners.ending import failed, over_time
from mlcycle.orchestration.runners.exchange import Exchange
from mlcycle.orchestration.runners.kubernetes_api import Api, Exists, Missing, Object, QuotaExceeded
from mlcycle.orchestration.runners.kubernetes_events import Events
from mlcycle.orchestration.runners.kubernetes_fate import (
    began_at,
    given_time,
    lost,
    moment,
    stuck,
    why_it_ended,
)
from mlcycle.orchestration.runners.kubernetes_follow import Follower, ended_or_gone, phase
from mlcycle.orchestration.runners.kubernetes_pods import OURS, WORK, documents, ours
from mlcycle.orchestration.runners.kubernetes_pools import pending
from mlcycle.orchestration.runners.naming import step_digest, step_name

GRACE = 2  # seconds between SIGTERM and SIGKILL of a step that is cancelled
SILENCE = 120.0  # seconds that the API may not answer
DRAIN = 5.0  # seconds that the last lines of a pod that ended may take
CLEARING = 90.0  # seconds that a pod before this one may take to be gone
LETTING_GO = 5.0  # seconds that readers have to notice that they shall stop
NEVER_SEEN = 5.0  # seconds after which a Job without any pod is looked at


@dataclass
class _Followed:
    """A step that this worker looks at."""

    kind: str
    name: str
    uid: str
    count: int  # pods it has
    follower: Follower
    events: Events
    handed_on: int = 0
    over: ErrorInfo | None = None  # why it was ended before its end
    until: float = 0.0  # when to wait no longer for an end that was asked for, or for its last lines


class KubernetesRunner:
    """Steps as pods of one namespace."""

    durable: ClassVar[bool] = True
    away: ClassVar[timedelta | None] = timedelta(minutes=2)
    stay: ClassVar[float] = 10.0

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = env
        self._api: Api | None = None
        self._patience = pending(env)
        self._followed: dict[str, _Followed] = {}

    def submit(self, request: Request, placement: Placement, *, role: str) -> Handle:
        """Start the step's pod or pods, or find those that this work has running."""
        exchange = Exchange(self._env, request.work)
        kind, document, service = documents(self._env, request, placement, role, exchange)
        with self._connected() as api:
            made = self._make(api, kind, document, request, exchange)
            if service is not None:
                owner = {"apiVersion": "batch/v1", "kind": "Job"}
                owner |= {"name": made["metadata"]["name"], "uid": made["metadata"]["uid"]}
                service["metadata"]["ownerReferences"] = [owner]
                with suppress(Exists):
                    api.create("services", service)
        return _handle(kind, made, request.work, exchange)

    def poll(self, handle: Handle, seconds: float) -> bool:
        """Wait for the step's end or its next lines; end it where it is over its time or waits in vain."""
        with self._connected() as api:
            step = self._followed.get(handle.id) or self._follow(api, handle)
            if step is None:
                return True
            follower = step.follower
            follower.wait(seconds, step.handed_on)
            silent = follower.silent_since
            if silent is not None and time.monotonic() - silent > SILENCE:
                raise Unavailable(
                    f"the Kubernetes API has not answered for {SILENCE:.0f} s; the step may go on without "
                    "it, and is looked for again"
                )
            if silent is None:
                self._listen(step)
                self._limit(api, step)
            return self._through(api, step, handle)

    def logs(self, handle: Handle, since: int) -> tuple[Sequence[str], int]:
        """Lines since; those before them are forgotten."""
        step = self._followed.get(handle.id)
        if step is None:
            return [], since
        found, step.handed_on = step.follower.after(since)
        return found, step.handed_on

    def leave(self, handle: Handle) -> Handle:
        """The handle with what was handed on of each pod's lines and of the events."""
        step = self._followed.get(handle.id)
        if step is None:
            return handle
        told = {"pods": step.follower.position(step.handed_on), "events": step.events.known}
        return handle.model_copy(update={"told": json.dumps(told)})

    def cancel(self, handle: Handle) -> None:
        """SIGTERM, then SIGKILL after two seconds; pods and both documents are gone then."""
        # A connection of its own: this may be a signal handler amid a request of the other.
        api = Api(self._env)
        with suppress(MlcycleError, Missing):
            kind, name = self._named(handle)
            if self._inspect(api, handle) is not None:
                _remove(api, kind, name, grace=GRACE)
                until = time.monotonic() + GRACE + 1
                with suppress(Missing):
                    while time.monotonic() < until:
                        api.get(kind, name)
                        time.sleep(0.2)
                Exchange(self._env, handle.work).clear()
        api.close()

    def result(self, handle: Handle, request: Request) -> Result:
        """What the step wrote, else why it could not."""
        result = Exchange(self._env, request.work).result()
        if result is None:
            step = self._followed.get(handle.id)
            error = (step and step.over) or why_it_ended(_culprit(self._pods(handle)))
            result = failed(request, handle.started_at, error)
        return result

    def clear(self, handle: Handle) -> None:
        """Remove pods and documents."""
        kind, name = self._named(handle)
        gone = any(lost(pod, datetime.now(UTC)) for pod in self._pods(handle))
        with suppress(Missing), self._connected() as api:
            if self._inspect(api, handle) is not None:
                _remove(api, kind, name, grace=GRACE, lost=gone)
        Exchange(self._env, handle.work).clear()

    def close(self) -> None:
        """Let go of the connections; pods go on."""
        followers = [step.follower for step in self._followed.values()]
        for follower in followers:
            follower.close()
        if self._api is not None:
            self._api.interrupt()
            # One that reads on keeps its connection: closed below it, it would read what is not its own.
            ended = [follower.ended(LETTING_GO) for follower in followers]
            if all(ended):
                self._api.close()
            self._api = None

    def works(self) -> Iterator[Handle]:
        """Every step of this platform's Airflow tasks that has a pod or a Job, running or not."""
        selector = ",".join(f"{name}={value}" for name, value in ours(self._env).items())
        with self._connected() as api:
            for kind in ("pods", "jobs"):
                for found in api.get(kind, "", labelSelector=selector)["items"]:
                    notes = found["metadata"].get("annotations") or {}
                    work, owned = notes.get(WORK, ""), found["metadata"].get("ownerReferences")
                    named = found["metadata"]["name"] == step_name(self._env, work)
                    if notes.get(f"{OURS}dag") and named and not owned:
                        yield _handle(kind, found, work, Exchange(self._env, work))

    @contextmanager
    def _connected(self) -> Iterator[Api]:
        if self._api is None:
            self._api = Api(self._env)
        yield self._api

    def _make(self, api: Api, kind: str, document: Object, request: Request, exchange: Exchange) -> Object:
        """The pod or Job: the one that this work has running, or a new one once what is left is gone."""
        name, until = document["metadata"]["name"], time.monotonic() + CLEARING
        while True:
            try:
                found = api.get(kind, name)
            except Missing:
                try:
                    exchange.put(request)
                    return api.create(kind, document)
                except Exists:
                    continue
                except QuotaExceeded as refusal:
                    exchange.clear()
                    raise Full(f"no room for the step's pod: {refusal}", self._patience) from None
                except Missing:
                    exchange.clear()
                    raise ConfigError(
                        f"MLCYCLE_KUBERNETES_NAMESPACE={api.namespace}: there is no such namespace"
                    ) from None
                except BaseException:
                    exchange.clear()
                    raise
            if _runs(kind, found, request.work):
                return found
            if time.monotonic() > until:
                raise Unavailable(f"{name} of an earlier try is still there after {CLEARING:.0f} s")
            _remove(api, kind, name, grace=GRACE, lost=lost(found, datetime.now(UTC)))
            time.sleep(0.3)

    def _follow(self, api: Api, handle: Handle) -> _Followed | None:
        try:
            found = self._inspect(api, handle)
        except Missing:
            found = None
        if found is None:
            return None
        kind, name = self._named(handle)
        told = _told(handle.told)
        step = _Followed(
            kind=kind,
            name=name,
            uid=found["metadata"]["uid"],
            count=int(found["spec"].get("completions", 1)),
            follower=Follower(api, f"{WORK}={step_digest(self._env, handle.work)}", handle.told),
            events=Events(api, told),
        )
        self._followed[handle.id] = step
        return step

    def _listen(self, step: _Followed) -> None:
        """Put what the cluster says about the step among its lines."""
        pods = list(step.follower.pods.values())
        uids = dict.fromkeys([step.uid, *(pod["metadata"]["uid"] for pod in pods)])
        running = len(pods) == step.count and all(phase(pod) == "Running" for pod in pods)
        with suppress(Unavailable, Missing):
            for line in step.events.new(uids, running=running):
                step.follower.say(line)

    def _named(self, handle: Handle) -> tuple[str, str]:
        """Kind and name of a handle's object: a handle is not to be trusted, but its work has one name."""
        kind, _, name = handle.id.partition("/")
        if kind not in ("pods", "jobs") or name != step_name(self._env, handle.work):
            raise InputError(f"{handle.id!r} is no handle of this work")
        return kind, name

    def _pods(self, handle: Handle) -> list[Object]:
        """The step's pods as this worker saw them last."""
        step = self._followed.get(handle.id)
        return list(step.follower.pods.values()) if step is not None else []

    def _inspect(self, api: Api, handle: Handle) -> Object | None:
        """The handle's object, if it is there and of this work."""
        try:
            found = api.get(*self._named(handle))
        except Missing:
            return None
        return found if (found["metadata"].get("annotations") or {}).get(WORK) == handle.work else None

    def _limit(self, api: Api, step: _Followed) -> None:
        """End the step where it is over its time, or waits for what will not come."""
        if step.over is not None:
            return
        now, pods = datetime.now(UTC), list(step.follower.pods.values())
        began = min((found for pod in pods if (found := began_at(pod)) is not None), default=None)
        if began is not None and now - began >= given_time(pods[0]):
            step.over = over_time(given_time(pods[0]))
        for pod in pods:
            step.over = step.over or stuck(pod, now, self._patience, step.events.warning)
        if not pods and step.kind == "jobs":
            step.over = self._without_pods(api, step, now)
        if step.over is not None:
            step.until = time.monotonic() + GRACE + DRAIN
            with suppress(Missing):
                _remove(api, step.kind, step.name, grace=GRACE)

    def _without_pods(self, api: Api, step: _Followed, now: datetime) -> ErrorInfo | None:
        """Why a Job that has no pods gets none, once it has had its time."""
        with suppress(Missing):
            job = api.get(step.kind, step.name)
            if (
                job["spec"].get("suspend")
                or now - moment(job["metadata"]["creationTimestamp"]) < self._patience
            ):
                return None
        message = f"no pod was made for the step: {step.events.warning or 'the cluster does not say why'}"
        return ErrorInfo(kind="config", message=message, retryable=False)

    def _through(self, api: Api, step: _Followed, handle: Handle) -> bool:
        """The step ended, and its last lines are there."""
        follower = step.follower
        if not follower.listed:
            return False
        pods, now = dict(follower.pods), datetime.now(UTC)
        if step.over is None and step.kind == "pods" and follower.drained & pods.keys():
            result = Exchange(self._env, handle.work).result()
            if result is not None:
                return True  # the kubelet tells the end a second later
        ended = [name for name in pods if ended_or_gone(follower, name) or lost(pods[name], now)]
        failed = [name for name in ended if name in follower.gone or phase(pods[name]) != "Succeeded"]
        if step.over is None and failed and step.kind == "jobs":
            step.over = why_it_ended(_culprit([pods[name] for name in failed]))
        if failed or step.over or len(ended) >= step.count:
            step.until = step.until or time.monotonic() + DRAIN
            last = all(name in follower.drained for name in pods if name in ended)
            return (last and (bool(ended) or not pods)) or time.monotonic() > step.until
        return not pods and step.kind == "pods"


def _handle(kind: str, found: Object, work: str, exchange: Exchange) -> Handle:
    return Handle(
        runner="kubernetes",
        id=f"{kind}/{found['metadata']['name']}",
        work=work,
        place=exchange.place,
        started_at=moment(found["metadata"]["creationTimestamp"]),
    )


def _runs(kind: str, found: Object, work: str) -> bool:
    """It is this work's, and has not ended nor is about to."""
    meta = found["metadata"]
    if meta.get("deletionTimestamp") or (meta.get("annotations") or {}).get(WORK) != work:
        return False
    if kind == "pods":
        return phase(found) not in ("Succeeded", "Failed")
    conditions = found.get("status", {}).get("conditions") or []
    over = ("Complete", "Failed", "FailureTarget", "SuccessCriteriaMet")
    return not any(one["type"] in over and one["status"] == "True" for one in conditions)


def _remove(api: Api, kind: str, name: str, *, grace: int, lost: bool = False) -> None:
    """Remove a pod, or a Job with its pods. What a lost node does not let go of is taken off the books:
    should the step be alive there, the ledger's fencing token refuses what it publishes.
    """
    if kind == "jobs":
        api.delete(kind, name)
        with suppress(Missing):
            for pod in api.get("pods", "", labelSelector=f"batch.kubernetes.io/job-name={name}")["items"]:
                gone = lost and pod["metadata"].get("deletionTimestamp")
                api.delete("pods", pod["metadata"]["name"], 0 if gone else grace)
        return
    api.delete(kind, name, 0 if lost else grace)


def _culprit(pods: Sequence[Object]) -> Object | None:
    """Of a gang's pods the one that ended first, and by itself."""

    def order(pod: Object) -> tuple[bool, str]:
        ended = why_it_ended(pod)
        state = next((one.get("state") or {} for one in pod["status"].get("containerStatuses") or []), {})
        finished = str((state.get("terminated") or {}).get("finishedAt") or "9")
        return "exit code 143" in ended.message, finished

    return min(pods, key=order, default=None)


def _told(text: str) -> list[str]:
    with suppress(ValueError, TypeError, KeyError):
        return [str(one) for one in json.loads(text)["events"]]
    return []
