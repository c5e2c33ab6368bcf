"""The champion's training days as counts, kept beside its reference sample, and the null they are."""

import hashlib
import io
import json
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mlcycle.adapters.artifacts.store import ArtifactStore
from mlcycle.adapters.monitoring import samples
from mlcycle.adapters.warehouse.connection import Warehouse
from mlcycle.contract import Output
from mlcycle.domain import effects, references, tally
from mlcycle.domain.dataset import DatasetManifest
from mlcycle.domain.max_t import MIN_WINDOWS, Null, null
from mlcycle.domain.partitions import Partition
from mlcycle.domain.tally import Scheme, Tally
from mlcycle.domain.unit import Length, Unit
from mlcycle.ledger import batches, datasets
from mlcycle.project import Project

if TYPE_CHECKING:
    import pyarrow as pa

FORM = 1  # of what is kept: another form is another file
RECENT = 8  # windows for which a category is new: a holdout, a validation and a month of service


@dataclass(frozen=True)
class Days:
    """Counts of consecutive days. ``first`` is the number of the first one since 1970.

    A day is a calendar day of the project's zone where its partitions are days or hours and the window is
    whole days, and a partition otherwise; ``length`` is how many
    of them a window has, ``year`` how many a year has.
    """

    scheme: Scheme
    first: int
    counts: Tally
    length: int
    year: int

    @property
    def names(self) -> list[str]:
        """The columns."""
        return [column.name for column in self.scheme]

    @property
    def numbers(self) -> NDArray[np.int64]:
        """Of the days."""
        return np.arange(self.first, self.first + len(self.counts.rows))


@dataclass(frozen=True)
class Nulls:
    """Training's windows against the reference that each would have had."""

    days: Days
    starts: NDArray[np.int64]
    references: NDArray[np.bool_]

    @property
    def independent(self) -> float:
        """How many windows side by side the null is worth."""
        return len(self.starts) / self.days.length

    @property
    def too_short(self) -> str:
        """Why there is no null; empty where there is one."""
        if not self.days.scheme:
            return "no input is a category or a number with values: texts are not compared"
        if self.independent >= MIN_WINDOWS:
            return ""
        return (
            f"the training data are too short: {int(self.independent)} windows side by side that have a "
            f"reference, {MIN_WINDOWS} are needed"
        )

    @cached_property
    def windows(self) -> Tally:
        """Counts of the windows."""
        return self.days.counts.windows(self.starts, self.days.length)

    @cached_property
    def befores(self) -> Tally:
        """Counts of their references."""
        return self.days.counts.pooled(self.references)

    @cached_property
    def drift(self) -> Null:
        """Of each column's effect."""
        return null(effects.distances(self.days.scheme, self.windows, self.befores), self.independent)

    @cached_property
    def dependence(self) -> Null:
        """Of each pair's change of rank correlation."""
        return null(effects.dependences(self.windows, self.befores), self.independent)

    @cached_property
    def ceilings(self) -> effects.Ceilings:
        """Of the shares of strange values."""
        return effects.ceilings(effects.shares(self.days.scheme, self.windows))


def nulls(days: Days, kind: references.Kind) -> Nulls:
    """The windows of these days that have a reference of this kind."""
    filled = days.counts.rows > 0
    return Nulls(days, *references.windows(kind, days.numbers, filled, days.length, days.year))


def day_of(project: Project) -> Unit:
    """What a day is where this project's windows are compared."""
    day = Unit.of(Length.DAY, project.source.zone)
    short = project.unit.length <= day.length
    return day if short and project.monitors.window % day.length == timedelta(0) else project.unit


def first_whole(day: Unit, since: datetime) -> int:
    """The first day that does not begin before a moment."""
    return day.number(since - samples.RESOLUTION) + 1


def window_of(project: Project) -> int:
    """How many such days a window has."""
    return project.monitors.window // day_of(project).length


def partitions_of(project: Project, first: int, last: int) -> tuple[Partition, Partition]:
    """The partitions in which these days begin and end."""
    day = day_of(project)
    opens, closes = day.start(first), day.start(last + 1) - samples.RESOLUTION
    return Partition.containing(opens, project.unit), Partition.containing(closes, project.unit)


