"""What people see of mlcycle inside Airflow: pages, reports, links. Registered by ``plugins/``."""
