"""DAGs out of project files: one for each stage of each project under ``MLCYCLE_PROJECTS``.

Read at every parse, so nothing here touches a database or a network. In a worker, which runs one
task of one DAG, only that DAG is made.
"""

from pathlib import Path

from airflow.sdk import DAG, get_parsing_context

from mlcycle.cycle import STAGES
from mlcycle.errors import ConfigError, MlcycleError
from mlcycle.orchestration.stage_dag import stage_dag
from mlcycle.project.file import find, load


def make_dags(folder: Path) -> tuple[dict[str, DAG], list[str]]:
    """DAGs by id, and one line for each project file that is wrong.

    A wrong file costs its own DAGs only: Airflow drops all DAGs of a Python file that raises.
    """
    wanted = get_parsing_context().dag_id
    dags: dict[str, DAG] = {}
    problems: list[str] = []
    for name, path in find(folder).items():
        stages = [stage for stage in STAGES.values() if wanted in (None, f"{name}_{stage.name}")]
        if not stages:
            continue
        try:
            project = load(path)
            made = [stage_dag(project, stage) for stage in stages]
        except MlcycleError as error:
            text = error.message
            problems.append(text if text.startswith(str(path)) else f"{path}:1: {text}")
            continue
        dags.update({dag.dag_id: dag for dag in made})
    return dags, problems


def check_projects(folder: Path) -> None:
    """Raise ConfigError that names each wrong project file, its line and key, if there is any."""
    if get_parsing_context().dag_id is not None:
        return
    _, problems = make_dags(folder)
    if problems:
        raise ConfigError("; ".join(problems))
