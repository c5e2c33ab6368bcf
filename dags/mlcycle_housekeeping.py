"""The platform's own DAG."""

from mlcycle.orchestration.housekeeping import housekeeping_dag  # Airflow looks for "airflow" and "dag"

dag = housekeeping_dag()