def training(
    warehouse: Warehouse, artifacts: ArtifactStore, project: Project, digest: str, sample: "pa.Table"
) -> Days:
    """The days of a dataset's training split, of the inputs that the sample has.

    The first call reads the dataset a batch at a time, as many rows of a window as a monitor would look at,
    and leaves the counts in the artifact store. Raises InputError where the dataset is not in the ledger.
    """
    columns = [name for name in _compared(project) if name in sample.column_names]
    day, length = day_of(project), window_of(project)
    stamp = _stamp(columns, sorted(project.inputs.numeric), *_looked_at(project))
    kept = f"references/{project.name}/{digest}-days-{stamp}.npz"
    found = _kept(artifacts, kept)
    if found is None:
        with warehouse.transaction() as cursor:
            manifest = datasets.manifest(cursor, project.name, digest)
        found = _count(artifacts, project, manifest, sample, columns, day, length)
        artifacts.put(kept, _written(found))
    scheme, first, counts = found
    return Days(scheme, first, counts, length, day.year)


def _count(
    artifacts: ArtifactStore,
    project: Project,
    manifest: DatasetManifest,
    sample: "pa.Table",
    columns: list[str],
    day: Unit,
    length: int,
) -> tuple[Scheme, int, Tally]:
    numeric = {*project.inputs.numeric}
    scheme: list[tally.Numeric | tally.Categorical] = []
    known = {name: tally.frequencies(()) for name in columns if name not in numeric}
    bounds = manifest.splits["train"]
    first, last = day.number(bounds.start), day.number(bounds.end - samples.RESOLUTION)
    rows = sum(part.rows for part in manifest.of_split("train"))
    share = min(1.0, project.monitors.sample / max(1.0, rows / (last - first + 1) * length))
    with tempfile.TemporaryDirectory(prefix="mlcycle-reference-") as folder:
        for batch in _batches(artifacts, project, manifest, list(known), share, Path(folder)):
            for name, counted in known.items():
                counted.update(tally.frequencies(values(batch, name, numeric=False)))
        for name in columns:
            if name in numeric:
                own = values(sample, name, numeric=True)
                if np.isfinite(own).any():
                    scheme.append(tally.numeric(name, own))
            elif known[name]:
                scheme.append(tally.categorical(name, known[name]))
        counts = tally.empty(scheme, last - first + 1)
        newcomers = tally.Newcomers(RECENT * length, (last - first + 1) // 2)
        for batch in _batches(artifacts, project, manifest, ["partition", *columns], share, Path(folder)):
            at = stretches(batch, project, day, first)
            read = {c.name: values(batch, c.name, numeric=c.numeric) for c in scheme}
            new = {c.name: newcomers(c.name, read[c.name], at) for c in scheme if not c.numeric}
            if len(at):  # of the batch's own days: there may be as many batches as days
                low, high = int(at.min()), int(at.max()) + 1
                own = tally.count(scheme, read, at - low, high - low, new)
                for whole, part in zip(counts.parts, own.parts, strict=True):
                    whole[low:high] += part
    return scheme, first, counts


def _batches(
    artifacts: ArtifactStore,
    project: Project,
    manifest: DatasetManifest,
    columns: list[str],
    share: float,
    folder: Path,
) -> Iterator["pa.RecordBatch"]:
    """The training split's rows in the dataset's order, about this share of them; each part fetched once."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    if not columns:
        return
    random = np.random.default_rng(samples.SEED)
    for part in manifest.of_split("train"):
        path = f"datasets/{project.name}/{manifest.digest}/{part.path}"
        local = folder / part.digest
        if not local.exists():
            artifacts.get_file(Output(uri=artifacts.uri(path), digest=part.digest), local)
        for batch in pq.ParquetFile(local).iter_batches(samples.BATCH_ROWS, columns=columns):
            yield batch if share >= 1 else batch.filter(pa.array(random.random(batch.num_rows) < share))


def stretches(
    table: "pa.Table | pa.RecordBatch", project: Project, day: Unit, first: int
) -> NDArray[np.int64]:
    """Which day each row's partition lies in, counted from ``first``."""
    keys = table.column("partition").to_pylist()
    days = {key: day.number(Partition.parse(key, project.unit).start) - first for key in set(keys)}
    return np.fromiter((days[key] for key in keys), np.int64, len(keys))


def values(table: "pa.Table | pa.RecordBatch", name: str, *, numeric: bool) -> Any:
    """A column for counting: numbers with NaN where absent, or text with None."""
    import pyarrow as pa

    column = table.column(name)
    if not numeric:
        return [None if value is None else str(value) for value in column.to_pylist()]
    found: NDArray[np.float64] = column.cast(pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    return found


def of(days: Days, project: Project, table: "pa.Table", start: datetime) -> Tally:
    """Counts of a window's rows, as one."""
    day = day_of(project)
    at = stretches(table, project, day, day.number(start))
    read = {c.name: values(table, c.name, numeric=c.numeric) for c in days.scheme}
    return tally.count(days.scheme, read, at, int(at.max(initial=0)) + 1).whole()


def before(
    warehouse: Warehouse, artifacts: ArtifactStore, project: Project, days: Days, digest: str, start: datetime
) -> Tally:
    """Counts of the reference of the window that starts then; empty where there is none.

    A trailing one is read from the warehouse, a window's length at a time, and each kept until what was
    published in it changes.
    """
    day, kind = day_of(project), project.monitors.reference
    at = day.number(start)
    if kind != "trailing":
        chosen = references.chosen(kind, days.numbers, at, days.length, days.year) & (days.numbers < at)
        return days.counts.pooled(chosen[None, :])
    end = at // days.length * days.length
    found = tally.empty(days.scheme, 1)
    for back in range(references.BACK, 0, -1):
        opens, closes = (day.start(end - (back - step) * days.length) for step in (0, 1))
        found = found + _stretch(warehouse, artifacts, project, days, digest, opens, closes)
    return found


def _stretch(
    warehouse: Warehouse,
    artifacts: ArtifactStore,
    project: Project,
    days: Days,
    digest: str,
    opens: datetime,
    closes: datetime,
) -> Tally:
    first, last = (Partition.containing(each, project.unit) for each in (opens, closes - samples.RESOLUTION))
    with warehouse.transaction() as cursor:
        keys = [partition.key for partition in first.to(last)]
        current = batches.current(cursor, project.name, project.entity.table, keys)
    published = sorted((key, batch.digest) for key, batch in current.items())
    names = [f"{column.name}:{column.cells}" for column in days.scheme]
    stamp = _stamp(names, published, *_looked_at(project))
    kept = f"references/{project.name}/{digest}-{first.key}-{stamp}.npz"
    if (found := _kept(artifacts, kept)) is not None:
        return found[2]
    table = samples.window(warehouse, project, opens, closes, project.monitors.sample)
    counts = of(days, project, table, opens) if table.num_rows else tally.empty(days.scheme, 1)
    artifacts.put(kept, _written(([], day_of(project).number(opens), counts)))
    return counts


def _compared(project: Project) -> list[str]:
    """Inputs that are counted by value: hardly any text comes twice."""
    return [*project.inputs.categorical, *project.inputs.numeric]


def _looked_at(project: Project) -> tuple[str, int]:
    return str(project.monitors.window), project.monitors.sample


def _stamp(*what: Any) -> str:
    return hashlib.sha256(json.dumps([FORM, *what]).encode()).hexdigest()[:12]


def _written(found: tuple[Scheme, int, Tally]) -> bytes:
    scheme, first, counts = found
    stream = io.BytesIO()
    parts: dict[str, Any] = {f"count{at}": part.astype(np.float32) for at, part in enumerate(counts.parts)}
    np.savez_compressed(stream, first=first, scheme=np.array(json.dumps(list(map(_said, scheme)))), **parts)
    return stream.getvalue()


def _said(column: tally.Numeric | tally.Categorical) -> dict[str, Any]:
    if isinstance(column, tally.Numeric):
        return {
            "name": column.name,
            "grid": column.grid.tolist(),
            "scale": column.scale,
            "scores": column.scores.tolist(),
            "fences": column.fences,
        }
    known = dict(column.known)
    return {
        "name": column.name,
        "known": known,
        "scores": column.scores.tolist(),
        "complete": column.complete,
    }


def _kept(artifacts: ArtifactStore, path: str) -> tuple[Scheme, int, Tally] | None:
    """What was written there; None where nothing is, or half a file of a foreign store."""
    if not artifacts.exists(path):
        return None
    import zipfile

    try:
        with np.load(io.BytesIO(artifacts.read(path)), allow_pickle=False) as held:
            scheme = [_read(item) for item in json.loads(str(held["scheme"]))]
            return (
                scheme,
                int(held["first"]),
                Tally(*(held[f"count{at}"].astype(np.float64) for at in range(4))),
            )
    except (ValueError, KeyError, OSError, zipfile.BadZipFile):
        return None


def _read(said: Mapping[str, Any]) -> tally.Numeric | tally.Categorical:
    scores = np.array(said["scores"], dtype=np.float64)
    if "grid" in said:
        low, high = said["fences"]
        return tally.Numeric(
            said["name"], np.array(said["grid"], dtype=np.float64), said["scale"], scores, (low, high)
        )
    return tally.Categorical(said["name"], said["known"], scores, said["complete"])
