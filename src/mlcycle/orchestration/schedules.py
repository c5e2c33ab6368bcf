"""What starts a stage's runs: the clock, an asset, or a person. A partition key travels along.

What Airflow 3.3.2 does, seen by running it:

- An event carries its run's partition key; a run without one emits events that start nothing
  (a "missing partition key" entry in the audit log), unless the task names a key itself with
  ``outlet_events[asset].add_partitions(key)``. :class:`~mlcycle.orchestration.operator.StepOperator`
  does so.
- An event with a key never starts a DAG whose timetable is not partitioned, so every DAG that
  starts on an asset has a partitioned timetable.
- A run by a person (form or POST dagRuns) may carry a key on every partitioned timetable; for
  the clock's the key must fit its format (HTTP 400 otherwise).
- A DAG whose ``end_date`` has passed is not scheduled any more, and still takes runs by people
  and backfills of any range: what a project without a living source needs.
- Several assets in one condition leave a pending row for each key that only some of them got, and
  a scheduler looks at the 500 oldest pending rows only: enough of them stop every partitioned DAG.
  Hence each stage here starts on one asset.
"""

from datetime import UTC, datetime, timedelta
from typing import Any

from airflow.sdk import (
    AssetAll,
    CronPartitionTimetable,
    CronTriggerTimetable,
    PartitionedAssetTimetable,
    PartitionedAtRuntime,
)

from mlcycle.cycle import Stage
from mlcycle.domain.cron import check_cron
from mlcycle.domain.partitions import Partition
from mlcycle.domain.unit import Length
from mlcycle.orchestration.assets import asset
from mlcycle.project import Project

#: The boundaries of partitions, by the clock of their zone.
CRON = {
    Length.HOUR: "0 * * * *",
    Length.DAY: "0 0 * * *",
    Length.WEEK: "0 0 * * 1",
    Length.MONTH: "0 0 1 * *",
}


def schedule(project: Project, stage: Stage) -> dict[str, Any]:
    """The DAG's arguments that say when it runs."""
    if stage.starts_on:
        kinds = [asset(project.name, kind) for kind in stage.starts_on]
        return {"schedule": PartitionedAssetTimetable(assets=AssetAll(*kinds))}
    if stage.name == "ingest":
        return _ingest(project)
    if stage.name == "alerts" and project.alerts.escalate and project.source.live:
        return {
            "schedule": CronTriggerTimetable(_every(project.alerts.escalate.after), timezone="UTC"),
            "catchup": False,
        }
    if stage.name == "retrain" and project.retrain.schedule and project.source.live:
        # Not a partition's clock: a weekly cron's ticks are no partitions of the project. Without a start
        # date the first run is the next tick's: a new project has nothing yet to be trained on.
        return {
            "schedule": CronTriggerTimetable(check_cron(project.retrain.schedule), timezone="UTC"),
            "catchup": False,
        }
    return {"schedule": PartitionedAtRuntime()}


def _every(after: timedelta) -> str:
    """A cron that comes twice in this time, every five minutes at most and every hour at least."""
    minutes = max(
        step for step in (5, 10, 15, 20, 30, 60) if step == 5 or 2 * step * 60 <= after.total_seconds()
    )
    # Not at the full hour, when every hourly project begins.
    return "7 * * * *" if minutes == 60 else f"*/{minutes} * * * *"


def _ingest(project: Project) -> dict[str, Any]:
    """A run for each partition once it is over; never for those before the DAG was there."""
    unit = project.unit
    times: dict[str, Any] = {"start_date": _start(project), "catchup": False}
    if not project.source.live:
        times["end_date"] = _start(project) + timedelta(seconds=1)
    timetable: Any = CronPartitionTimetable
    if unit.kind is Length.WEEK or unit.zone != "UTC":
        from mlcycle.orchestration.local_clock import LocalPartitionTimetable as timetable  # heavier
    cron = CRON[unit.kind]
    return {
        "schedule": timetable(cron, timezone=unit.zone, run_offset=-1, key_format=unit.key_format),
        **times,
    }


def _start(project: Project) -> datetime:
    return Partition.parse(project.source.start, project.unit).start.astimezone(UTC)
