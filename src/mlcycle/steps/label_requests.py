"""Which rows people are asked to label: by a strategy, and a share at random whatever the strategy.

Rows chosen because a model is unsure of them say nothing of how often a class occurs. Those at random do, and
are marked: shares and metrics are to be measured on them.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from numpy.typing import NDArray

from mlcycle.adapters.datasets.point_in_time import joined_rows
from mlcycle.adapters.tracking import model_cache
from mlcycle.domain.labelling import choosing
from mlcycle.domain.labelling.choosing import Strategy
from mlcycle.domain.metrics import Array
from mlcycle.domain.partitions import Partition
from mlcycle.domain.tasks import task_of
from mlcycle.errors import InputError
from mlcycle.ledger import batches, labelling, models
from mlcycle.ledger import champion as champions
from mlcycle.ledger.labelling import Asked
from mlcycle.project import Project
from mlcycle.steps.context import StepContext

if TYPE_CHECKING:
    import pandas as pd

LOOKED_AT: Final = 50_000  # rows of a window, drawn where there are more
COMMITTEE: Final = 4  # models that are asked whether they differ


@dataclass(frozen=True)
class Wish:
    """How many rows to ask for, how they are chosen, and which share of them at random."""

    count: int
    by: Strategy
    random: float = 0.2
    seed: int = 17


def request(
    context: StepContext, wish: Wish, first: Partition, last: Partition, actor: str
) -> tuple[int, int]:
    """Put rows of some partitions into the queue; how many, and out of how many.

    Raises InputError where there are no rows, or no model that the strategy asks.
    """
    project = context.project
    rows = rows_to_label(context, first, last)
    rng = np.random.default_rng(wish.seed)
    drawn = len(rows) if wish.by == "random" else math.ceil(wish.count * wish.random)
    at_random = rng.permutation(len(rows))[: min(wish.count, drawn)]
    scores = np.full(len(rows), np.nan)
    chosen: NDArray[np.int64] = np.zeros(0, dtype=np.int64)
    if (left := wish.count - len(at_random)) > 0:
        rest = np.setdiff1d(np.arange(len(rows)), at_random)
        order, scores = _chosen(context, wish, rows, rest, left, rng)
        chosen = rest[order]
    asked = [asked_row(project, rows, int(at), "random", math.nan) for at in at_random]
    asked += [asked_row(project, rows, int(at), wish.by, float(scores[at])) for at in chosen]
    with context.warehouse.transaction() as cursor:
        return labelling.ask(cursor, project.name, asked, project.label.labellers, actor), len(rows)


def rows_to_label(context: StepContext, first: Partition, last: Partition) -> "pd.DataFrame":
    """Rows of the partitions that nobody was asked about, as they could be predicted."""
    import pandas as pd

    project, share = context.project, 1.0
    with context.warehouse.transaction() as cursor:
        count = sum(batches.rows(cursor, project.name, project.entity.table, first, last).values())
    if count > LOOKED_AT:
        share = LOOKED_AT / count
        context.progress(f"{LOOKED_AT} of {count} rows are looked at, drawn by key")
    chunks = joined_rows(context.warehouse, project, first.start, last.end, labels=False, share=share)
    found = [chunk.to_pandas() for chunk in chunks]
    if not found:
        raise InputError(
            f"no row of {project.entity.table!r} from {first.key} to {last.key}: ingest them first"
        )
    rows = pd.concat(found, ignore_index=True)
    keys = list(zip(rows["entity_key"], rows["event_time"].dt.to_pydatetime(), strict=True))
    with context.warehouse.transaction() as cursor:
        known = labelling.find(cursor, project.name, keys)
    fresh = np.array([key not in known for key in keys], dtype=bool)
    if not fresh.any():
        raise InputError(f"all {len(rows)} rows from {first.key} to {last.key} were asked for already")
    return rows[fresh].reset_index(drop=True)


def _chosen(
    context: StepContext,
    wish: Wish,
    rows: "pd.DataFrame",
    rest: NDArray[np.int64],
    count: int,
    rng: np.random.Generator,
) -> tuple[NDArray[np.int64], Array]:
    """Positions within ``rest``, and each row's score (n,)."""
    scores = np.full(len(rows), np.nan)
    frame = rows.iloc[rest]
    if wish.by == "diversity":
        return choosing.apart(_points(context, frame), count, np.zeros((0, 1)), rng), scores
    said = _said(context, frame, 1 if wish.by == "uncertainty" else COMMITTEE)
    if wish.by == "uncertainty":
        kind = task_of(context.project.label.task)
        if not (kind.probabilities or kind.many):
            raise InputError(
                "uncertainty is of classes: ask for numbers by disagreement, diversity or random"
            )
        found = choosing.uncertainty(said[0])
    else:
        found = choosing.spread(said)
    scores[rest] = found
    return choosing.best(found, count, rng), scores


def _points(context: StepContext, frame: "pd.DataFrame") -> Array:
    """Rows as points: numbers standardised, a column for each of the commoner categories."""
    from mlcycle.models.encoder import Encoder
    from mlcycle.models.one_hot import one_hot

    inputs = context.project.inputs
    encoder = Encoder.fit(frame, inputs.categorical, inputs.numeric, limit=50, rare=2)
    found: Array = one_hot(encoder, frame).toarray()
    return found


def _said(context: StepContext, frame: "pd.DataFrame", wanted: int) -> Sequence[Array]:
    """What the champion, or several of the newest registered models, say of rows."""
    from mlcycle.models import load

    project = context.project
    with context.warehouse.transaction() as cursor:
        champion = champions.current(cursor, project.name)
        versions: list[Any] = [champion] if champion else []
        if wanted > 1:
            versions += models.last(cursor, project.name, wanted, but=champion.version if champion else 0)
    versions = versions[:wanted]
    if len(versions) < min(2, wanted):
        what = "a champion" if wanted == 1 else "two registered models"
        raise InputError(f"{project.name} has not {what} yet: ask at random or by diversity first")
    found = []
    for version in versions:
        folder = model_cache.fetch(
            context.settings, context.artifacts, version.model_uri, version.manifest, version.manifest_digest
        )
        model = load(folder)
        if missing := [name for name in model.card.inputs if name not in frame.columns]:
            context.progress(f"version {version.version} is not asked: it reads {missing[0]}")
            continue
        found.append(model.predict(frame))
    if len(found) < min(2, wanted):
        raise InputError("too few models read what the project has: ask at random or by diversity")
    return found


def asked_row(project: Project, rows: "pd.DataFrame", at: int, reason: str, score: float) -> Asked:
    """A row of ``rows_to_label`` as it is asked about; a score that is NaN is none."""
    row = rows.iloc[at]
    moment = row["event_time"].to_pydatetime()
    shown = {name: _plain(row[name]) for name in project.inputs.all}
    later: timedelta = project.label.ahead
    return Asked(
        Partition.containing(moment + later, project.unit).key,
        str(row["entity_key"]),
        moment,
        shown,
        reason,
        None if math.isnan(score) else score,
    )


def _plain(value: Any) -> Any:
    if value is None or (isinstance(value, float) and not math.isfinite(value)) or value != value:
        return None
    if isinstance(value, np.generic):
        return _plain(value.item())
    return value if isinstance(value, str | int | float | bool) else str(value)
