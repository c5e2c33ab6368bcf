"""Take an immutable snapshot for training: point-in-time rows, split by time, checked for leakage.

Leaking data is refused before anything is stored. The same data gives the same snapshot, and one
that exists is not stored again.
"""

import hashlib
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from mlcycle.adapters.datasets import snapshots
from mlcycle.adapters.datasets.leak_checks import checks_of
from mlcycle.adapters.datasets.lists import LIST, list_numbers
from mlcycle.adapters.datasets.point_in_time import counts, equivalent_sql, joined_rows
from mlcycle.adapters.datasets.training_data import WEIGHT
from mlcycle.adapters.features import replay
from mlcycle.adapters.warehouse.decided import row_weights
from mlcycle.contract import Output, code_version
from mlcycle.domain import leakage
from mlcycle.domain.dataset import DatasetManifest, Split
from mlcycle.domain.partitions import Partition
from mlcycle.domain.split import Window
from mlcycle.errors import InputError
from mlcycle.ledger import batches, datasets
from mlcycle.ledger import features as ledger
from mlcycle.project import Project
from mlcycle.steps.context import Outcome, StepContext

if TYPE_CHECKING:
    import pyarrow as pa


def run(context: StepContext) -> Outcome:
    """Snapshot the newest labelled rows as of the request."""
    project = context.project
    with context.warehouse.reading() as cursor:
        as_of = _as_of(context, batches.newest(cursor, project, project.entity.table))
        bounds = datasets.split_windows(cursor, project, as_of)
        leakage.check_bounds(bounds)
        start, end = bounds["train"].start, bounds["holdout"].end
        context.progress(f"rows from {start.isoformat()} to {end.isoformat()}")
        moments = replay.check_views(cursor, context.settings, project, start, end)
        context.progress(f"feature views replayed at {moments} moments: none knows the future")
        versions = {view: _version(cursor, project, view, bounds) for view in project.features}

    snapshot = snapshots.Snapshot(context.scratch, bounds)
    unlabelled: dict[Split, int] = dict.fromkeys(bounds, 0)
    checks, groups = checks_of(project), leakage.GroupsApart()
    last = None
    for chunk in joined_rows(context.warehouse, project, start, end, labels=True, as_of=as_of):
        facts = counts(chunk)
        for view, lead in facts["lead"].items():
            leakage.check_lead(view, lead)
        for name, window in bounds.items():
            part = _between(chunk, window)
            rows = list(zip(part["event_time"].to_pylist(), part["entity_key"].to_pylist(), strict=True))
            last = leakage.check_order(rows, last, window)
            for column in project.split.groups:
                groups.add(name, column, part[column].unique().to_pylist())
            checks.add(name, part)
            snapshot.add(name, _listed(project, _weighted(context, part)))
        for key, missing in facts["unlabelled"].items():
            moment = Partition.parse(key, project.unit).start
            for name, window in bounds.items():  # none has what lies in an embargo
                unlabelled[name] += missing * (window.start <= moment < window.end)
        context.progress(f"{sum(snapshot.rows.values())} rows")
    _enough(project, snapshot.rows, unlabelled, bounds)
    odd = checks.check()
    for line in odd:
        context.progress(line)

    manifest = snapshot.manifest(
        project.name,
        unlabelled,
        as_of=as_of,
        query=equivalent_sql(project),
        code_version=code_version(),
        features=versions,
    )
    with context.warehouse.transaction() as cursor:
        there = datasets.use(cursor, project.name, manifest.digest)
    output = snapshots.stored(context.artifacts, project.name, manifest.digest) if there else None
    known = output is not None
    if output is None:
        output = snapshot.store(context.artifacts, manifest, context.progress)
    outcome = _outcome(manifest, output, odd, known=known)
    with context.publication() as publication:
        datasets.insert(publication.cursor, manifest, output.uri)
        publication.outcome = outcome
    return outcome


