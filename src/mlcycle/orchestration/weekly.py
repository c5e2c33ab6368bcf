# mypy: allow-subclassing-any
"""The clock of partitions that are weeks.

Airflow 3.3.2 reads a run's partition key by ``strptime`` with the timetable's ``key_format``, which takes
no ISO week without a day (``2013-W05``): its own timetable makes such keys, and refuses those of people.
"""

from datetime import datetime
from typing import Any, ClassVar

from airflow.exceptions import InvalidPartitionKeyError
from airflow.plugins_manager import AirflowPlugin
from airflow.timetables.trigger import CronPartitionTimetable

from mlcycle.domain.unit import Unit


class WeekPartitionTimetable(CronPartitionTimetable):
    """A run for each ISO week, once it is over."""

    def _decode_partition_date(self, partition_key: str) -> datetime:
        try:
            return Unit.of("week", str(self._timezone)).read(partition_key)
        except ValueError:
            raise InvalidPartitionKeyError(
                f"Partition key {partition_key!r} is not a week: write it like '2013-W05'"
            ) from None


class WeeklyPlugin(AirflowPlugin):
    """Lets Airflow's processes read the timetable out of a serialized DAG."""

    name = "mlcycle weekly"
    timetables: ClassVar[list[Any]] = [WeekPartitionTimetable]
