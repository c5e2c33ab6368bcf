"""Values into Feast's online store, only ever forward.

Feast's own write is last-write-wins. So what is stored is read first, and a value goes in only if it
became known later, or at the same moment with another value (it was computed again). Hold
:func:`lock` meanwhile: two writers would not see each other. No transaction is open while Feast writes.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from mlcycle.adapters.features import definitions as definitions
from mlcycle.adapters.features.library import load_feast
from mlcycle.adapters.features.store import repo_config
from mlcycle.adapters.warehouse.session_lock import holding
from mlcycle.errors import Unavailable
from mlcycle.project import Project
from mlcycle.settings import Settings

if TYPE_CHECKING:
    import pyarrow

BATCH = 10_000  # entities compared and written at once


@contextmanager
def lock(settings: Settings, project: str, work: str, token: int) -> Iterator[Callable[[], None]]:
    """Hold the project's online store. Yields a check that raises Unavailable once the lock is lost."""
    with holding(settings, f"online:{project}", work, token) as held:
        yield held.check


class OnlineWriter:
    """Writes a project's feature views to its online store, as long as ``still_held`` raises nothing."""

    def __init__(self, settings: Settings, project: Project, still_held: Callable[[], None]) -> None:
        load_feast()
        from feast.infra.provider import get_provider

        self._project = project
        self._still_held = still_held
        self._config = repo_config(settings, project, may_write=True)
        self._provider = get_provider(self._config)
        self._views = definitions.views(project)

    def write(self, view: str, newest: "pyarrow.Table") -> int:
        """Store the newest value of each entity where it moves the entity forward.

        Args:
            view: name of the feature view.
            newest: the view's entities, event_timestamp, created_timestamp and columns; one row an entity.

        Returns:
            How many entities changed. Raises Unavailable where the online store does not answer.
        """
        import psycopg

        try:
            return sum(
                self._write_batch(view, newest.slice(start, BATCH))
                for start in range(0, newest.num_rows, BATCH)
            )
        except psycopg.OperationalError as error:
            reason = " ".join(str(error).split())
            raise Unavailable(f"the online store does not answer: {reason}; it will be tried again") from None

    def _write_batch(self, view: str, newest: "pyarrow.Table") -> int:
        keys = self._keys(view, newest)
        values = self._values(view, newest)
        known = newest["event_timestamp"].to_pylist()
        created = newest["created_timestamp"].to_pylist()
        table = self._views[view]
        # Named features: without them Feast 0.67 sends one parameter too many to PostgreSQL.
        names = list(self._project.features[view].columns)
        stored = self._provider.online_read(self._config, table, keys, names)
        moved = []
        for key, value, moment, made, (before, held) in zip(
            keys, values, known, created, stored, strict=True
        ):
            if _forward(moment, value, before, held):
                moved.append((key, value, moment, made))
        if moved:
            self._still_held()
            self._provider.online_write_batch(self._config, table, moved, None)
        return len(moved)

    def _keys(self, view: str, newest: "pyarrow.Table") -> list[Any]:
        from feast.protos.feast.types.EntityKey_pb2 import EntityKey

        names = sorted(self._project.features[view].entities)
        columns = [self._protos(newest, name) for name in names]
        return [EntityKey(join_keys=names, entity_values=row) for row in zip(*columns, strict=True)]

    def _values(self, view: str, newest: "pyarrow.Table") -> list[dict[str, Any]]:
        names = list(self._project.features[view].columns)
        columns = [self._protos(newest, name) for name in names]
        return [dict(zip(names, row, strict=True)) for row in zip(*columns, strict=True)]

    def _protos(self, newest: "pyarrow.Table", name: str) -> list[Any]:
        import pyarrow as pa
        from feast import ValueType
        from feast.type_map import python_values_to_proto_values

        kinds = {
            pa.string(): ValueType.STRING,
            pa.int64(): ValueType.INT64,
            pa.float64(): ValueType.DOUBLE,
            pa.bool_(): ValueType.BOOL,
            pa.timestamp("us", tz="UTC"): ValueType.UNIX_TIMESTAMP,
        }
        found: list[Any] = python_values_to_proto_values(
            newest[name].to_pylist(), kinds[newest.schema.field(name).type]
        )
        return found


def _forward(moment: datetime, value: Any, before: datetime | None, held: dict[str, Any] | None) -> bool:
    if before is None or held is None:
        return True
    before = before if before.tzinfo else before.replace(tzinfo=UTC)
    return moment > before or (moment == before and value != held)
