"""Housekeeping: rows and files older than their kind is kept go, in bounded batches.

It may be killed at any moment and run twice, and steps run beside it: each batch is a transaction of
its own, a file that is gone is no error, and one housekeeping waits for no other.
"""

from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, datetime

from psycopg2.extensions import cursor as Cursor

from mlcycle.adapters.artifacts.store import ArtifactStore
from mlcycle.adapters.warehouse.connection import Warehouse
from mlcycle.errors import Conflict, Unavailable
from mlcycle.housekeeping import shown
from mlcycle.housekeeping.files import Files
from mlcycle.housekeeping.freed import Freed
from mlcycle.housekeeping.keep import Keep
from mlcycle.ledger import events, old_studies, retention
from mlcycle.settings import Settings

Say = Callable[[str], None]
One = Callable[[Cursor, datetime], int]

#: How old rows of each kind are counted, and how a batch of them is deleted.
ROWS: dict[str, tuple[One, One]] = {
    "attempts": (retention.count_attempts, retention.delete_attempts),
    "quarantine": (retention.count_quarantine, retention.delete_quarantine),
    "alerts": (retention.count_alerts, retention.delete_alerts),
    "events": (events.count_landed, events.delete_landed),
    "searches": (old_studies.count_studies, old_studies.delete_study),
}


def prune(
    settings: Settings, keep: Keep, *, dry_run: bool, now: datetime | None = None, say: Say = lambda _: None
) -> Freed:
    """Take away what is older than ``keep`` allows and nothing needs; what it was.

    Args:
        settings: with the DSN of the role ``keep``.
        keep: durations by kind.
        dry_run: change nothing, count the same.
        now: the moment ages are counted from.
        say: gets a line for each part that is done.

    Raises:
        Conflict: another housekeeping is at work.
        Unavailable: the warehouse or the artifact store does not answer.
    """
    moment = now or datetime.now(UTC)
    before = {kind: moment - getattr(keep, kind) for kind in Keep.model_fields}
    freed = Freed()
    with _alone(settings), closing(Warehouse(settings, "mlcycle:prune")) as warehouse:
        for kind, (count, delete) in ROWS.items():
            freed.rows[kind] += _rows(warehouse, count if dry_run else delete, before[kind], once=dry_run)
            say(f"{kind}: {freed.rows[kind]:,} rows")
        for dated in retention.DATED:
            freed.rows[dated.kind] += _partitions(warehouse, dated, before[dated.kind], dry_run=dry_run)
            say(f"{dated.kind}: {freed.rows[dated.kind]:,} rows")
        Files(ArtifactStore(settings.artifacts_url), warehouse, before, dry_run, freed).prune()
        say(f"files: {freed.files.total():,}, {freed.bytes.total() / 1e6:,.1f} MB")
        shown.prune(settings, warehouse, before, freed, dry_run=dry_run)
        say(f"runs: {freed.rows['runs']:,} in MLflow and Evidently")
    return freed


@contextmanager
def _alone(settings: Settings) -> Iterator[None]:
    """Keep other housekeeping out, on a connection that does nothing else."""
    with closing(Warehouse(settings, "mlcycle:prune:lock")) as holder:
        with holder.transaction() as cursor:
            if not retention.alone(cursor):
                raise Conflict("another housekeeping is at work: nothing was done")
        try:
            yield
        finally:
            with suppress(Unavailable), holder.transaction() as cursor:
                retention.leave(cursor)


def _rows(warehouse: Warehouse, one: One, before: datetime, *, once: bool) -> int:
    """All old rows of a kind, a batch at a time; or their number, asked once."""
    total = 0
    while True:
        with warehouse.transaction() as cursor:
            done = one(cursor, before)
        total += done
        if once or not done:
            return total


def _partitions(warehouse: Warehouse, dated: retention.Dated, before: datetime, *, dry_run: bool) -> int:
    with warehouse.transaction() as cursor:
        old = list(retention.old_partitions(cursor, dated, before))
    if dry_run:
        return sum(rows for _, _, rows in old)
    total = 0
    for project, partition, _ in old:
        with warehouse.transaction() as cursor:
            total += retention.delete_partition(cursor, dated, before, project, partition)
    return total
