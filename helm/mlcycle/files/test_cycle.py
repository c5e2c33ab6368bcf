"""What ``helm test`` does: logs in, looks at the parts, and runs a DAG to its end.

``test_cycle.py AIRFLOW GATE DAG PARTITION``: addresses as pods reach them; GATE is - without one, DAG empty
to run none. The addresses are the chart's own.
"""

import json
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

AIRFLOW, GATE, DAG, PARTITION = sys.argv[1:]
PATIENCE = 900  # seconds that the run may take: its image may have to be pulled


def call(url, body=None, token=""):
    """The JSON that an address answers."""
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    data = json.dumps(body).encode() if body is not None else None
    request = urllib.request.Request(url, data=data, headers=headers)  # noqa: S310
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
        return json.load(answer)


def closed(url):
    """An address asks whoever comes without a password for one."""
    try:
        urllib.request.urlopen(url, timeout=30).close()  # noqa: S310
    except urllib.error.HTTPError as error:
        return error.code == 401
    return False


users = json.loads(Path("/run/passwords/airflow.json").read_text())
user = "admin" if "admin" in users else next(iter(users))
token = call(f"{AIRFLOW}/auth/token", {"username": user, "password": users[user]})["access_token"]
print("login: ok")
health = call(f"{AIRFLOW}/api/v2/monitor/health")
ill = [part for part in ("metadatabase", "scheduler", "dag_processor") if health[part]["status"] != "healthy"]
if ill:
    sys.exit(f"not healthy: {', '.join(ill)}")
print("Airflow: healthy")
errors = call(f"{AIRFLOW}/api/v2/importErrors", token=token)["import_errors"]
if errors:
    sys.exit("projects that cannot be read: " + "; ".join(error["filename"] for error in errors))
if GATE != "-":
    if not closed(f"{GATE}:5000/"):
        sys.exit("MLflow answers without a password")
    print("MLflow: behind its password")
if not DAG:
    print("no DAG named (test.dag): none was run")
    sys.exit(0)
body = {"logical_date": None, "partition_key": PARTITION or None, "conf": {}}
run = call(f"{AIRFLOW}/api/v2/dags/{DAG}/dagRuns", body, token)["dag_run_id"]
print(f"{DAG} of {PARTITION or 'now'}: started as {run}", flush=True)
page = f"{AIRFLOW}/api/v2/dags/{DAG}/dagRuns/{urllib.request.quote(run, safe='')}"
end = time.monotonic() + PATIENCE
state = ""
while state not in ("success", "failed") and time.monotonic() < end:
    time.sleep(2)
    state = call(page, token=token)["state"]
for task in call(f"{page}/taskInstances", token=token)["task_instances"]:
    print(f"  {task['task_id']}: {task['state']}")
print(f"{DAG}: {state}")
sys.exit(state != "success")
