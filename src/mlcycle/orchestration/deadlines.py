# mypy: allow-subclassing-any
"""Runs that should have ended: Airflow notices, in its scheduler, and people are told by the step ``alert``.

Seen with Airflow 3.3.2: a deadline is looked at by every scheduler loop and forgotten with the end of its
run; its callback runs in the executor, beside tasks, once: one that fails is not tried again. Clearing a task
of a run with a deadline of the kind ``DAGRUN_QUEUED_AT`` ends in an error 500 (``timedelta`` of a dict), so
that runs have a kind of our own, which Airflow leaves as it is.
"""

import logging
import os
from datetime import UTC, datetime, timedelta
from typing import Any, ClassVar

from airflow.plugins_manager import AirflowPlugin
from airflow.sdk.definitions.callback import SyncCallback
from airflow.sdk.definitions.deadline import BaseDeadlineReference, DeadlineAlert

from mlcycle.contract import Origin, PartitionRange, Request
from mlcycle.cycle import LAST_STEP, ROLES, Stage
from mlcycle.errors import ConfigError
from mlcycle.orchestration.failures import run_page
from mlcycle.orchestration.placement import place
from mlcycle.orchestration.runners.base import LOOK, hand_on, make_runner
from mlcycle.project import Project
from mlcycle.project.file import load_named, projects_folder

STEP = "alert"
log = logging.getLogger(__name__)


class RunMade(BaseDeadlineReference):
    """When the run was made and queued; a task of it that is cleared moves it no further."""

    def _evaluate_with(self, **_: Any) -> datetime:
        return datetime.now(UTC)  # Airflow asks once, as it makes the run


class DeadlinePlugin(AirflowPlugin):
    """Tells Airflow of the kind."""

    name = "mlcycle-deadlines"
    deadline_references: ClassVar[list[type]] = [RunMade]


def deadline(project: Project, stage: Stage) -> DeadlineAlert | None:
    """When a run of the stage should have ended, counted from when it was made; None where nobody waits.

    What a run may wait for comes on top: a delivery, a person's answer.
    """
    if stage.name not in LAST_STEP:
        return None
    within = project.alerts.deadline
    if stage.name == "ingest":
        within += project.source.lateness
    if stage.name == "promote" and project.approval.required:
        within += project.approval.within
    return DeadlineAlert(
        reference=RunMade(),
        interval=within,
        callback=SyncCallback(missed, kwargs={"project": project.name, "stage": stage.name}),
    )


def missed(project: str, stage: str, context: dict[str, Any]) -> None:
    """Tell people that a run goes on, or waits, for longer than it should."""
    found = load_named(projects_folder(), project)
    run = context["dag_run"]
    request = overdue_request(found, stage, run, found.alerts.deadline)
    placement = place(os.environ, found, STEP, "")
    runner = make_runner(placement.runner, os.environ)
    try:
        handle, seen = runner.submit(request, placement, role=ROLES[STEP]), 0
        while not runner.poll(handle, LOOK):
            seen = hand_on(runner, handle, seen, log.info)
        hand_on(runner, handle, seen, log.info)
        result = runner.result(handle, request)
        runner.clear(handle)
    finally:
        runner.close()
    if result.error is not None:
        raise ConfigError(f"nobody was told that {run['dag_id']} is overdue: {result.error.message}")


def overdue_request(project: Project, stage: str, run: dict[str, Any], within: timedelta) -> Request:
    """The contract's request for a run, as Airflow's API tells it, that missed its deadline."""
    key = run.get("partition_key")
    dag_id, run_id = str(run["dag_id"]), str(run["dag_run_id"])
    return Request(
        step=STEP,
        work=f"{dag_id}/{run_id}/overdue",
        project=project.document(),
        partitions=PartitionRange(first=key, last=key) if key else None,
        params={
            "overdue": stage,
            "within": within.total_seconds(),
            "run_type": str(run.get("run_type", "")),
            "link": run_page(dag_id, run_id),
        },
        origin=Origin(dag_id=dag_id, run_id=run_id),
    )
