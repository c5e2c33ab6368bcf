"""Running steps as a container would: a process of its own, in an empty folder, as somebody else."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from mlcycle.contract import Request, Result
from mlcycle.cycle import ROLES
from mlcycle.local.postgres import NOBODY
from mlcycle.settings import step_env


def as_somebody_else(folder: Path, env: Mapping[str, str]) -> Callable[[Request], Result]:
    """Starts each step in an empty folder below ``folder``, as another user where we are root.

    The step sees its request, its settings and the network: no home, no checkout as its folder.
    """
    count = 0

    def execute(request: Request) -> Result:
        nonlocal count
        count += 1
        place = folder / f"{count:03d}-{request.step}"
        place.mkdir(parents=True)
        (place / "request.json").write_text(request.model_dump_json())
        command = [sys.executable, "-m", "mlcycle", "step", request.step]
        command += ["--request", "request.json", "--result", "result.json"]
        done = subprocess.run(
            [*_other_user(place), *command],
            env={**step_env(env, ROLES[request.step]), "TMPDIR": str(place), "HOME": "/nonexistent"},
            cwd=place,
            capture_output=True,
            text=True,
        )
        result_file = place / "result.json"
        assert result_file.exists(), f"{request.step} left no result:\n{done.stderr[-4000:]}"
        result = Result.model_validate(json.loads(result_file.read_text()))
        assert done.returncode == result.exit_code, done.stderr[-4000:]
        assert "Traceback" not in done.stderr, done.stderr[-4000:]
        left = {path.name for path in place.iterdir()} - {"request.json", "result.json"}
        assert not left, f"{request.step} left {sorted(left)} behind"
        return result

    return execute


def _other_user(place: Path) -> list[str]:
    """Root becomes nobody; the one capability reads a checkout below a closed home, writes nothing."""
    setpriv = shutil.which("setpriv")
    if os.geteuid() != 0 or setpriv is None:
        return []
    for path in (place, *place.iterdir()):
        os.chown(path, NOBODY, NOBODY)
    reach = ("--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search", "--clear-groups")
    return [setpriv, f"--reuid={NOBODY}", f"--regid={NOBODY}", *reach, "--"]
