# mypy: allow-subclassing-any
"""The task of a DAG that runs no step: where tables meet."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from airflow.sdk import BaseOperator
from airflow.sdk.exceptions import AirflowSkipException

from mlcycle.domain.partitions import Partition, Unit
from mlcycle.orchestration.forms import PARTITION


class AnnounceOperator(BaseOperator):
    """Emits its asset once, if any of the tasks it watches published something; else it is skipped.

    One event for a partition, whatever the number of tables: tables that came unchanged emit
    nothing themselves, and must not keep the rest from going on. Partitions of earlier runs that the
    entity table has caught up with get an event each, in order, so that they are scored and watched
    as their own runs would have been.
    """

    ui_color = "#e8f7e8"

    def __init__(
        self, *, watches: Sequence[str], of_entity: str = "", lag: int = 0, unit: str = "day", **kwargs: Any
    ) -> None:
        super().__init__(execution_timeout=timedelta(minutes=5), **kwargs)
        self.watches = list(watches)
        self.of_entity = of_entity
        self.lag = lag
        self.unit = unit

    def execute(self, context: Any) -> None:
        """Let the events out, with the run's partition key or the one its form names."""
        ti, run = context["ti"], context["dag_run"]
        found = dict(zip(self.watches, ti.xcom_pull(task_ids=self.watches) or [], strict=True))
        published = {task: value for task, value in found.items() if value is not None}
        if not published:
            raise AirflowSkipException("nothing new was published: every table is as it was")
        self.log.info("%d of %d tables were published", len(published), len(self.watches))
        earlier = self._caught_up(published.get(self.of_entity))
        key = run.partition_key or context["params"].get(PARTITION)
        if earlier:
            self.log.info("with %d partitions of earlier runs: %s", len(earlier), ", ".join(earlier))
        elif run.partition_key or not key:
            return  # the event carries the run's own key by itself
        for outlet in self.outlets:
            # A list, where Airflow 3.3.2 has a set: events are registered, and runs made, in this order.
            context["outlet_events"][outlet].partition_keys = [*earlier, *([key] if key else [])]

    def _caught_up(self, handover: dict[str, Any] | None) -> list[str]:
        """Keys of the runs that should have brought what the entity table caught up with, in order."""
        keys = (handover or {}).get("values", {}).get("caught_up") or []
        unit = Unit.of(self.unit)  # of keys alone, which are the same in every zone
        return sorted(Partition.parse(str(key), unit).shift(self.lag).key for key in keys)
