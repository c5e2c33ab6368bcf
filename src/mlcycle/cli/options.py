"""Arguments and options that many commands share."""

from pathlib import Path
from typing import Annotated

import typer

ProjectName = Annotated[str, typer.Argument(help="Name of a project: its folder under projects/.")]
Projects = Annotated[
    Path, typer.Option("--projects", envvar="MLCYCLE_PROJECTS", help="Folder that holds the projects.")
]
State = Annotated[
    Path, typer.Option("--state", envvar="MLCYCLE_STATE", help="Folder of the local platform's state.")
]
DEFAULT_PROJECTS = Path("projects")
DEFAULT_STATE = Path(".mlcycle")
