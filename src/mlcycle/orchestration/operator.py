# mypy: allow-subclassing-any
"""The one operator: makes a step's request, lets a runner run it, and acts on its result.

No work happens here. What a step hands over to the next travels as XCom, the contract's
``Handover`` in JSON: URIs, digests and small values. Nothing that a person may write into a run (its
conf, an XCom) reaches a step as a parameter unless the stage's form declares it.
"""

import os
import time
from collections.abc import Collection, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import BaseOperator, BaseOperatorLink
from airflow.sdk.exceptions import (
    AirflowException,
    AirflowFailException,
    AirflowRescheduleException,
    AirflowSkipException,
)

from mlcycle.console.links import all_links
from mlcycle.contract import Decision, ExitCode, Handover, Origin, PartitionRange, Request, Result, Status
from mlcycle.cycle import ROLES, STAGES, Step
from mlcycle.domain.partitions import Partition
from mlcycle.errors import InputError, MlcycleError
from mlcycle.orchestration.forms import PARTITION, WITHOUT_PARTITION
from mlcycle.orchestration.kept import Kept
from mlcycle.orchestration.placement import Placement, place
from mlcycle.orchestration.presence import newest_partition
from mlcycle.orchestration.runners.base import LOOK, Full, Handle, Runner, hand_on, make_runner
from mlcycle.orchestration.runners.ending import told
from mlcycle.orchestration.task_states import folded
from mlcycle.project import Project

