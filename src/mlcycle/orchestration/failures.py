# mypy: allow-subclassing-any
"""The task that tells people what failed in its run: a step that died says nothing itself.

It begins with the first failure and is skipped, without a process, where there was none. Failures of
one moment are told together; while the rest of the run goes on it looks again, ever more seldom, and
tells what failed since. What it tells is kept by the ledger once, whatever is told twice.
"""

import hashlib
import os
from datetime import UTC, datetime, timedelta
from typing import Any
from urllib.parse import quote

from airflow.sdk.exceptions import AirflowRescheduleException, AirflowSkipException

from mlcycle.contract import Origin, PartitionRange, Request
from mlcycle.errors import InputError
from mlcycle.orchestration.operator import StepOperator
from mlcycle.orchestration.sweeper import OVER
from mlcycle.orchestration.task_states import folded

TOGETHER = timedelta(seconds=30)  # that the first failure waits for those beside it
LOOKS = (timedelta(seconds=10), timedelta(minutes=15))  # between two looks at a run that goes on


class FailureOperator(StepOperator):
    """Runs the step ``alert`` with the names of the run's failed tasks."""

    ui_color = "#fde8e8"

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self._failed: dict[str, str] = {}

    def execute(self, context: Any) -> dict[str, Any]:
        """Tell what failed; wait without a slot for what still runs."""
        ti = context["ti"]
        states = ti.get_task_states(dag_id=ti.dag_id, run_ids=[ti.run_id]).get(ti.run_id, {})
        steps, tasks = self._steps(), self.get_dag().tasks
        mapped = {task.task_id for task in tasks if task.is_mapped}
        found = folded(states, {task.task_id for task in tasks}, mapped)
        self._failed = {name: task for name, task in steps.items() if "failed" in found.get(task, ())}
        goes_on = [task for task in steps.values() if not OVER.issuperset(found.get(task, [None]))]
        since = ti.get_first_reschedule_date(context)
        waited = datetime.now(UTC) - since if since else timedelta(0)
        if goes_on and waited < TOGETHER:
            self._look_again(goes_on, LOOKS[0])
        told: dict[str, Any] = {}
        if self._failed:
            try:
                told = super().execute(context)
            except AirflowSkipException as skip:
                self.log.info("%s", skip)
        if goes_on:
            self._look_again(goes_on, min(max(waited / 4, LOOKS[0]), LOOKS[1]))
        if not told:
            raise AirflowSkipException("nothing that is not told already")
        return told

    def request(self, context: Any, decision: Any = None) -> Request:
        """The contract's request of this try: what failed, and of which partitions."""
        ti, run = context["ti"], context["dag_run"]
        first = str(dict(context["params"]).get("first") or "")
        return Request(
            step=self.step.name,
            work=self.work(ti),
            project=self.project.document(),
            partitions=self._partitions(context, first),
            params={
                "failed": dict(self._failed),
                "stage": self.stage,
                "run_type": str(run.run_type),
                "link": run_page(ti.dag_id, ti.run_id),
            },
            origin=Origin(dag_id=ti.dag_id, run_id=ti.run_id, task_id=ti.task_id, try_number=ti.try_number),
        )

    def work(self, ti: Any) -> str:
        """The name of this work: another one where more has failed since."""
        told = hashlib.sha256(" ".join(sorted(self._failed)).encode()).hexdigest()[:12]
        return f"{super().work(ti)}+{told}"

    def _partitions(self, context: Any, first: str) -> PartitionRange | None:
        try:
            return super()._partitions(context, first)
        except InputError:  # that may be what failed
            return None

    def _steps(self) -> dict[str, str]:
        """The run's steps, as ``step`` or ``step.variant``, with their tasks; not this one.

        A monitor that died is told by the alert step behind it.
        """
        told = "monitor" if self.stage == "monitor" else ""
        steps = {}
        for task in self.get_dag().tasks:
            if isinstance(task, StepOperator):
                name, variant = task.step.name, task.variant
            elif task.is_mapped:
                name, variant = task.partial_kwargs["step"]["name"], task.partial_kwargs["variant"]
            else:
                continue
            if task.task_id != self.task_id and name != told:
                steps[f"{name}.{variant}" if variant else name] = task.task_id
        return steps

    def _look_again(self, goes_on: list[str], pause: timedelta) -> None:
        self.log.info("looks again: %s did not end yet", ", ".join(goes_on))
        raise AirflowRescheduleException(datetime.now(UTC) + pause)


def run_page(dag_id: str, run_id: str) -> str:
    """Where a browser finds the run."""
    base = os.environ.get("MLCYCLE_AIRFLOW_URL", "").rstrip("/")
    return f"{base}/dags/{quote(dag_id)}/runs/{quote(run_id, safe='')}" if base else ""
