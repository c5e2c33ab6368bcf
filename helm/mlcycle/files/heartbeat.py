"""``heartbeat.py JOB_TYPE SECONDS``: ends well where this pod's job told Airflow's database that it lives.

Airflow's own check (``airflow jobs check``) takes four seconds of CPU each time. A database that does not
answer proves nothing about the job.
"""

import os
import socket
import sys
from pathlib import Path

import psycopg2

job_type, seconds = sys.argv[1:]
url = Path(os.environ["MLCYCLE_SECRETS_FOLDER"], "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN").read_text().strip()
try:
    connection = psycopg2.connect(url.replace("+psycopg2", "", 1), connect_timeout=5)
except psycopg2.OperationalError:
    sys.exit(0)
with connection, connection.cursor() as cursor:
    cursor.execute(
        """select max(latest_heartbeat) > now() - make_interval(secs => %s)
           from job where job_type = %s and hostname = %s""",
        (float(seconds), job_type, socket.getfqdn()),
    )
    alive = cursor.fetchone()[0]
sys.exit(0 if alive else f"no heartbeat of {job_type} on {socket.getfqdn()} within {seconds} s")