RETRY = {
    "retry_delay": timedelta(seconds=2),
    "retry_exponential_backoff": 3.0,
    "max_retry_delay": timedelta(minutes=1),
}
#: What Airflow leaves the runner to end a step that is over its time by itself, and to say so.
MARGIN = timedelta(minutes=2)
PATIENCE = timedelta(minutes=10)  # that Airflow may take to read an edited project file
EDITED = ("candidate", "search")  # a stage of these has other tasks once the project file is edited
ROOM = timedelta(seconds=15)  # until a place that was full is asked again
#: When a step that waits is looked at again: not before Airflow's scheduler has surely seen the end of
#: the worker before (3.3.2 takes a task that is scheduled again by then for one killed from outside),
#: and once a day at least.
AGAIN = (timedelta(seconds=5), timedelta(days=1))


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
        **kwargs: Any,
    ) -> None:
        limits = project.limits(step.name, variant)
        ours = {**RETRY, "retries": limits.retries, "execution_timeout": limits.time + MARGIN}
        super().__init__(**{**ours, **kwargs})
        self.project = project
        self.stage = stage
        self.step = step
        self.variant = variant
        self.reads = reads or {}
        self.links: dict[str, str] = {}
        self._runner: Runner | None = None
        self._handle: Handle | None = None

    def execute(self, context: Any) -> dict[str, Any]:
        """Run the step and return its handover."""
        return self._execute(context, None)

    def _execute(self, context: Any, decision: Decision | None) -> dict[str, Any]:
        self.operator_extra_links = ()
        try:
            request = self.request(context, decision)
            result = self._run(request, context)
        except MlcycleError as error:
            raise _failure(f"{self.step.name}: {error.message}", retryable=error.retryable) from None
        return self._conclude(result, request, context)

    def on_kill(self) -> None:
        """End the step when its task is ended: by a person, a time-out, or the platform's stop."""
        if self._runner is not None and self._handle is not None:
            self._runner.cancel(self._handle)

    def _wait_for_its_tasks(self, context: Any) -> None:
        """Let a run begin once it has a task for each candidate that the project file names now.

        A worker reads the file itself, Airflow's DAG processor some seconds later: a run in between
        would train the candidates of before the edit, and end well.
        """
        ti = context["ti"]
        known = ti.get_task_states(dag_id=ti.dag_id, run_ids=[ti.run_id]).get(ti.run_id, {})
        wanted = set(self.get_dag().task_ids)
        mapped = {task.task_id for task in self.get_dag().tasks if task.is_mapped}
        states = folded(known, wanted, mapped)
        present = {task for task, found in states.items() if set(found) != {"removed"}}
        if present == wanted:
            return
        differs = ", ".join(sorted(present ^ wanted))
        since = ti.get_first_reschedule_date(context)
        if since is not None and datetime.now(UTC) - since > PATIENCE:
            raise AirflowFailException(
                f"the project file and this run differ in {differs} since {since:%H:%M:%S} UTC: Airflow does "
                "not read the file any more; look at its import errors and at the DAG processor"
            )
        self.log.info("waits until Airflow has read the project file: it and this run differ in %s", differs)
        raise AirflowRescheduleException(datetime.now(UTC) + AGAIN[0])

    def _run(self, request: Request, context: Any) -> Result:
        """The step's result: of one that an earlier try of this work left running, or of a new one.

        Raises AirflowRescheduleException where the runner lets go of the slot while the step runs.
        """
        placement = place(os.environ, self.project, self.step.name, self.variant)
        self._runner = runner = make_runner(placement.runner, os.environ)
        # One request more for each task: only for a step that can be found again at all.
        kept = Kept(context["task_state_store"] if runner.durable else None, request.work)
        if (left := kept.unwanted) is not None:
            runner.cancel(left)
        try:
            found = kept.handle
            if found is not None and (said := kept.result) is not None:
                self.log.info("%s ended well; the worker before did not live to say so", found.id)
                runner.clear(found)
                return said
            if found is None:
                if not self.step.after and any(one.each in EDITED for one in STAGES[self.stage].steps):
                    self._wait_for_its_tasks(context)
                self._handle = found = self._submit(runner, request, placement, kept)
            else:
                self.log.info("going on with %s, which an earlier worker started", found.id)
                self._handle = found
            began, seen = time.monotonic(), 0
            while not runner.poll(found, LOOK):
                seen = hand_on(runner, found, seen, self.log.info)
                if runner.durable and runner.away and time.monotonic() - began > runner.stay:
                    kept.started(runner.leave(found))
                    self.log.info("%s goes on without a slot of Airflow's", found.id)
                    now = datetime.now(UTC)
                    raise AirflowRescheduleException(
                        _again(now + min(runner.away, (now - found.started_at) / 4))
                    )
            hand_on(runner, found, seen, self.log.info)
            result = runner.result(found, request)
            kept.ended(found, result)
            runner.clear(found)
        finally:
            runner.close()
        return result

    def _submit(self, runner: Runner, request: Request, placement: Placement, kept: Kept) -> Handle:
        """Start the step and keep its handle. Where there is no room for it, wait without a slot."""
        try:
            found = runner.submit(request, placement, role=ROLES[self.step.name])
        except Full as full:
            if not runner.durable:
                raise
            now = datetime.now(UTC)
            since = kept.refused or now
            if now - since > full.patience:
                kept.forget()
                raise AirflowFailException(
                    f"{self.step.name}: refused for {told(now - since)}: {full.message}"
                ) from None
            kept.had_no_room(since)
            self.log.info("%s (no failure: asked again in %d s)", full.message, ROOM.total_seconds())
            raise AirflowRescheduleException(now + ROOM) from None
        kept.started(found)
        return found

    def request(self, context: Any, decision: Decision | None = None) -> Request:
        """The contract's request of this try. Raises InputError for what the stage's form has not."""
        ti, run = context["ti"], context["dag_run"]
        params = {name: value for name, value in dict(context["params"]).items() if value not in (None, "")}
        params.pop(PARTITION, None)
        also = [] if self.stage in WITHOUT_PARTITION else [PARTITION]
        if refusal := STAGES[self.stage].refusal(params, also=also):
            raise InputError(
                f"the run's configuration holds what the form of {self.stage} has not, {refusal}"
            )
        if self.stage == "retrain" and run.run_type == "scheduled":
            params["source"] = "schedule"
        if run.run_type == "backfill":
            params["run_type"] = "backfill"
        if self.step.each:
            params[self.step.each] = self.variant
        return Request(
            step=self.step.name,
            work=self.work(ti),
            project=self.project.document(),
            partitions=self._partitions(context, str(params.get("first", ""))),
            params=params,
            inputs={name: self._handovers(ti, tasks) for name, tasks in self.reads.items()},
            decision=decision,
            origin=Origin(
                dag_id=ti.dag_id,
                run_id=ti.run_id,
                task_id=ti.task_id,
                map_index=_map_index(ti),
                try_number=ti.try_number,
                user=run.triggering_user_name or "",
            ),
        )

    def work(self, ti: Any) -> str:
        """The name of this task's work, the same for all its retries."""
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
        # A step that mapped tasks follow hands the same over once for each of them.
        every = [value[0] if isinstance(value, list) else value for value in found or [] if value]
        return [Handover.model_validate(value) for value in every]

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
        if result.status is Status.SKIPPED:
            raise AirflowSkipException(text)
        if result.status is Status.WAITING:
            again_at = _again(result.again_at)
            self.log.info("%s (no failure: looked at again at %s)", text, again_at.isoformat(" ", "seconds"))
            raise AirflowRescheduleException(again_at)
        if result.exit_code is not ExitCode.OK:
            raise _failure(
                text, retryable=result.exit_code is ExitCode.RETRY and not self._hung_again(result, context)
            )
        self.log.info(
            "%s (%.1f s%s)", text, result.seconds, ", done by an earlier try" if result.replayed else ""
        )
        self._name_partition(request, context)
        handover: dict[str, Any] = result.handover.model_dump(mode="json")
        return handover

    def _hung_again(self, result: Result, context: Any) -> bool:
        """The step went over its time for the second time: a third try would hold the project for as long."""
        ti = context["ti"]
        first = ti.try_number + self.retries <= ti.max_tries + 1
        return result.error is not None and result.error.kind == "timeout" and not first

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


def _again(asked: datetime | None) -> datetime:
    """When to look again: as the step says, within bounds."""
    now = datetime.now(UTC)
    moment = asked or now
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return min(max(moment, now + AGAIN[0]), now + AGAIN[1])


def _map_index(ti: Any) -> int:
    return -1 if ti.map_index is None else int(ti.map_index)
