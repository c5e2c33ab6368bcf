"""Which commit this code is: read from the checkout it runs in, or from what was written when it was built.

Standard library only: the build hook runs this file by itself.
"""

import os
import re
import subprocess
from pathlib import Path

PACKAGE = Path(__file__).parent
BAKED = "_revision.txt"  # beside this file in a built package, never in a checkout


def revision(package: Path = PACKAGE) -> str:
    """The commit as a version's local part: ``g1a2b3c4d5e6f``, or ``g1a2b3c4d5e6f.dirty`` where tracked files
    under ``src`` differ from it. Empty where neither a checkout nor the build tells.
    """
    try:
        return (package / BAKED).read_text().strip()
    except OSError:
        pass
    if package.parent.name != "src":  # installed: a repository around it is somebody else's
        return ""
    root = package.parents[1]
    commit = checked_out(root)
    return commit and f"g{commit[:12]}{'.dirty' if _differs(root) else ''}"


def checked_out(root: Path = PACKAGE.parents[1]) -> str:
    """The full name of a checkout's commit, from git's own files: no process needed. Empty if unknown."""
    try:
        git = root / ".git"
        if git.is_file():  # a worktree names the folder of its own
            git = root / git.read_text().removeprefix("gitdir:").strip()
        head = (git / "HEAD").read_text().strip()
        if head.startswith("ref:"):
            head = _resolve(git, head.removeprefix("ref:").strip())
    except (OSError, ValueError):
        return ""
    return head if re.fullmatch(r"[0-9a-f]{40,64}", head) else ""


def _resolve(git: Path, ref: str) -> str:
    common = git / (git / "commondir").read_text().strip() if (git / "commondir").exists() else git
    if (common / ref).exists():
        return (common / ref).read_text().strip()
    packed = (line.split(" ") for line in (common / "packed-refs").read_text().splitlines())
    return next((line[0] for line in packed if line[1:] == [ref]), "")


def _differs(root: Path) -> bool:
    """Ask git, a few milliseconds. Without git, or where it refuses, the answer is no."""
    # The checkout may be another user's, and no program of its configuration is to run.
    config = ("-c", "safe.directory=*", "-c", "core.fsmonitor=false")
    env = {"PATH": os.environ.get("PATH", os.defpath), "GIT_OPTIONAL_LOCKS": "0"}
    command = ["git", *config, "-C", str(root), "diff", "--quiet", "HEAD", "--", "src"]
    try:
        done = subprocess.run(command, env=env, stdin=subprocess.DEVNULL, capture_output=True, timeout=5)
    except (OSError, subprocess.SubprocessError):
        return False
    return done.returncode == 1
