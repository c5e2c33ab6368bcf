"""The embedded platform: PostgreSQL, Airflow, MLflow and the rest as supervised local processes."""
