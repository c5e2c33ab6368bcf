"""Exploring a project's rows before the first model."""

import shutil
from pathlib import Path
from typing import Annotated

import typer

from mlcycle.cli.options import DEFAULT_PROJECTS, DEFAULT_STATE, ProjectName, Projects, State
from mlcycle.cli.reaching import platform_env
from mlcycle.cli.root import app

MARKS = {"act": "!", "look": "?", "fine": " "}


@app.command()
def explore(
    project: ProjectName,
    first: Annotated[
        str, typer.Option(help="First partition; by default as far back as training looks.")
    ] = "",
    last: Annotated[str, typer.Option(help="Last partition; by default the newest.")] = "",
    out: Annotated[Path | None, typer.Option(help="Also write the page here.")] = None,
    projects: Projects = DEFAULT_PROJECTS,
    state: State = DEFAULT_STATE,
) -> None:
    """What the rows say before the first model: a page, and what was found."""
    from mlcycle.adapters.artifacts.store import ArtifactStore
    from mlcycle.project.file import load_named
    from mlcycle.settings import Settings, step_env
    from mlcycle.steps.explore_report import here

    spec, env = load_named(projects, project), platform_env(state)
    settings = Settings.from_env(step_env(env, "train"))
    document, page = here(spec, settings, first, last)
    for each in document["findings"]:
        print(f"{MARKS[each['level']]} {each['text']}")
    if out is not None:
        staged = out.with_name(f".{out.name}.part")
        staged.write_bytes(ArtifactStore(settings.artifacts_url).get(page))
        shutil.move(staged, out)
    print(out or page.uri)
