"""The Feast objects of one project, made from its project file. ``feast`` finds them here by name."""

import os
from pathlib import Path

from mlcycle.adapters.features.definitions import everything
from mlcycle.project.file import load_named

_PROJECTS = Path(os.environ.get("MLCYCLE_PROJECTS") or Path(__file__).parent.parent / "projects")

for _object in everything(load_named(_PROJECTS, os.environ["FEAST_PROJECT"].removesuffix("_"))):
    globals()[f"{type(_object).__name__.lower()}_{_object.name}"] = _object
