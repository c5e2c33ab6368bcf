# mypy: allow-subclassing-any
"""The clock of partitions that are weeks, or days and months of a zone.

What Airflow 3.3.2's own partition timetable does not do, seen by running it: it reads a run's key by
``strptime``, which takes no ISO week without a day (``2013-W05``), so that it makes such keys and refuses
those of people; and where clocks are put on at midnight (Cairo, Havana, Santiago) it takes the day that
begins then for the one that is over.
"""

from datetime import datetime
from typing import Any, ClassVar

import pendulum
from airflow.exceptions import InvalidPartitionKeyError
from airflow.plugins_manager import AirflowPlugin
from airflow.timetables.trigger import CronPartitionTimetable

from mlcycle.domain.partitions import Partition, Unit
from mlcycle.errors import InputError


class LocalPartitionTimetable(CronPartitionTimetable):
    """A run for each partition of a unit, once it is over; the unit is the one with the key format."""

    @property
    def _unit(self) -> Unit:
        (kind,) = (unit.kind for unit in Unit.ALL if unit.key_format == self._key_format)
        return Unit.of(kind, str(self._timezone))

    def _get_partition_info(self, run_date: Any) -> tuple[Any, str]:
        over = Partition.containing(run_date, self._unit).shift(-1)
        return pendulum.instance(over.start), over.key

    def _decode_partition_date(self, partition_key: str) -> datetime:
        try:
            return Partition.parse(partition_key, self._unit).start
        except InputError as error:
            raise InvalidPartitionKeyError(error.message) from None


class LocalClockPlugin(AirflowPlugin):
    """Lets Airflow's processes read the timetable out of a serialized DAG."""

    name = "mlcycle local clock"
    timetables: ClassVar[list[Any]] = [LocalPartitionTimetable]
