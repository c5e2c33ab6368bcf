"""Predictions in the warehouse: appended with who made them, when and why; read as they were in force.

Scoring a partition is one row of ``serving.scoring`` (model version, champion, run, time, reason) and
its predictions in ``serving.prediction_log``; nothing of either is ever changed but which scoring of
a partition is current, and housekeeping alone takes away what is old. ``serving.prediction`` shows the
current ones.

Where a project draws a share of its decisions, what was decided of each row and with which probability stands
beside its prediction; elsewhere both are null, and the project's threshold decides.

**In force** is the first prediction that was served for a row: it was made before the row's label
became known wherever the platform ran in time, and what people acted on. A later scoring, with
corrected features or by a newer champion, may already have learnt from the row, and nobody acted on it.
"""

import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from psycopg2 import sql
from psycopg2.extensions import cursor as Cursor

from mlcycle.adapters.warehouse import of_quantiles as quantiles_in
from mlcycle.adapters.warehouse.arrow import read_table
from mlcycle.adapters.warehouse.keys import entity_key, quoted
from mlcycle.adapters.warehouse.of_classes import AS_TEXT, OfClasses, parsed
from mlcycle.domain.exploration import Decisions
from mlcycle.domain.partitions import Partition
from mlcycle.domain.seen_labels import Decided
from mlcycle.ledger import partitioning
from mlcycle.project import Project

if TYPE_CHECKING:
    import pyarrow as pa

Array = NDArray[np.float64]


@dataclass(frozen=True)
class Scorer:
    """Who predicts: a champion by its number in the history and its version, in an attempt at a work."""

    seq: int
    version: int
    work: str
    token: int


def serve(
    cursor: Cursor,
    project: str,
    partition: Partition,
    rows: "pa.Table",
    predictions: Array,
    scorer: Scorer,
    decisions: Decisions | None = None,
    of_classes: OfClasses | None = None,
    of_quantiles: quantiles_in.OfQuantiles | None = None,
) -> str:
    """Append a partition's predictions and make them current; returns why, empty where nothing changed.

    The reason is ``live`` (the first scoring, and no later partition was scored yet), ``backfill`` (the
    first scoring of an older one), ``champion`` (by another version), ``corrected`` (the same version
    says something else: its inputs or rows changed) or ``emptied`` (no row is left). Holds the
    partition until the transaction ends, so that of two writers the second sees what the first wrote.

    Args:
        cursor: of the publication.
        project: its name.
        partition: what was scored.
        rows: ``entity_key`` and ``event_time``, by event time, then key; none where it is empty now.
        predictions: (rows,).
        scorer: who predicted.
        decisions: what was decided of the rows; None: the threshold decides.
        of_classes: what was said of each of many classes; ``predictions`` are the chosen ones' probabilities.
        of_quantiles: what was said of quantiles; ``predictions`` are their medians.
    """
    cursor.execute(
        "select pg_advisory_xact_lock(hashtextextended(%s, 0))", (f"predictions:{project}/{partition.key}",)
    )
    cursor.execute(
        """select scoring_id, version, rows from serving.scoring
           where project = %s and partition = %s and current""",
        (project, partition.key),
    )
    before = cursor.fetchone()
    table = _table(rows, predictions, decisions, of_classes, of_quantiles)
    levels = of_quantiles.levels if of_quantiles is not None and table.num_rows else None
    if before is None and not table.num_rows:
        return ""
    if before is not None and before[2] == table.num_rows:
        unchanged = not table.num_rows or before[1] == scorer.version
        if unchanged and _read(cursor, project, partition, before[0]).equals(table):
            return ""
    reason = _reason(cursor, project, partition, before, table.num_rows, scorer)
    cursor.execute(
        """update serving.scoring set current = false
           where project = %s and partition = %s and current""",
        (project, partition.key),
    )
    cursor.execute(
        """insert into serving.scoring
               (project, partition, starts, ends, champion_seq, version, reason, rows, work, token, levels)
           values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s, %s::double precision[])
           returning scoring_id""",
        (
            *(project, partition.key, partition.start, partition.end, scorer.seq, scorer.version),
            *(reason, table.num_rows, scorer.work, scorer.token, levels),
        ),
    )
    (number,) = cursor.fetchone() or (0,)
    if table.num_rows:
        partitioning.ensure(cursor, "serving.prediction_log", partition.start, partition.end)
        _copy(cursor, project, number, table)
    return reason


