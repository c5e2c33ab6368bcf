"""The ``mlcycle`` command. Thin: it reads arguments, calls one function, prints its answer.

A module holds the commands of one matter; they are listed in ``mlcycle --help`` in the order below. Exit
codes are the step contract's (10 try again, 20 do not, 30 data rejected); 2 is wrong usage.
"""

import os
import sys

from mlcycle.cli.root import app
from mlcycle.contract import ExitCode
from mlcycle.errors import MlcycleError

# isort: off
from mlcycle.cli import (  # noqa: F401 - hang on the root
    step,
    checking,
    projects,
    project,
    stages,
    trials,
    exploring,
    reports,
    alerts,
    labels,
    events,
    platform,
)
# isort: on

__all__ = ["app", "main"]


def main() -> None:
    """Run the command line; an error a person can mend is one line on standard error."""
    try:
        app()
    except MlcycleError as error:
        print(f"mlcycle: {error.message}", file=sys.stderr)
        if error.rejects_data:
            raise SystemExit(ExitCode.REJECTED) from None
        raise SystemExit(ExitCode.RETRY if error.retryable else ExitCode.FATAL) from None
    except KeyboardInterrupt:
        raise SystemExit(130) from None
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        raise SystemExit(141) from None
