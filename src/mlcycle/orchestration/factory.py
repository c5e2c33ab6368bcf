"""DAGs out of project files: one for each stage of each project under ``MLCYCLE_PROJECTS``.

Read at every parse, so nothing here touches a database or a network. In a worker, which runs one
task of one DAG, only that DAG is made.
"""

from contextlib import suppress
from pathlib import Path

from airflow.sdk import DAG, get_parsing_context

from mlcycle.cycle import STAGES, Stage, check_own
from mlcycle.errors import ConfigError, MlcycleError
from mlcycle.orchestration.schedules import schedule
from mlcycle.orchestration.stage_dag import stage_dag
from mlcycle.project import Project
from mlcycle.project.file import find, load


def make_dags(folder: Path) -> dict[str, DAG]:
    """DAGs by id. A wrong project file costs its own DAGs only: Airflow drops all of a file that raises."""
    wanted = get_parsing_context().dag_id
    dags: dict[str, DAG] = {}
    for name, path in find(folder).items():
        stages = [stage for stage in STAGES.values() if wanted in (None, f"{name}_{stage.name}")]
        if not stages:
            continue
        with suppress(MlcycleError):  # check_projects says so
            project = load(path)
            wanted_here = [stage for stage in stages if has_dag(project, stage)]
            dags |= {dag.dag_id: dag for dag in [stage_dag(project, stage) for stage in wanted_here]}
    return dags


def has_dag(project: Project, stage: Stage) -> bool:
    """Whether the stage is a DAG of the project: without an escalation nothing is due between its runs, and
    without a candidate that says what to try there is nothing to search.
    """
    if stage.name == "tune":
        return bool(project.variants("search"))
    return stage.name != "alerts" or project.alerts.escalate is not None


def check_projects(folder: Path) -> None:
    """Raise ConfigError that names each wrong project file, its line and key, if there is any."""
    if get_parsing_context().dag_id is not None:
        return
    problems = []
    for path in find(folder).values():
        try:
            project = load(path)
            check_own(project.code.steps)
            for stage in STAGES.values():
                schedule(project, stage)  # all of a DAG that a project can get wrong
        except MlcycleError as error:
            text = error.message
            problems.append(text if text.startswith(str(path)) else f"{path}:1: {text}")
    if problems:
        raise ConfigError("; ".join(problems))
