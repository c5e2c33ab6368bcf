"""The environment of each service of the local platform.

Secrets reach a service through its environment or a file only its owner can read, never through its
command line, which every user of the machine can see.
"""

import json
import os
import sys
from pathlib import Path

from mlcycle.local.config import HOST, USERS, Platform, platform_env, write_private
from mlcycle.settings import QUIET

#: What makes a chain of short tasks quick on Airflow; benchmarks/chain.py measures it against the defaults.
TUNING = {
    "AIRFLOW__CORE__PARALLELISM": "8",
    "AIRFLOW__SCHEDULER__SCHEDULER_IDLE_SLEEP_TIME": "0.5",  # orchestration/wakeup.py ends it early
    # Late on a busy machine is not dead; orchestration/dead_workers.py tells of those that are.
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "300",
    "AIRFLOW__WORKERS__MAX_FAILED_HEARTBEATS": "20",
    "AIRFLOW__SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT_DETECTION_INTERVAL": "5",
    "AIRFLOW__SCHEDULER__ORPHANED_TASKS_CHECK_INTERVAL": "20",
    # Airflow's supervisor of a task waits so long for its end; orchestration/task_exit.py does not.
    "AIRFLOW__WORKERS__MIN_HEARTBEAT_INTERVAL": "3",
    "AIRFLOW__CORE__MAX_ACTIVE_TASKS_PER_DAG": "4",  # of 8 slots: one project's backfill leaves room
    "AIRFLOW__WORKERS__SOCKET_CLEANUP_TIMEOUT": "5",
    "AIRFLOW__DAG_PROCESSOR__REFRESH_INTERVAL": "10",
}
#: Seconds until project files are read again; as many as there are projects where these are more. To
#: make and store the DAGs of one takes an eighth of a second of CPU.
READ_AGAIN = 30


#: No thread may exist at a fork, and these libraries start theirs when they are loaded.
ONE_THREAD = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "MKL_NUM_THREADS": "1",
    "NUMEXPR_NUM_THREADS": "1",
    "JE_ARROW_MALLOC_CONF": "background_thread:false",
}


def base_env(platform: Platform) -> dict[str, str]:
    """What every service gets of the starter's environment, and nothing of its Airflow or Python settings."""
    names = ("HOME", "USER", "LOGNAME", "LANG", "LC_ALL", "TMPDIR", "SSL_CERT_FILE")
    passed = {name: os.environ[name] for name in names if name in os.environ}
    cloud = {name: value for name, value in os.environ.items() if name.startswith("AWS_")}
    programs = Path(sys.executable).parent
    path = os.environ.get("PATH", os.defpath)
    return {
        "LANG": "C.UTF-8",
        **passed,
        **cloud,
        **QUIET,
        "PATH": f"{programs}{os.pathsep}{path}",
        "TZ": "UTC",
        "NO_PROXY": f"{HOST},localhost",
        "no_proxy": f"{HOST},localhost",
        "PYTHONUNBUFFERED": "1",
        "MLCYCLE_PLATFORM": str(platform.state),
    }


