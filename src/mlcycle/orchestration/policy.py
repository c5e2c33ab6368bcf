"""Cluster policy: the ids of our DAGs are ours.

Airflow parses each file by itself, so two files with one DAG id do not see each other: the DAG would
alternate between them with every parse. The one that is not ours is refused where it is parsed, and
stands among Airflow's import errors with both files' names. ``airflow_local_settings.py`` in Airflow's
``config`` folder imports ``dag_policy`` from here.
"""

import os
from pathlib import Path
from typing import Any

from mlcycle.cycle import STAGES

LOADER = "mlcycle_dags.py"


def dag_policy(dag: Any) -> None:
    """Raise AirflowClusterPolicyViolation for a DAG of another file with the id of one of ours."""
    name, _, stage = dag.dag_id.rpartition("_")
    if stage not in STAGES or Path(dag.fileloc or "").name == LOADER:
        return
    file = Path(os.environ.get("MLCYCLE_PROJECTS", "")) / name / "project.yaml"
    if not name or not file.is_file():
        return
    from airflow.exceptions import AirflowClusterPolicyViolation

    raise AirflowClusterPolicyViolation(
        f"DAG id {dag.dag_id!r} of {dag.fileloc} is also the id of the project {file}'s stage {stage!r}, "
        f"made by {LOADER}: give this DAG another id"
    )