def _reason(
    cursor: Cursor, project: str, partition: Partition, before: Any, rows: int, scorer: Scorer
) -> str:
    if not rows:
        return "emptied"
    if before is not None:
        return "corrected" if before[1] == scorer.version else "champion"
    cursor.execute(
        "select exists (select from serving.scoring where project = %s and partition > %s)",
        (project, partition.key),
    )
    return "backfill" if cursor.fetchone() == (True,) else "live"


def _table(
    rows: "pa.Table",
    predictions: Array,
    decisions: Decisions | None,
    of_classes: OfClasses | None,
    of_quantiles: quantiles_in.OfQuantiles | None,
) -> "pa.Table":
    import pyarrow as pa

    count = rows.num_rows
    acted, propensity = pa.nulls(count, pa.bool_()), pa.nulls(count, pa.float64())
    if decisions is not None:
        acted, propensity = pa.array(decisions.acted), pa.array(decisions.propensities)
    chosen, said = pa.nulls(count, pa.string()), pa.nulls(count, pa.string())
    if of_classes is not None:
        chosen, said = pa.array(of_classes.chosen, pa.string()), pa.array(of_classes.texts, pa.string())
    quantiles = pa.nulls(count, pa.string())
    if of_quantiles is not None:
        quantiles = pa.array(of_quantiles.texts, pa.string())
    return pa.table(
        {
            "event_time": rows["event_time"].cast(pa.timestamp("us", tz="UTC")),
            "entity_key": rows["entity_key"].cast(pa.string()),
            "prediction": pa.array(predictions, pa.float64()),
            "acted": acted,
            "propensity": propensity,
            "class": chosen,
            "probabilities": said,
            "quantiles": quantiles,
        }
    )


def _read(cursor: Cursor, project: str, partition: Partition, scoring: int) -> "pa.Table":
    """A scoring's predictions, in the order in which rows come to be scored."""
    import pyarrow as pa

    schema = pa.schema(
        [
            ("event_time", pa.timestamp("us", tz="UTC")),
            ("entity_key", pa.string()),
            ("prediction", pa.float64()),
            ("acted", pa.bool_()),
            ("propensity", pa.float64()),
            ("class", pa.string()),
            ("probabilities", pa.string()),
            ("quantiles", pa.string()),
        ]
    )
    query = sql.SQL(
        f"""select event_time, entity_key, prediction, acted, propensity, class,
                  {AS_TEXT.format(name="p")}, {quantiles_in.AS_TEXT.format(name="p")}
           from serving.prediction_log p
           where project = %(project)s and event_time >= %(start)s and event_time < %(end)s
             and scoring_id = %(scoring)s order by event_time, entity_key collate "C" """
    )
    params = {"project": project, "start": partition.start, "end": partition.end, "scoring": scoring}
    found = read_table(cursor, query, params, schema)
    for name in ("probabilities", "quantiles"):
        if (said := parsed(found[name])) is not None:  # numbers as Python writes them, to compare
            texts = pa.array(OfClasses((), said).texts, pa.string())
            found = found.set_column(found.column_names.index(name), name, texts)
    return found


def in_force(cursor: Cursor, project: str, partition: Partition) -> "pa.Table":
    """A partition's predictions in force: event_time, entity_key, prediction, acted, class; ordered."""
    cursor.execute(
        "select scoring_id from serving.scoring where project = %s and partition = %s and current",
        (project, partition.key),
    )
    row = cursor.fetchone()
    found = _read(cursor, project, partition, int(row[0]) if row else -1)
    return found.select(["event_time", "entity_key", "prediction", "acted", "class"])


def _copy(cursor: Cursor, project: str, scoring: int, table: "pa.Table") -> None:
    import pyarrow as pa
    from pyarrow import csv

    count = table.num_rows
    table = table.append_column("project", pa.array([project] * count, pa.string()))
    table = table.append_column("scoring_id", pa.array(np.full(count, scoring), pa.int64()))
    buffer = io.BytesIO()
    csv.write_csv(table, buffer, csv.WriteOptions(include_header=False))
    buffer.seek(0)
    columns = ", ".join(table.column_names)
    cursor.copy_expert(f"copy serving.prediction_log ({columns}) from stdin (format csv)", buffer)


