# mypy: allow-subclassing-any
"""The one operator: makes a step's request, lets a runner run it, and acts on its result.

No work happens here. What a step hands over to the next travels as XCom, the contract's
``Handover`` in JSON: URIs, digests and small values.
"""

import os
from collections.abc import Collection, Sequence
from datetime import timedelta
from typing import Any

from airflow.sdk import BaseOperator, BaseOperatorLink
from airflow.sdk.exceptions import (
    AirflowException,
    AirflowFailException,
    AirflowRescheduleException,
    AirflowSkipException,
)

from mlcycle.console.links import all_links
from mlcycle.contract import ExitCode, Handover, Origin, PartitionRange, Request, Result, Status
from mlcycle.cycle import ROLES, Step
from mlcycle.domain.partitions import Partition
from mlcycle.errors import InputError, MlcycleError
from mlcycle.orchestration.forms import PARTITION, WITHOUT_PARTITION
from mlcycle.orchestration.presence import newest_partition
from mlcycle.orchestration.runners.base import Runner, make_runner
from mlcycle.project import Project, Resources

RETRY = {
    "retries": 2,
    "retry_delay": timedelta(seconds=2),
    "retry_exponential_backoff": 3.0,
    "max_retry_delay": timedelta(minutes=1),
}


class StepFailed(AirflowException):
    """A step failed and may do better when tried again."""


