"""Errors by what the caller should do about them.

A step never decides about its own retry: it raises one of these, and the exit code
(:mod:`mlcycle.contract`) tells whoever started it. A message is one line: what was wrong,
what was expected, what to do.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import ClassVar


class MlcycleError(Exception):
    """Base of every error a person may see; ``kind`` is stable and machine-readable."""

    kind: ClassVar[str] = "error"
    retryable: ClassVar[bool] = False
    rejects_data: ClassVar[bool] = False

    @property
    def message(self) -> str:
        """The error as one line."""
        return " ".join(str(self).split())


class ConfigError(MlcycleError):
    """A project file, a setting or an argument is wrong; a person must change it.

    Several mistakes are one error; ``problems`` has each of them as a line.
    """

    kind = "config"

    def __init__(self, *problems: str) -> None:
        super().__init__("; ".join(problems))
        self.problems = [" ".join(each.split()) for each in problems]


class InputError(MlcycleError):
    """What the step was given does not fit: an unknown partition, a missing dataset, a bad name."""

    kind = "input"


class DataRejected(MlcycleError):
    """The data did not pass; the same data will not pass again. ``links`` lead to what shows why."""

    kind = "data"
    rejects_data = True

    def __init__(self, message: str, *, links: Mapping[str, str] | None = None) -> None:
        super().__init__(message)
        self.links = dict(links or {})


class IntegrityError(MlcycleError):
    """An artifact is not what its digest says; it is refused before it is opened."""

    kind = "integrity"


class LeakageError(MlcycleError):
    """A feature knows what was not known at prediction time; training is blocked."""

    kind = "leakage"


class Superseded(MlcycleError):
    """A newer attempt of the same work holds the fencing token; this one may not publish."""

    kind = "superseded"


class Conflict(MlcycleError):
    """A compare-and-set lost: the state moved on since it was read."""

    kind = "conflict"


class NotYet(MlcycleError):
    """Something the step waits for is not there yet, and that is no failure: look again at ``again_at``.

    Whoever started the step lets go of its slot until then, and counts no try.
    """

    kind = "waiting"
    retryable = True

    def __init__(self, message: str, again_at: datetime) -> None:
        super().__init__(message)
        self.again_at = again_at


class Unavailable(MlcycleError):
    """A service or a file did not answer; trying again later is the answer."""

    kind = "unavailable"
    retryable = True


class OutOfSpace(MlcycleError):
    """No room left where the step stages or publishes; nothing was published."""

    kind = "disk"
    retryable = True