def filled(cursor: Cursor, project: str, partitions: list[str]) -> list[str]:
    """Those of the partitions that have current predictions, in order."""
    cursor.execute(
        """select partition from serving.scoring
           where project = %s and partition = any(%s) and current and rows > 0 order by partition""",
        (project, partitions),
    )
    return [key for (key,) in cursor.fetchall()]


@dataclass(frozen=True)
class Scored:
    """Predictions in force in a window, ordered by event time; ``labels`` is NaN where none is known.

    Of many classes ``predictions`` are the chosen classes' probabilities, ``probabilities`` (n, classes)
    those of each, and labels class numbers. ``acted`` (1 or 0) and ``propensities`` are NaN where nothing was
    drawn: the threshold decided.
    """

    predictions: Array
    labels: Array
    versions: NDArray[np.int64]  # that made them
    times: Array  # of the events, in seconds since 1970
    columns: Mapping[str, Any] = field(default_factory=dict)  # of the entity table, as text
    acted: Array | None = None  # None: nothing was drawn of any row
    propensities: Array | None = None
    probabilities: Array | None = None  # None: there are not many classes
    quantiles: Array | None = None  # (n, q, 2); None: a number alone was said

    def __len__(self) -> int:
        return len(self.predictions)

    @property
    def known(self) -> NDArray[np.bool_]:
        """Which rows have a label."""
        return np.isfinite(self.labels)

    def only(self, rows: NDArray[np.bool_]) -> "Scored":
        """These rows of it."""
        columns = {name: np.asarray(texts, dtype=object)[rows] for name, texts in self.columns.items()}
        acted, propensities = (
            None if each is None else each[rows] for each in (self.acted, self.propensities)
        )
        said = None if self.probabilities is None else self.probabilities[rows]
        quantiles = None if self.quantiles is None else self.quantiles[rows]
        return Scored(
            *(self.predictions[rows], self.labels[rows], self.versions[rows], self.times[rows], columns),
            *(acted, propensities, said, quantiles),
        )

    @property
    def said(self) -> Array:
        """What the model said, as metrics take it: (n,), or (n, classes), or (n, q, 2)."""
        if self.quantiles is not None:
            return self.quantiles
        return self.predictions if self.probabilities is None else self.probabilities

    def of_choice(self) -> "Scored":
        """The same rows as answers to whether the chosen class came true: labels are 1, 0, or NaN."""
        assert self.probabilities is not None
        right = (self.probabilities.argmax(axis=1) == self.labels).astype(np.float64)
        labels = np.where(self.known, right, np.nan)
        return Scored(self.predictions, labels, self.versions, self.times, self.columns)

    def decided(self, threshold: float) -> Decided:
        """The same rows as decisions, by the threshold where nothing was drawn."""
        greedy = self.predictions >= threshold
        if self.acted is None or self.propensities is None:
            return Decided(self.labels, greedy, np.full(len(self), np.nan), greedy)
        acted = np.where(np.isfinite(self.acted), self.acted == 1, greedy)
        return Decided(self.labels, acted, self.propensities, greedy)

    def unlearnt(self, learnt_until: Mapping[int, datetime]) -> NDArray[np.bool_]:
        """Which rows lie after what their own model was trained on; ``learnt_until`` by version."""
        ends = {version: moment.timestamp() for version, moment in learnt_until.items()}
        limits = np.array([ends.get(int(version), -np.inf) for version in self.versions], dtype=float)
        found: NDArray[np.bool_] = self.times >= limits
        return found


