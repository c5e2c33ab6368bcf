"""Dataset snapshots that exist, and how far labels reach."""

from datetime import datetime

from psycopg2.extensions import cursor as Cursor

from mlcycle.domain.dataset import DatasetManifest, Split, parse_manifest
from mlcycle.domain.partitions import Partition
from mlcycle.domain.split import Policy, Window, windows
from mlcycle.errors import InputError
from mlcycle.ledger.batches import newest
from mlcycle.ledger.document import as_json
from mlcycle.project import Project


def labels_until(cursor: Cursor, project: Project) -> datetime | None:
    """End of the newest partition of events whose labels were delivered, or None."""
    rows = newest(cursor, project, project.entity.table)
    labels = newest(cursor, project, project.label.table)
    if rows is None or labels is None:
        return None
    reach = Partition.containing(project.unit.later(labels.end, -project.label.ahead), project.unit).start
    return min(rows.end, reach)


def known_until(project: Project, as_of: datetime) -> datetime:
    """End of the last partition whose labels are known at this moment."""
    return Partition.containing(project.label_before(as_of), project.unit).start


def split_windows(cursor: Cursor, project: Project, as_of: datetime) -> dict[Split, Window]:
    """Bounds of the splits of a dataset as of a moment, in order of time.

    Raises InputError where no label is known or nothing is left for training.
    """
    labelled = labels_until(cursor, project)
    if labelled is None:
        raise InputError("no labelled row was published yet: run ingest for rows and labels first")
    split, label = project.split, project.label
    begin = Partition.parse(project.source.start, project.unit).start
    known_after = (label.ahead, label.delay)
    policy = Policy(split.holdout, split.validation, split.history, begin, project.unit, known_after)
    return windows(policy, min(labelled, known_until(project, as_of)))


def manifest(cursor: Cursor, project: str, digest: str) -> DatasetManifest:
    """The manifest of a snapshot. Raises InputError where there is none, or one that cannot be read."""
    cursor.execute(
        "select manifest from ledger.dataset where project = %s and digest = %s", (project, digest)
    )
    row = cursor.fetchone()
    if row is None:
        raise InputError(f"dataset {digest[:12]} of {project} is not in the ledger: train again")
    return parse_manifest(f"dataset {digest[:12]}", row[0])


def newest_kept(cursor: Cursor, project: str) -> str | None:
    """The digest of the newest snapshot whose files housekeeping has left, if there is one."""
    cursor.execute(
        """select digest from ledger.dataset where project = %s and removed_at is null
           order by created_at desc, digest limit 1""",
        (project,),
    )
    row = cursor.fetchone()
    return str(row[0]) if row else None


def find(cursor: Cursor, project: str, begin: str) -> str | None:
    """The digest of the one snapshot with its files whose digest begins so. Raises InputError for several."""
    cursor.execute(
        """select digest from ledger.dataset where project = %s and starts_with(digest, %s)
             and removed_at is null limit 2""",
        (project, begin),
    )
    rows = cursor.fetchall()
    if len(rows) > 1:
        raise InputError(f"several datasets of {project} begin with {begin!r}: say more of the digest")
    return str(rows[0][0]) if rows else None


def use(cursor: Cursor, project: str, digest: str) -> bool:
    """Whether a snapshot is noted and has its files; they stay from here on.

    Waits for a housekeeping that is taking them away, and then says that they are gone.
    """
    cursor.execute(
        """update ledger.dataset set used_at = now()
           where project = %s and digest = %s returning removed_at is null""",
        (project, digest),
    )
    return cursor.fetchone() == (True,)


def insert(cursor: Cursor, manifest: DatasetManifest, uri: str) -> None:
    """Note a snapshot whose files are stored; of one that was noted before, that it is used again."""
    cursor.execute(
        """insert into ledger.dataset (project, digest, uri, manifest, rows) values (%s, %s, %s, %s, %s)
           on conflict (project, digest) do update set used_at = now(), removed_at = null""",
        (
            manifest.project,
            manifest.digest,
            uri,
            as_json(manifest.model_dump(mode="json")),
            sum(bounds.rows for bounds in manifest.splits.values()),
        ),
    )
