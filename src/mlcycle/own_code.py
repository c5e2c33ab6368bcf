"""mlcycle's own modules in a process that forks workers: loaded ahead like libraries, but never stale.

The step server and Airflow's scheduler note when each file was last written. A child whose parent has
older code forgets all of it and imports it anew, so that an edit is picked up without a restart.
"""

import importlib
import pkgutil
import sys
from pathlib import Path

from mlcycle.contract import platform_version
from mlcycle.revision import checked_out

LIGHT_PACKAGES = ("mlcycle.steps", "mlcycle.adapters", "mlcycle.ledger", "mlcycle.domain")
PACKAGES = (*LIGHT_PACKAGES, "mlcycle.models")
NEVER = ("migrations",)  # Alembic's, run by Alembic alone


class OwnCode:
    """What of mlcycle is loaded here, and as of when."""

    def __init__(self, packages: tuple[str, ...], *, warm: bool = False) -> None:
        self._packages = packages
        self._warm = warm
        self._written: dict[Path, int] = {}
        self._commit = ""

    def load(self) -> list[str]:
        """Import the packages and warm them up; returns what did not load, with the reason."""
        self._commit = checked_out()
        platform_version()  # children have it, too
        failed = []
        for name in self._packages:
            package = importlib.import_module(name)
            for module in pkgutil.walk_packages(package.__path__, f"{name}."):
                if any(part in NEVER for part in module.name.split(".")):
                    continue
                try:
                    importlib.import_module(module.name)
                except Exception as error:  # noqa: BLE001 - the step that needs it will say so itself
                    failed.append(f"{module.name}: {error}")
        self._written = {path: when for path in _files() if (when := _written(path)) is not None}
        return failed + (self._warm_up() if self._warm else [])

    def _warm_up(self) -> list[str]:
        """Call each module's ``warm_up``, where it has one; returns what failed, with the reason.

        It uses a library once, on next to nothing, so that what the library loads and compiles at
        first use is there in every child. It must leave no thread and nothing open.
        """
        failed = []
        for name in [name for name in _names() if name.startswith(self._packages)]:
            warm_up = getattr(sys.modules[name], "warm_up", None)
            try:
                if warm_up is not None:
                    warm_up()
            except Exception as error:  # noqa: BLE001 - steps are slower without, nothing else
                failed.append(f"{name}: {error}")
        return failed

    def forget_if_changed(self) -> bool:
        """In a child: forget every module of mlcycle if a file has changed since; True if so."""
        if all(_written(path) == when for path, when in self._written.items()):
            if checked_out() != self._commit:  # the same files under another name
                platform_version.cache_clear()
            return False
        for name in _names():
            del sys.modules[name]
        return True


def _names() -> list[str]:
    return [name for name in sys.modules if name == "mlcycle" or name.startswith("mlcycle.")]


def _files() -> list[Path]:
    files = (getattr(sys.modules[name], "__file__", None) for name in _names())
    return [Path(file) for file in files if file]


def _written(path: Path) -> int | None:
    try:
        return path.stat().st_mtime_ns
    except OSError:
        return None
