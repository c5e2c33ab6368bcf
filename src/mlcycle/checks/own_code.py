"""A project's own Python: its syntax, the names that are referred to, where its steps stand. None of it is
executed.
"""

from collections.abc import Iterator

from mlcycle.cycle import check_own
from mlcycle.errors import ConfigError
from mlcycle.packages import missing
from mlcycle.project import Project
from mlcycle.project.misfit import Key, Misfit
from mlcycle.project_code import is_reference, problems


def check_code(project: Project) -> Iterator[Misfit]:
    """What is wrong with the files themselves, then with each reference where it stands."""
    for said in problems(project.code.files, []):
        yield Misfit(said, "code")
    for reference, at in _references(project):
        for said in problems(project.code.files, [reference]):
            if said.startswith(f"{reference}: "):
                yield Misfit(said, *at)
    try:
        check_own(project.code.steps)
    except ConfigError as error:
        yield Misfit(error.message, "code", "steps")


def missing_requirements(project: Project) -> Iterator[str]:
    """A line where packages of ``code.requirements`` are not in this environment itself."""
    if lacking := missing(project.code.requirements):
        said = "puts them beside the platform's packages"
        yield f"{', '.join(lacking)}: `mlcycle install {project.name}` {said}"


def _references(project: Project) -> Iterator[tuple[str, Key]]:
    for name, candidate in project.candidates.items():
        if is_reference(candidate.family):
            yield candidate.family, ("candidates", name, "family")
    if is_reference(project.evaluation.metric):
        yield project.evaluation.metric, ("evaluation", "metric")
    for at, metric in enumerate(project.evaluation.also):
        yield metric, ("evaluation", "also", at)
    for name, view in project.features.items():
        if view.python:
            yield view.python, ("features", name, "python")
    for name, table in project.source.tables.items():
        for at, check in enumerate(table.checks):
            yield check.check, ("source", "tables", name, "checks", at, "check")
    for name, step in project.code.steps.items():
        yield step.run, ("code", "steps", name, "run")
