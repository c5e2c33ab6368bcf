# mypy: allow-subclassing-any
"""The platform's own DAG: housekeeping, once a day, for all projects together.

It runs ``mlcycle prune`` as a process of its own, with the settings of the role ``keep`` and nothing of
Airflow's. Killed, it is run again: what is gone is gone, the rest follows.
"""

import os
import signal
import subprocess
import sys
from contextlib import suppress
from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, BaseOperator, CronTriggerTimetable
from airflow.sdk.exceptions import AirflowException, AirflowFailException

from mlcycle.contract import ExitCode

DAG_ID = "mlcycle_housekeeping"
DOC = """### Housekeeping
Takes away what is older than its kind is kept (`MLCYCLE_KEEP_*`, docs/operations.md) and nothing needs: never
what a champion, a dataset in use or an open alert needs. The task's log says what it freed, by kind.
`mlcycle prune --dry-run` says what the next run would free."""


class PruneOperator(BaseOperator):
    """Runs ``mlcycle prune`` and hands its lines on to the log."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._process: subprocess.Popen[str] | None = None

    def execute(self, context: Any) -> None:
        """Run it. What may pass (a service that does not answer) is tried again."""
        env = {
            name: value for name, value in os.environ.items() if not name.startswith(("AIRFLOW", "_AIRFLOW"))
        }
        with subprocess.Popen(
            [sys.executable, "-m", "mlcycle", "prune"],
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            text=True,
        ) as self._process:
            assert self._process.stdout is not None
            line = ""
            for line in self._process.stdout:
                self.log.info(line.rstrip())
        code = self._process.returncode
        if code == ExitCode.RETRY or code < 0:
            raise AirflowException(f"mlcycle prune ended with {code}: {line.strip()}")
        if code:
            raise AirflowFailException(f"mlcycle prune ended with {code}: {line.strip()}")

    def on_kill(self) -> None:
        """End it with its task."""
        if self._process is not None and self._process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGTERM)


def housekeeping_dag() -> DAG:
    """The DAG ``mlcycle_housekeeping``."""
    dag = DAG(
        dag_id=DAG_ID,
        description="Take away what is old and nothing needs.",
        doc_md=DOC,
        tags=["mlcycle"],
        # Without a start date: the first run is the next tick's, a new platform has nothing to take away.
        # Nor a tick that has just passed, which Airflow would make up for within a tenth of the interval.
        schedule=CronTriggerTimetable("30 3 * * *", timezone="UTC", run_immediately=timedelta(0)),
        catchup=False,
        max_active_runs=1,
        is_paused_upon_creation=False,
    )
    PruneOperator(
        dag=dag,
        task_id="prune",
        retries=2,
        retry_delay=timedelta(minutes=5),
        execution_timeout=timedelta(hours=4),
    )
    return dag
