"""What a step is called where it runs.

Several platforms may share an engine or a namespace, and their tasks the same names: none of them takes
another's step for its own, nor ends it. ``MLCYCLE_INSTANCE`` is the platform's name there; a local platform,
compose and the chart each set one of their own.
"""

import hashlib
import re
from collections.abc import Mapping

from mlcycle.errors import ConfigError

VARIABLE = "MLCYCLE_INSTANCE"
_LABEL = re.compile(r"([A-Za-z0-9]([A-Za-z0-9._-]{0,61}[A-Za-z0-9])?)?")


def instance(env: Mapping[str, str]) -> str:
    """The platform's name as a label's value; empty where it has none. Raises ConfigError."""
    name = env.get(VARIABLE, "")
    if not _LABEL.fullmatch(name):
        raise ConfigError(f"{VARIABLE}={name!r}: letters, digits, and . _ - between them, 63 at most")
    return name


def work_digest(work: str) -> str:
    """A name for the work that every transport can use: hexadecimal, 24 characters."""
    return hashlib.sha256(work.encode()).hexdigest()[:24]


def step_digest(env: Mapping[str, str], work: str) -> str:
    """The same for the step that does this platform's work."""
    name = instance(env)
    return work_digest(f"{name}\n{work}" if name else work)


def step_name(env: Mapping[str, str], work: str) -> str:
    """Of the container, the pod or the Job that does this work."""
    return f"mlcycle-{step_digest(env, work)}"