def _as_of(context: StepContext, newest: Partition | None) -> datetime:
    """The moment the snapshot is taken at: ``until``, else the last partition asked for, else the newest."""
    unit = context.project.unit
    until = context.param("until")
    if until is not None:
        try:
            moment = datetime.fromisoformat(str(until))
        except ValueError:
            return Partition.parse(str(until), unit).end
        if moment.tzinfo is not None:
            return moment
        return Partition.parse(str(until), unit).end
    if context.request.partitions is not None:
        return context.partitions[-1].end
    if newest is None:
        raise InputError(f"table {context.project.entity.table!r} holds no partition yet: run ingest first")
    return newest.end


def _between(chunk: "pa.Table", window: Window) -> "pa.Table":
    """Rows of a chunk, sorted by event time, that lie in a window."""
    import pyarrow as pa
    import pyarrow.compute as pc

    moments = chunk["event_time"]
    low, high = (pa.scalar(moment, moments.type) for moment in (window.start, window.end))
    return chunk.filter(pc.and_(pc.greater_equal(moments, low), pc.less(moments, high)))


def _weighted(context: StepContext, part: "pa.Table") -> "pa.Table":
    """With for how many rows each stands, where labels depend on decisions; one where nothing was drawn."""
    import pyarrow as pa

    with context.warehouse.transaction() as cursor:
        weights = row_weights(cursor, context.project, part, undrawn=1.0)
    return part if weights is None else part.append_column(WEIGHT, pa.array(weights))


def _listed(project: Project, part: "pa.Table") -> "pa.Table":
    """With the list that each row is of, in a ranking."""
    columns = project.label.group
    return part.append_column(LIST, list_numbers(part, columns)) if columns else part


def _enough(
    project: Project, rows: dict[Split, int], unlabelled: dict[Split, int], bounds: dict[Split, Window]
) -> None:
    needed = {"train": project.split.min_rows, "validation": 1, "holdout": 1}
    for name, window in bounds.items():
        if rows[name] < needed[name]:
            raise InputError(
                f"split {name!r} ({window.start.isoformat()} to {window.end.isoformat()}) has {rows[name]} "
                f"labelled rows and {unlabelled[name]} without a label; it needs {needed[name]}: ingest more "
                "partitions, or change split.min_rows or the lengths under split"
            )


def _version(cursor: Any, project: Project, view: str, bounds: dict[Split, Window]) -> dict[str, Any]:
    """What a view's values in the window were computed from."""
    since, end = bounds["train"].start - project.features[view].ttl, bounds["holdout"].end
    first = Partition.containing(since, project.unit)
    last = Partition.containing(end - timedelta(microseconds=1), project.unit)
    found = {
        partition: inputs
        for partition, inputs in ledger.recorded(
            cursor, project.name, view, project.unit, first, last
        ).items()
        if since <= partition.start
    }
    stale = ledger.stale_within(cursor, project, view, first, last) & found.keys()
    text = "\n".join(f"{partition.key} {inputs}" for partition, inputs in sorted(found.items()))
    return {
        "definition": ledger.definition(project, view),
        "inputs": hashlib.sha256(text.encode()).hexdigest()[:16],
        "partitions": len(found),
        "stale": len(stale),
    }


def _outcome(manifest: DatasetManifest, output: Output, odd: list[str], *, known: bool) -> Outcome:
    rows = {name: bounds.rows for name, bounds in manifest.splits.items()}
    unlabelled = sum(bounds.unlabelled for bounds in manifest.splits.values())
    stale = sum(facts["stale"] for facts in manifest.features.values())
    message = (
        f"dataset {manifest.digest[:12]}{' (known)' if known else ''}: train {rows['train']}, "
        f"validation {rows['validation']}, holdout {rows['holdout']} rows, {unlabelled} unlabelled"
        + (f"; {stale} feature partitions were stale" if stale else "")
        + "".join(f"; {line}" for line in odd)
    )
    values = {
        "digest": manifest.digest,
        "as_of": manifest.as_of.isoformat(),
        "unlabelled": unlabelled,
        "stale": stale,
        "rows": sum(rows.values()),
        "split_rows": rows,
        "odd": list(odd),
    }
    metrics = {f"rows_{name}": float(count) for name, count in rows.items()}
    return Outcome(message=message, outputs={"manifest": output}, values=values, metrics=metrics)
