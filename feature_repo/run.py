"""Run Feast's command line on one project: ``python feature_repo/run.py PROJECT COMMAND...``.

Needs MLCYCLE_WAREHOUSE_DSN, of the role ``serve`` to look and of the role ``train`` to apply.
Examples: ``flights feature-views list``, ``flights plan``, ``flights apply``. Leave materialising to the
step: Feast's own commands overwrite newer values with older ones.
``flights ui`` needs one more package: ``uv pip install grpcio-health-checking``.
"""

import os
import subprocess
import sys
from pathlib import Path

from mlcycle.adapters.features.store import command_env
from mlcycle.errors import MlcycleError
from mlcycle.project.file import load_named
from mlcycle.settings import Settings

HERE = Path(__file__).parent


def main(args: list[str]) -> int:
    """Fill in the configuration's variables and run ``feast``; its exit code."""
    if len(args) < 2:
        print(__doc__, file=sys.stderr)
        return 20
    projects = Path(os.environ.get("MLCYCLE_PROJECTS") or HERE.parent / "projects")
    dsn = os.environ.get("MLCYCLE_WAREHOUSE_DSN", "")
    try:
        settings = Settings.from_env({"MLCYCLE_WAREHOUSE_DSN": dsn, "MLCYCLE_ARTIFACTS_URL": "memory://"})
        project = load_named(projects, args[0])
    except MlcycleError as error:
        print(error.message, file=sys.stderr)
        return 20
    env = {**os.environ, **command_env(settings, project, may_write=args[1] in ("apply", "teardown"))}
    program = Path(sys.executable).with_name("feast")
    return subprocess.run([program, "-c", HERE, *args[1:]], env=env, check=False).returncode


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
