"""A project's further packages: in a folder of their own, beside the platform's environment and never in it.

They are installed with every package of the platform held at its version, so that both agree where they share
one. In a container the image holds them (docs/own-code.md).
"""

import hashlib
import importlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Callable, Sequence
from importlib import metadata
from pathlib import Path

from mlcycle.errors import ConfigError, Unavailable

_on_path: list[str] = []


def use(requirements: Sequence[str], base: Path | None, project: str) -> None:
    """Let this process import a project's packages; those of the project before are forgotten.

    Args:
        requirements: pinned, ``name==version``.
        base: the folder of all projects' packages, None where there is none.
        project: for people.

    Raises ConfigError, one line, where they are not installed.
    """
    while _on_path:
        place = _on_path.pop()
        if place in sys.path:
            sys.path.remove(place)
    lacking = missing(requirements)
    if not lacking:
        return
    folder = None if base is None else folder_of(requirements, base)
    if folder is None or not folder.is_dir():
        raise ConfigError(
            f"{project} needs {', '.join(lacking)}, which is not installed here: run `mlcycle install "
            f"{project}`, or give its steps an image that has it (docs/own-code.md)"
        )
    sys.path.insert(0, str(folder))
    _on_path.append(str(folder))
    importlib.invalidate_caches()


def missing(requirements: Sequence[str]) -> list[str]:
    """Those that this process cannot import at the very version."""
    found = []
    for requirement in requirements:
        name, _, version = requirement.partition("==")
        try:
            if metadata.version(name.partition("[")[0]) != version:
                found.append(requirement)
        except metadata.PackageNotFoundError:
            found.append(requirement)
    return found


def folder_of(requirements: Sequence[str], base: Path) -> Path:
    """Where these packages lie: another folder for another list or another Python."""
    facts = "\n".join([f"{sys.version_info.major}.{sys.version_info.minor}", *sorted(requirements)])
    return base / hashlib.sha256(facts.encode()).hexdigest()[:16]


def install(requirements: Sequence[str], base: Path, say: Callable[[str], None]) -> Path:
    """Install them; whole or not at all, and once only. Returns their folder.

    Raises ConfigError where there are no such packages or they do not agree with the platform's, Unavailable
    where no index answers.
    """
    folder = folder_of(requirements, base)
    if folder.is_dir():
        say(f"installed already: {', '.join(requirements)}")
        return folder
    base.mkdir(parents=True, exist_ok=True)
    staged = Path(tempfile.mkdtemp(prefix="install-", dir=base))
    try:
        held = staged / "held.txt"
        held.write_text("\n".join(sorted(_held(requirements))), encoding="utf-8")
        target = staged / "packages"
        command = [*_installer(), "--target", str(target), "--constraint", str(held), *requirements]
        say(f"installing {', '.join(requirements)}")
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=_environment())
        if done.returncode:
            raise _refused(done.stderr or done.stdout)
        try:
            target.rename(folder)
        except OSError:  # another process was quicker
            if not folder.is_dir():
                raise
        return folder
    finally:
        shutil.rmtree(staged, ignore_errors=True)


def _held(requirements: Sequence[str]) -> set[str]:
    """The platform's packages at their versions, but those that the project asks for itself."""
    asked = {_plain(requirement.partition("==")[0]) for requirement in requirements}
    found = {(dist.metadata["Name"] or "", dist.version) for dist in metadata.distributions()}
    return {
        f"{name}=={version.partition('+')[0]}"
        for name, version in found
        if name and name != "mlcycle" and _plain(name) not in asked
    }


def _plain(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name.partition("[")[0]).lower()


def _installer() -> list[str]:
    uv = Path(sys.executable).parent / "uv"
    if uv.exists():
        return [str(uv), "pip", "install", "--quiet", "--python", sys.executable]
    return [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]


def _environment() -> dict[str, str]:
    """As it is; a folder of wheels that pip is told of serves uv as well."""
    links = os.environ.get("PIP_FIND_LINKS", "")
    return {**os.environ, **({"UV_FIND_LINKS": links} if links and "UV_FIND_LINKS" not in os.environ else {})}


def _refused(told: str) -> ConfigError | Unavailable:
    text = " ".join(re.sub(r"\x1b\[[0-9;]*m", "", told).split())[-600:]
    if re.search(r"connect|timed out|network|dns|Temporary failure", text, re.IGNORECASE):
        return Unavailable(f"the packages cannot be fetched: {text}")
    return ConfigError(f"the packages cannot be installed beside the platform's: {text}")
