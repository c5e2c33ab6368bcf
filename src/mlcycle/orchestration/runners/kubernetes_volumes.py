"""Volumes that outlive a step's pod: claims of the steps' namespace, mounted where a deployment says."""

import re
from collections.abc import Collection, Mapping
from pathlib import PurePosixPath
from typing import Any, Final

from mlcycle.errors import ConfigError
from mlcycle.orchestration.placement import chosen

VOLUMES: Final = "KUBERNETES_VOLUMES"
#: The group of the images' user: the kubelet gives it a new volume, whose owner is root. A process of any
#: other user is put into it as well.
GROUP: Final = 50000
_CLAIM = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*")


def claims(env: Mapping[str, str], step: str, own: Collection[str]) -> dict[str, str]:
    """Names of a step's PersistentVolumeClaims, with the path of each in its pods.

    Args:
        env: ``MLCYCLE_KUBERNETES_VOLUMES_<STEP>``, else ``MLCYCLE_KUBERNETES_VOLUMES``: ``CLAIM:/PATH``,
            separated by commas.
        step: the step.
        own: paths that every pod has something at.

    Raises:
        ConfigError: one line that names what is wrong.
    """
    found: dict[str, str] = {}
    for text in filter(None, map(str.strip, chosen(env, VOLUMES, step).split(","))):
        claim, _, path = text.partition(":")
        if len(claim) > 253 or not _CLAIM.fullmatch(claim):
            raise _wrong(
                step, f"{text!r} is not CLAIM:/PATH, the name of a PersistentVolumeClaim before the path"
            )
        if (
            not path.startswith("/")
            or ":" in path
            or path != str(PurePosixPath(path))
            or ".." in path.split("/")
        ):
            raise _wrong(step, f"{text!r} is not CLAIM:/PATH, with an absolute path")
        for other in own:
            if _within(path, other) or _within(other, path):
                raise _wrong(
                    step, f"{text!r} would cover {other}, which every pod of a step has: choose another path"
                )
        if claim in found or any(_within(path, other) or _within(other, path) for other in found.values()):
            raise _wrong(step, f"{text!r} names a claim twice, or a path within another's")
        found[claim] = path
    return found


def security(volumes: Collection[str]) -> dict[str, Any]:
    """What a pod's security context says, so that its process may write to these volumes."""
    if not volumes:
        return {}
    # A volume that is the group's already is not walked through: it may hold much.
    return {"fsGroup": GROUP, "fsGroupChangePolicy": "OnRootMismatch"}


def _within(path: str, other: str) -> bool:
    return PurePosixPath(path).is_relative_to(other)


def _wrong(step: str, what: str) -> ConfigError:
    return ConfigError(f"MLCYCLE_{VOLUMES} of step {step!r}: {what}")
