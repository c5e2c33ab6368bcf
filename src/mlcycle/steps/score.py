"""Predictions of the champion for every row of the partitions, each partition served as a whole.

What was served before stays; where nothing changed nothing is added.
"""

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mlcycle.adapters.datasets.point_in_time import joined_rows
from mlcycle.adapters.tracking import model_cache
from mlcycle.adapters.warehouse import predictions, served
from mlcycle.adapters.warehouse.of_classes import OfClasses
from mlcycle.adapters.warehouse.of_quantiles import OfQuantiles
from mlcycle.contract import Status
from mlcycle.domain import exploration
from mlcycle.domain.exploration import Decisions
from mlcycle.domain.partitions import Partition
from mlcycle.domain.quantiles import point
from mlcycle.errors import IntegrityError
from mlcycle.ledger import champion as champions
from mlcycle.ledger.batches import published_keys
from mlcycle.project import FeatureView, Project
from mlcycle.steps.context import Outcome, StepContext
from mlcycle.steps.opening import check_classes

if TYPE_CHECKING:
    import pyarrow as pa

    from mlcycle.models.base import Model


def run(context: StepContext) -> Outcome:
    """Score the partitions. Skipped where there is no champion or no row."""
    project, partitions = context.project, context.partitions
    with context.warehouse.transaction() as cursor:
        champion = champions.current(cursor, project.name)
        before = published_keys(cursor, context.request.work)
    if champion is None:
        return Outcome(Status.SKIPPED, f"{project.name} has no champion yet: nothing can be predicted")
    from mlcycle import models

    folder = model_cache.fetch(
        context.settings,
        context.artifacts,
        champion.model_uri,
        champion.manifest,
        champion.manifest_digest,
    )
    model = models.load(folder)
    check_classes(project, model.card)
    project = project.reading(model.card.categorical, model.card.numeric, model.card.text)
    scorer = predictions.Scorer(champion.seq, champion.version, context.request.work, context.token)
    rows, total, filled = 0, 0.0, set()
    reasons: Counter[str] = Counter()
    metrics = dict.fromkeys((f"missing_{view}" for view in project.features), 0.0)
    for chunk in joined_rows(
        context.warehouse, project, partitions[0].start, partitions[-1].end, labels=False
    ):
        for partition in chunk["partition"].unique().to_pylist():
            table = _of_partition(chunk, partition)
            predicted, of_classes, of_quantiles = _predict(model, table, project)
            filled.add(partition)
            rows, total = rows + len(predicted), total + float(predicted.sum())
            for view, absent in _absent(table, project.features).items():
                metrics[f"missing_{view}"] += absent
            key = f"predictions:{partition}:{champion.seq}"
            if key in before:
                continue
            with context.publication(key) as publication:
                decisions = _decided(project, champion.version, table, predicted)
                reason = predictions.serve(
                    *(publication.cursor, project.name, Partition.parse(partition, project.unit)),
                    *(table, predicted, scorer),
                    decisions=decisions,
                    of_classes=of_classes,
                    of_quantiles=of_quantiles,
                )
                publication.outputs.update(rows=len(predicted), reason=reason)
            if reason in ("live", "backfill"):  # what people act on; a later scoring is never in force
                served.keep(context.artifacts, project, partition, context.token, table, predicted)
            reasons[reason or "unchanged"] += 1
        context.progress(f"{rows} rows predicted, up to {partition}")
    _empty(context, scorer, [item for item in partitions if item.key not in filled])
    span = partitions[0].key if len(partitions) == 1 else f"{partitions[0].key} to {partitions[-1].key}"
    if not rows:
        return Outcome(Status.SKIPPED, f"no row of {project.entity.table!r} in {span}: nothing to predict")
    return Outcome(
        message=f"{rows} rows of {span} predicted by version {champion.version} ({champion.candidate}), "
        f"mean {total / rows:.4g}{_why(reasons)}",
        values={"rows": rows, "version": champion.version, "champion_seq": champion.seq},
        metrics={"rows": rows, "mean_prediction": total / rows, **metrics},
        replayed=all(f"predictions:{partition}:{champion.seq}" in before for partition in filled),
    )


def _of_partition(chunk: "pa.Table", partition: str) -> "pa.Table":
    import pyarrow.compute as pc

    return chunk.filter(pc.equal(chunk["partition"], partition))


def _predict(
    model: "Model", rows: "pa.Table", project: Project
) -> tuple[NDArray[np.float64], OfClasses | None, OfQuantiles | None]:
    """Predictions of the rows (n,); of many classes the chosen one's probability, and those of each; of
    quantiles their median, and those that the model has learnt.

    Raises IntegrityError where the model gives anything but numbers.
    """
    from mlcycle.models.quantile_models import said

    levels = model.card.quantiles
    frame = rows.select(project.inputs.all).to_pandas()
    predicted = np.asarray(said(model, frame, levels), dtype=np.float64)
    bad = int(np.count_nonzero(~np.isfinite(predicted)))
    shape = (len(model.card.classes),) if model.card.kind.many else (len(levels), 2) if levels else ()
    if predicted.shape != (rows.num_rows, *shape) or bad:
        raise IntegrityError(
            f"the champion gave {predicted.shape} predictions, {bad} of them no finite number, "
            f"for {rows.num_rows} rows: roll back to an earlier champion"
        )
    if levels:
        return point(predicted), None, OfQuantiles(predicted)
    if not shape:
        return predicted, None, None
    return predicted.max(axis=1, initial=0.0), OfClasses(model.card.classes, predicted), None


def _decided(
    project: Project, version: int, rows: "pa.Table", predicted: NDArray[np.float64]
) -> Decisions | None:
    """What is decided of the rows, where the project draws a share of its decisions."""
    if project.value.explore is None:
        return None
    times = rows["event_time"].to_numpy().astype("datetime64[us]").astype(np.int64)
    drawn = exploration.draws(project.name, version, rows["entity_key"].to_pylist(), times)
    return exploration.decide(predicted, project.value.threshold, project.value.explore.share, drawn)


def _absent(rows: "pa.Table", views: Mapping[str, FeatureView]) -> dict[str, int]:
    """For each view the rows without a value: never known for their entity, or older than its ttl."""
    import pyarrow.compute as pc

    found = {}
    for name, view in views.items():
        columns = [rows[column] for column in view.columns if column in rows.column_names]
        if columns:
            null = columns[0].is_null()
            for column in columns[1:]:
                null = pc.and_(null, column.is_null())
            found[name] = int(pc.sum(null).as_py() or 0)
    return found


def _empty(context: StepContext, scorer: predictions.Scorer, partitions: list[Partition]) -> None:
    """Note of partitions that hold no row any more that nothing of them is current."""
    import pyarrow as pa

    nothing = pa.table(
        {"event_time": pa.array([], pa.timestamp("us", tz="UTC")), "entity_key": pa.array([], pa.string())}
    )
    project = context.project.name
    with context.warehouse.transaction() as cursor:
        stale = predictions.filled(cursor, project, [partition.key for partition in partitions])
    for partition in (item for item in partitions if item.key in stale):
        with context.publication(f"predictions:{partition.key}:none:{context.token}") as publication:
            predictions.serve(publication.cursor, project, partition, nothing, np.empty(0), scorer)


def _why(reasons: Mapping[str, int]) -> str:
    """What else than a first scoring it was."""
    told = [f"{count} {reason}" for reason, count in sorted(reasons.items()) if reason != "live"]
    return f" (partitions: {', '.join(told)})" if told else ""