def scored(
    cursor: Cursor,
    project: str,
    first: Partition,
    last: Partition,
    *,
    as_of: datetime,
    made_until: datetime | None = None,
    beside: tuple[Project, Sequence[str]] | None = None,
) -> Scored:
    """Predictions in force from one partition to another, with the labels known at ``as_of``.

    Args:
        cursor: reads.
        project: its name.
        first: first partition of the window.
        last: last partition of the window.
        as_of: data's own time; a row whose label became known later is there, without it.
        made_until: predictions made later, by the clock, are not seen; None sees all.
        beside: columns of the project's entity table to be read with them; empty where the row is gone.
    """
    import pyarrow as pa

    # The newest days are beyond what the server's statistics know: it expects no row there, and would look
    # through all labels for each prediction. Sorting or hashing both sides is right whatever their size.
    cursor.execute("set local enable_nestloop = off")
    wanted, source = _beside(beside)
    fields = [("prediction", pa.float64()), ("label", pa.float64())]
    fields += [("version", pa.int64()), ("time", pa.float64())]
    fields += [("acted", pa.float64()), ("propensity", pa.float64())]
    texts = [(name, pa.string()) for name in ("probabilities", "quantiles", "levels")]
    names = [f"beside{at}" for at in range(len(beside[1]) if beside else 0)]
    found = read_table(
        cursor,
        sql.SQL(
            f"""select served.prediction, l.label, served.version,
                  extract(epoch from served.event_time)::double precision,
                  served.acted::int::double precision, served.propensity,
                  {AS_TEXT.format(name="served")}, {quantiles_in.AS_TEXT.format(name="served")},
                  {quantiles_in.LEVELS_AS_TEXT.format(name="served")} {wanted}
           from (select distinct on (p.event_time, p.entity_key)
                        p.event_time, p.entity_key, p.prediction, s.version, p.acted, p.propensity,
                        p.probabilities, p.quantiles, s.levels
                 from serving.prediction_log p
                 join serving.scoring s on s.project = p.project and s.scoring_id = p.scoring_id
                 where p.project = %(project)s and p.event_time >= %(start)s and p.event_time < %(end)s
                   and s.partition between %(first)s and %(last)s
                   and (%(made_until)s::timestamptz is null or s.scored_at <= %(made_until)s)
                 order by p.event_time, p.entity_key, p.scoring_id) served
           left join serving.label l
             on l.project = %(project)s and l.event_time = served.event_time
                and l.entity_key = served.entity_key and l.known_at <= %(as_of)s
                and l.event_time >= %(start)s and l.event_time < %(end)s
           {source}
           order by served.event_time, served.entity_key"""
        ),
        {
            "project": project,
            "start": first.start,
            "end": last.end,
            "first": first.key,
            "last": last.key,
            "as_of": as_of,
            "made_until": made_until,
        },
        pa.schema([*fields, *texts, *((name, pa.string()) for name in names)]),
    )
    cursor.execute("set local enable_nestloop to default")
    predictions, labels, versions, times, acted, propensities = (_numbers(found[name]) for name, _ in fields)
    columns = {own: _texts(found[name]) for own, name in zip(beside[1] if beside else (), names, strict=True)}
    drawn, said = np.isfinite(propensities).any(), parsed(found["probabilities"])
    return Scored(
        *(predictions, labels, versions.astype(np.int64), times, columns),
        acted=acted if drawn else None,
        propensities=propensities if drawn else None,
        probabilities=said,
        quantiles=quantiles_in.parsed(found["quantiles"], found["levels"], predictions),
    )


def _numbers(column: "pa.ChunkedArray") -> Array:
    """As doubles of the caller's own, NaN where null."""
    import pyarrow as pa

    found: Array = np.array(column.cast(pa.float64()).to_numpy(), dtype=np.float64)
    return found


def _texts(column: "pa.ChunkedArray") -> NDArray[Any]:
    """As Python's texts, one object for each that there is, however often."""
    encoded = column.combine_chunks().dictionary_encode()
    found: NDArray[Any] = np.array(encoded.dictionary.to_pylist(), dtype=object)[encoded.indices.to_numpy()]
    return found


def _beside(beside: tuple[Project, Sequence[str]] | None) -> tuple[str, str]:
    """What is selected of the entity table, and how it is joined; quoted."""
    if not beside or not beside[1]:
        return "", ""
    project, columns = beside
    table, time = quoted("raw", f"{project.name}__{project.entity.table}"), project.entity_table.event_time
    moment, key = quoted("e", time), entity_key(project, "e")
    wanted = "".join(f", coalesce({quoted('e', name)}::text, '')" for name in columns)
    source = f"""left join {table} e on {moment} = served.event_time and {key} = served.entity_key
             and {moment} >= %(start)s and {moment} < %(end)s"""
    return wanted, source
