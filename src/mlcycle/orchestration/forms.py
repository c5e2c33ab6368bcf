"""The forms people start a stage with: Airflow params out of the cycle and the project."""

from typing import Any, get_args

from airflow.sdk import Param

from mlcycle.cycle import Stage
from mlcycle.domain.unit import Length
from mlcycle.project import Project
from mlcycle.project.search import Fidelity, Measure, Method, Pruner

PATTERN = {
    Length.HOUR: r"^\d{4}-\d{2}-\d{2}T\d{2}$",
    Length.DAY: r"^\d{4}-\d{2}-\d{2}$",
    Length.WEEK: r"^\d{4}-W\d{2}$",
    Length.MONTH: r"^\d{4}-\d{2}$",
}
PARTITION = "partition"
WITHOUT_PARTITION = ("rollback", "alerts")
#: Integers of a form with the largest that each may be, 0 for any; and numbers with a fraction.
NUMBERS = {"to": 0, "version": 0, "trials": 10_000, "workers": 64}
AMOUNTS = ("minutes", "gpu_hours", "money")
CHOICES = {
    "method": get_args(Method),
    "pruner": get_args(Pruner),
    "measure": get_args(Measure),
    "fidelity": get_args(Fidelity),
}


def form(project: Project, stage: Stage) -> dict[str, Param]:
    """Form fields of a stage, all of them optional for the runs nobody starts by hand."""
    fields: dict[str, Param] = {}
    if stage.name not in WITHOUT_PARTITION:
        own = stage.name in ("ingest", "absent")
        default = "the run's partition key" if own else "the newest published one"
        wanted = f"Partition to work on ({project.unit.zone}); empty for {default}."
        fields[PARTITION] = _key(project, "Partition", wanted)
    for name, meaning in stage.params.items():
        fields[name] = _field(project, name, f"{meaning[0].upper()}{meaning[1:]}.")
    return fields


def _field(project: Project, name: str, description: str) -> Param:
    title = name.replace("_", " ").capitalize()
    if name == "first":
        return _key(project, "First partition", description)
    if name in NUMBERS:
        most: dict[str, Any] = {"maximum": NUMBERS[name]} if NUMBERS[name] else {}
        return Param(None, type=["null", "integer"], minimum=1, title=title, description=description, **most)
    if name in AMOUNTS:
        return Param(None, type=["null", "number"], exclusiveMinimum=0, title=title, description=description)
    if name in CHOICES or name == "candidate":
        known = project.variants("search") if name == "candidate" else CHOICES[name]
        return Param("", type="string", enum=["", *known], title=title, description=description)
    return Param("", type="string", maxLength=500, title=title, description=description)


def _key(project: Project, title: str, description: str) -> Param:
    extra: dict[str, Any] = {"examples": [project.source.start]}
    return Param(
        None,
        type=["null", "string"],
        pattern=PATTERN[project.source.partition],
        title=title,
        description=f"{description} Written like {project.source.start}.",
        **extra,
    )