class StepOperator(BaseOperator):
    """Runs one step of a stage for one project.

    ``variant`` is the table or candidate of a step that runs once for each. ``reads`` maps the
    name of each upstream step to the tasks it ran as.
    """

    ui_color = "#e8f1ff"
    operator_extra_links: Collection[BaseOperatorLink] = all_links()

    def __init__(
        self,
        *,
        project: Project,
        stage: str,
        step: Step,
        variant: str = "",
        reads: dict[str, Sequence[str]] | None = None,
        resources: Resources | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**{**RETRY, **kwargs})
        self.project = project
        self.stage = stage
        self.step = step
        self.variant = variant
        self.reads = reads or {}
        self.step_resources = resources or Resources()
        self.links: dict[str, str] = {}
        self._runner: Runner | None = None

    def execute(self, context: Any) -> dict[str, Any]:
        """Run the step and return its handover."""
        self.operator_extra_links = ()
        try:
            request = self.request(context)
            self._runner = make_runner(os.environ.get("MLCYCLE_RUNNER", ""))
            result = self._runner.run(
                request, role=ROLES[self.step.name], resources=self.step_resources, log=self.log.info
            )
        except MlcycleError as error:
            raise _failure(f"{self.step.name}: {error.message}", retryable=error.retryable) from None
        return self._conclude(result, request, context)

    def on_kill(self) -> None:
        """End the step when its task is ended: by a person, a time-out, or the platform's stop."""
        if self._runner is not None:
            self._runner.kill()

    def request(self, context: Any) -> Request:
        """The contract's request of this try. Raises InputError for a partition that is none."""
        ti, run = context["ti"], context["dag_run"]
        params = {name: value for name, value in dict(context["params"]).items() if value not in (None, "")}
        params.pop(PARTITION, None)
        if run.triggering_user_name:
            params["decided_by"] = run.triggering_user_name
        if self.stage == "retrain" and run.run_type == "scheduled":
            params["source"] = "schedule"
        if run.run_type == "backfill":
            params["run_type"] = "backfill"
        if self.step.each:
            params[self.step.each] = self.variant
        params.update(self._decision(ti))
        return Request(
            step=self.step.name,
            work=self._work(ti),
            project=self.project.document(),
            partitions=self._partitions(context, str(params.get("first", ""))),
            params=params,
            inputs={name: self._handovers(ti, tasks) for name, tasks in self.reads.items()},
            origin=Origin(
                dag_id=ti.dag_id,
                run_id=ti.run_id,
                task_id=ti.task_id,
                map_index=_map_index(ti),
                try_number=ti.try_number,
            ),
        )

    def _work(self, ti: Any) -> str:
        # Airflow leaves max_tries alone over a task's retries, and sets it to the tries so far plus
        # the retries allowed when a person clears the task: so it tells a retry from new work.
        return f"{ti.dag_id}/{ti.run_id}/{ti.task_id}/{_map_index(ti)}/{ti.max_tries}"

    def _partitions(self, context: Any, first: str) -> PartitionRange | None:
        if self.stage in WITHOUT_PARTITION:
            return None
        run = context["dag_run"]
        asked = context["params"].get(PARTITION)
        if run.partition_key and asked and asked != run.partition_key:
            raise InputError(
                f"the run's partition key is {run.partition_key!r}, its form says {asked!r}: give one of them"
            )
        last = run.partition_key or asked
        if not last:
            if self.stage in ("ingest", "absent"):
                raise InputError(
                    f"an {self.stage} run needs a partition: give the run a partition key, "
                    f"or write one like {self.project.source.start!r} in the form"
                )
            last = newest_partition(self.project, run.run_after)
        unit = self.project.unit
        begin, end = Partition.parse(first or last, unit), Partition.parse(last, unit)
        if begin > end:
            raise InputError(f"the range ends ({end.key}) before it begins ({begin.key})")
        return PartitionRange(first=begin.key, last=end.key)

    def _handovers(self, ti: Any, tasks: Sequence[str]) -> list[Handover]:
        """What the upstream tasks left; one that was skipped left nothing."""
        found = ti.xcom_pull(task_ids=list(tasks))
        return [Handover.model_validate(value) for value in found or [] if value is not None]

    def _decision(self, ti: Any) -> dict[str, str]:
        """A person's answer for the step behind an approval."""
        asked = self.upstream_task_ids & {"approve"}
        answer = ti.xcom_pull(task_ids="approve") if asked else None
        if not answer:
            return {}
        user = answer.get("responded_by_user") or {}
        return {
            "decision": str(answer["chosen_options"][0]).lower(),
            "decided_by": str(user.get("name") or user.get("id") or "unknown"),
            "decision_reason": str((answer.get("params_input") or {}).get("reason") or ""),
        }

    def _conclude(self, result: Result, request: Request, context: Any) -> dict[str, Any]:
        """Return the handover of a step that went well; raise what tells Airflow the rest."""
        self.links = result.links
        # Airflow stores the address of each link the task has by now, an empty one too: a request each.
        self.operator_extra_links = tuple(link for link in all_links() if link.key in result.links)
        text = (
            f"{self.step.name}: {result.message or (result.error and result.error.message) or result.status}"
        )
        for name, value in sorted(result.metrics.items()):
            self.log.info("%s = %.6g", name, value)
        if result.status is Status.WAITING and result.again_at is not None:
            self.log.info("%s", text)
            raise AirflowRescheduleException(result.again_at)
        if result.status is Status.SKIPPED:
            raise AirflowSkipException(text)
        if result.exit_code is not ExitCode.OK:
            raise _failure(text, retryable=result.exit_code is ExitCode.RETRY)
        self.log.info(
            "%s (%.1f s%s)", text, result.seconds, ", done by an earlier try" if result.replayed else ""
        )
        self._name_partition(request, context)
        handover: dict[str, Any] = result.handover.model_dump(mode="json")
        return handover

    def _name_partition(self, request: Request, context: Any) -> None:
        """Let the assets of a run without a key carry one all the same, so that the cycle goes on."""
        if context["dag_run"].partition_key or request.partitions is None:
            return
        for outlet in self.outlets:
            context["outlet_events"][outlet].add_partitions(request.partitions.last)


def _failure(text: str, *, retryable: bool) -> Exception:
    """The exception that Airflow retries, or the one it does not."""
    failure: Exception = (StepFailed if retryable else AirflowFailException)(text)
    return failure


def _map_index(ti: Any) -> int:
    return -1 if ti.map_index is None else int(ti.map_index)
