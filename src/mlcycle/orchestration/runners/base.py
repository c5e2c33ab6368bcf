"""What a runner is, and which ones there are.

A runner starts one step somewhere and brings back its result. Every transport runs the same
argv, ``mlcycle step NAME --request URI --result PATH``, and is imported only when it is chosen.
"""

import importlib
from collections.abc import Callable
from typing import Protocol, cast

from mlcycle.contract import Request, Result
from mlcycle.errors import ConfigError
from mlcycle.project import Resources

#: Runners by the name that ``MLCYCLE_RUNNER`` may hold. A class of somebody else's is written as
#: its dotted path, ``package.module.Class``.
RUNNERS = {"process": "mlcycle.orchestration.runners.process.ProcessRunner"}
DEFAULT = "process"


class Runner(Protocol):
    """Runs one step; made anew, without arguments, for each try of a task."""

    def run(self, request: Request, *, role: str, resources: Resources, log: Callable[[str], None]) -> Result:
        """Run the step to its end and return its result.

        Args:
            request: what to do.
            role: database role whose DSN the step gets (``settings.step_environment``).
            resources: what it may use.
            log: called with each line the step prints, as it comes.

        A step that died without a result is a FAILED result of kind ``killed``, retryable.
        Raises an MlcycleError where the step could not be started at all.
        """

    def kill(self) -> None:
        """End the step and everything it started; called from a signal handler, and more than once."""


def make_runner(name: str) -> Runner:
    """The runner of this name or dotted path. Raises ConfigError that lists the names there are."""
    path = RUNNERS.get(name or DEFAULT, name)
    module, _, attribute = path.rpartition(".")
    try:
        if not module:
            raise ImportError(f"{name!r} is no name of a runner")
        made = getattr(importlib.import_module(module), attribute)()
    except (ImportError, AttributeError) as error:
        raise ConfigError(
            f"MLCYCLE_RUNNER={name}: {error}; there are {', '.join(RUNNERS)}, "
            "or write a class as package.module.Class"
        ) from None
    return cast("Runner", made)
