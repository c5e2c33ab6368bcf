"""mlcycle: the production cycle of machine learning on Apache Airflow."""
