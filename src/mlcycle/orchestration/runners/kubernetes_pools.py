"""Where on a cluster steps go: a deployment's pools. A project says ``gpu: 1`` and never a node label."""

import json
from collections.abc import Mapping
from datetime import timedelta
from typing import Annotated, Any, Final

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from mlcycle.errors import ConfigError
from mlcycle.project import Limits

POOLS: Final = "MLCYCLE_KUBERNETES_POOLS"
PENDING: Final = "MLCYCLE_KUBERNETES_PENDING"
GPU: Final = "nvidia.com/gpu"
Quantity = Annotated[str, Field(pattern=r"^\d{1,6}(Mi|Gi|Ti)$")]
Share = Annotated[float, Field(gt=0, le=1)]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    node_selector: dict[str, str] = {}
    tolerations: list[dict[str, Any]] = []
    priority_class: str = ""
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}


class Pool(_Part):
    """How the pods of one pool look. ``spot`` is added for a candidate that says it may run there."""

    resource: str = GPU  # what a GPU is called; only asked of where a step wants GPUs
    service_account: str = ""  # its token is never mounted; empty is the namespace's default
    image_pull_secrets: list[str] = []
    pull_policy: str = "IfNotPresent"
    runtime_class: str = ""
    scratch: Quantity = "10Gi"  # of the node's disk; more than that ends the step
    cpu_request: Share = 1.0  # share of the limits that a pod asks for: what the node must have free
    memory_request: Share = 1.0
    lost_after: Annotated[int, Field(ge=0, le=3600)] = 60  # seconds that a node may not answer
    grace: Annotated[int, Field(ge=2, le=600)] = 30  # seconds between SIGTERM and SIGKILL, for a checkpoint
    spot: _Part = _Part()


def pools(env: Mapping[str, str]) -> dict[str, Pool]:
    """A deployment's pools by name. Raises ConfigError, one line, for a key that no pool has."""
    text = env.get(POOLS) or "{}"
    try:
        given = json.loads(text)
    except ValueError as error:
        raise ConfigError(f"{POOLS} is not JSON: {error}") from None
    if not isinstance(given, dict):
        raise ConfigError(f"{POOLS} is not an object of pools by name")
    found = {}
    for name, pool in {"cpu": {}, "gpu": {}, **given}.items():
        if name not in ("cpu", "gpu") and not name.startswith("gpu:"):
            raise ConfigError(f"{POOLS}: no pool {name!r}: there are cpu, gpu, and gpu:KIND")
        try:
            made = Pool.model_validate(pool)
        except ValidationError as error:
            first = error.errors(include_url=False, include_input=False)[0]
            where = ".".join(map(str, first["loc"])) or "pool"
            what = first["msg"]
            if first["type"] == "extra_forbidden":
                what = f"no such key: there are {', '.join(Pool.model_fields)}"
            raise ConfigError(f"{POOLS}: {name}.{where}: {what}") from None
        if name != "cpu" and "tolerations" not in made.model_fields_set:  # the taint that such nodes have
            made = made.model_copy(update={"tolerations": [{"key": made.resource, "operator": "Exists"}]})
        found[name] = made
    return found


def pool_of(env: Mapping[str, str], limits: Limits) -> Pool:
    """The pool of a step with these limits. Raises ConfigError for a kind of GPU that there is not."""
    there = pools(env)
    name = "cpu" if not limits.gpu else f"gpu:{limits.gpu_kind}" if limits.gpu_kind else "gpu"
    if name not in there:
        kinds = [pool.removeprefix("gpu:") for pool in there if pool.startswith("gpu:")]
        known = ", ".join(kinds) or "none"
        raise ConfigError(f"gpu_kind {limits.gpu_kind!r}: no such pool here; there are {known} ({POOLS})")
    pool = there[name]
    if not limits.spot:
        return pool
    spot = pool.spot
    return pool.model_copy(
        update={
            "node_selector": {**pool.node_selector, **spot.node_selector},
            "tolerations": [*pool.tolerations, *spot.tolerations],
            "priority_class": spot.priority_class or pool.priority_class,
            "labels": {**pool.labels, **spot.labels},
            "annotations": {**pool.annotations, **spot.annotations},
        }
    )


def pending(env: Mapping[str, str]) -> timedelta:
    """How long a pod may wait for a node, and then for its image, before the step fails."""
    text = env.get(PENDING) or "1800"
    if not text.isdecimal() or not 1 <= int(text) <= 7 * 86_400:
        raise ConfigError(f"{PENDING}={text}: seconds, from 1 to a week")
    return timedelta(seconds=int(text))
