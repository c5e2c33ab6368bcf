"""Writes the commit into a built package: there is no checkout to ask where that is installed."""

import runpy
import tempfile
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

FOLDER = {"wheel": "mlcycle", "sdist": "src/mlcycle"}


class Revision(BuildHookInterface):  # type: ignore[misc]
    """Hatch's hook around each build of a wheel or an sdist."""

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Add the file. An editable install asks its checkout, and an sdist brings the file along."""
        package = Path(self.root, "src", "mlcycle")
        code = runpy.run_path(str(package / "revision.py"))
        revision = code["revision"](package)
        if version == "editable" or not revision or (package / code["BAKED"]).exists():
            return
        self._folder = tempfile.TemporaryDirectory()
        file = Path(self._folder.name, code["BAKED"])
        file.write_text(f"{revision}\n")
        build_data["force_include"][str(file)] = f"{FOLDER[self.target_name]}/{file.name}"

    def finalize(self, version: str, build_data: dict[str, Any], artifact_path: str) -> None:
        """Remove the file that was packed."""
        if hasattr(self, "_folder"):
            self._folder.cleanup()
