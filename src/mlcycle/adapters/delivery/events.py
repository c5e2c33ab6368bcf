"""Deliveries out of the platform's own queue: a partition's events as JSON lines, in the order they came."""

import hashlib
import threading
import uuid
from pathlib import Path

from mlcycle.adapters.delivery.event_rows import as_delivered
from mlcycle.adapters.delivery.source import Fetched, NotDelivered
from mlcycle.adapters.warehouse.connection import Warehouse
from mlcycle.domain.partitions import Partition
from mlcycle.errors import DataRejected
from mlcycle.ledger import events
from mlcycle.project import Project, Table

AT_ONCE = 4  # connections
ROWS = 5000  # at once in memory


class SourceEvents:
    """The queues of one project's tables."""

    def __init__(self, project: Project, warehouse: Warehouse, scratch: Path) -> None:
        self._project, self._warehouse, self._scratch = project, warehouse, scratch
        self._turn = threading.BoundedSemaphore(AT_ONCE)

    def fetch(self, name: str, table: Table, partition: Partition) -> Fetched:
        """The events of one partition, with the offset of the last of them.

        Raises NotDelivered where there is none, or none any more, DataRejected for more than the table's
        ``max_bytes``.
        """
        file = self._scratch / f"{uuid.uuid4().hex}.jsonl"
        try:
            offset = self._written(name, table, partition, file)
        except BaseException:
            file.unlink(missing_ok=True)
            raise
        with file.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        return Fetched(digest, file.stat().st_size, None, file, offset)

    def _written(self, name: str, table: Table, partition: Partition, file: Path) -> int:
        """Write the events into a file; the last one's offset. One snapshot: each event up to it is there."""
        offset = size = 0
        with self._turn, self._warehouse.reading() as outer, file.open("wb") as out:
            if events.removed(outer, self._project.name, name, partition.key):
                raise NotDelivered(f"{name} of {partition.key}: its events landed and are kept no longer")
            with outer.connection.cursor(name="events") as cursor:
                cursor.itersize = ROWS
                cursor.execute(
                    """select event_offset, payload from raw.event
                       where project = %s and table_name = %s and partition = %s order by event_offset""",
                    (self._project.name, name, partition.key),
                )
                for number, payload in cursor:
                    offset = number
                    size += out.write(as_delivered(payload, table))
                    if size > table.max_bytes:
                        raise DataRejected(
                            f"{name} of {partition.key}: more than {table.max_bytes} bytes, the table's "
                            "max_bytes: nothing was staged"
                        )
        if not offset:
            raise NotDelivered(f"{name} of {partition.key} is not delivered yet: no event has such a time")
        return offset
