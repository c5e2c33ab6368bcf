"""Shows wrong project files among Airflow's import errors, by file, line and key.

A file of its own: an error raised in `mlcycle_dags.py` would take the DAGs of every project away.
"""

from mlcycle.orchestration.factory import check_projects  # no airflow dag comes from here
from mlcycle.project.file import projects_folder

check_projects(projects_folder())
