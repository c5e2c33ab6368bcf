"""Every project's DAGs, made from its project file. Nothing else belongs here.

Projects whose file is wrong have none; `mlcycle_project_errors.py` says why.
"""

from mlcycle.orchestration.factory import make_dags  # Airflow looks for "airflow" and "dag"
from mlcycle.project.file import projects_folder

globals().update(make_dags(projects_folder()))