def airflow_env(platform: Platform, tuning: dict[str, str] | None = None) -> dict[str, str]:
    """Airflow's settings, and what its tasks need to start steps."""
    secrets, state, home = platform.secrets, platform.state, platform.home
    required = {
        "AIRFLOW_HOME": str(state / "airflow"),
        "AIRFLOW__CORE__DAGS_FOLDER": str(home / "dags"),
        "AIRFLOW__CORE__PLUGINS_FOLDER": str(home / "plugins"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__CORE__EXECUTOR": "LocalExecutor",
        "AIRFLOW__CORE__FERNET_KEY": secrets["fernet"],
        "AIRFLOW__CORE__DEFAULT_TIMEZONE": "utc",
        "AIRFLOW__CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "AIRFLOW__CORE__EXECUTION_API_SERVER_URL": f"{platform.url('airflow')}/execution/",
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_USERS": ",".join(f"{u}:{role}" for u, role in USERS.items()),
        "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": str(passwords_file(platform)),
        "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": sqlalchemy_url(platform, "airflow"),
        "AIRFLOW__API__HOST": HOST,
        "AIRFLOW__API__PORT": str(platform.ports["airflow"]),
        "AIRFLOW__API__BASE_URL": platform.url("airflow"),
        "AIRFLOW__API__SECRET_KEY": secrets["session"],
        "AIRFLOW__API__WORKERS": "1",
        "AIRFLOW__API_AUTH__JWT_SECRET": secrets["jwt"],
        "AIRFLOW__LOGGING__BASE_LOG_FOLDER": str(platform.logs / "airflow"),
        "AIRFLOW__LOGGING__DAG_PROCESSOR_CHILD_PROCESS_LOG_DIRECTORY": str(
            platform.logs / "airflow" / "dags"
        ),
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "INFO",
        "AIRFLOW__SCHEDULER__ENABLE_HEALTH_CHECK": "False",
        "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
    }
    chosen = TUNING if tuning is None else tuning
    projects = sum(1 for _ in (home / "projects").glob("*/project.yaml"))
    required["AIRFLOW__DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL"] = str(max(READ_AGAIN, projects))
    required["MLCYCLE_SCHEDULER_BELL"] = str(platform.sockets / "scheduler.sock")
    required["MLCYCLE_WORKERS"] = str(platform.state / "run" / "workers")
    # What a person sets for the projects, and for housekeeping.
    own = ("MLCYCLE_SECRET_", "MLCYCLE_ALLOWED_", "MLCYCLE_KEEP_")
    given = {name: value for name, value in os.environ.items() if name.startswith(own)}
    return {**base_env(platform), **platform_env(platform.state), **given, **required, **chosen}


def passwords_file(platform: Platform) -> Path:
    """Where Airflow finds the passwords of its users."""
    return platform.state / "airflow" / "passwords.json"


def mlflow_env(platform: Platform) -> dict[str, str]:
    """The tracking server's environment."""
    return {
        **base_env(platform),
        "MLFLOW_BACKEND_STORE_URI": sqlalchemy_url(platform, "mlflow"),
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }


def evidently_config(platform: Platform) -> Path:
    """Evidently's configuration file."""
    return platform.state / "evidently" / "config.json"


def step_server_env(platform: Platform) -> dict[str, str]:
    """A fork server's environment. It holds no secret: a step's settings arrive with its request."""
    return {
        **base_env(platform),
        **ONE_THREAD,
        "OMP_WAIT_POLICY": "passive",  # cores are shared with the platform and other steps
    }


def sqlalchemy_url(platform: Platform, database: str) -> str:
    """A database's URL as SQLAlchemy spells it."""
    return platform.dsn(database).replace("postgresql://", "postgresql+psycopg2://", 1)


def write_files(platform: Platform) -> None:
    """Write the files that services read their secrets from, and Airflow's cluster policy."""
    policy = platform.state / "airflow" / "config" / "airflow_local_settings.py"
    for path in (passwords_file(platform), evidently_config(platform), policy):
        path.parent.mkdir(mode=0o700, exist_ok=True)
    write_private(policy, "from mlcycle.orchestration.policy import dag_policy\n\n__all__ = ['dag_policy']\n")
    people = {user: platform.secrets[f"airflow_{user}"] for user in USERS}
    write_private(passwords_file(platform), json.dumps(people))
    database = "evidently.ui.service.storage.sql.components.DatabaseComponent"
    config = {
        "security": {"type": "token", "token": platform.secrets["evidently"]},
        "storage": {"type": "sql"},
        "database": {"type": database, "url": sqlalchemy_url(platform, "evidently")},
        "telemetry": {"enabled": False},
    }
    write_private(evidently_config(platform), json.dumps(config, indent=1))
