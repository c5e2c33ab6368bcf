"""Reading dataset snapshots: the manifest, and one split as a pandas frame, digests checked."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mlcycle.adapters.artifacts.store import ArtifactStore
from mlcycle.adapters.datasets.lists import LIST
from mlcycle.contract import Output
from mlcycle.domain.dataset import DatasetManifest, Split, parse_manifest
from mlcycle.domain.drawing import Drawn, draw
from mlcycle.domain.examples import Rows
from mlcycle.domain.folds.plan import TIME
from mlcycle.domain.listed import ListedLabels
from mlcycle.domain.metrics import Array
from mlcycle.domain.sampling import Sampling
from mlcycle.domain.tasks import task_of
from mlcycle.errors import InputError
from mlcycle.project import Project

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

PART_ROWS = 65_536
WEIGHT = "_weight"  # a column of snapshots whose labels depend on decisions; no project's column begins so


def read_manifest(artifacts: ArtifactStore, output: Output) -> DatasetManifest:
    """The manifest that the dataset step handed over. Raises InputError, IntegrityError."""
    return parse_manifest(output.uri, artifacts.get(output))


def read_split(
    artifacts: ArtifactStore,
    manifest: DatasetManifest,
    split: Split,
    columns: Sequence[str],
    scratch: Path,
) -> "pd.DataFrame":
    """All rows of a split, these columns only. Text arrives dictionary-encoded: a code a row.

    ``scratch`` keeps the fetched parts for the next reading of the same snapshot.

    Raises InputError where the split has no rows or a column is missing, IntegrityError where a part
    is not what the manifest says.
    """
    return _frame(list(_tables(artifacts, manifest, split, columns, scratch, None)))


def _tables(
    artifacts: ArtifactStore,
    manifest: DatasetManifest,
    split: Split,
    columns: Sequence[str],
    scratch: Path,
    rows: int | None,
) -> "Iterator[pa.Table]":
    """A split's parts, each as one table or, with ``rows``, as tables of at most so many."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    parts, wanted = manifest.of_split(split), list(dict.fromkeys(columns))
    if not sum(part.rows for part in parts):
        raise InputError(
            f"the {split} split of dataset {manifest.digest[:12]} has no rows: choose a later partition, "
            "or ingest the earlier ones first"
        )
    scratch.mkdir(parents=True, exist_ok=True)
    for part in parts:
        path = f"datasets/{manifest.project}/{manifest.digest}/{part.path}"
        local = scratch / f"{manifest.digest[:16]}-{part.path}"
        if not local.exists():
            staged = local.with_suffix(".fetched")
            artifacts.get_file(Output(uri=artifacts.uri(path), digest=part.digest), staged)
            staged.replace(local)
        names = pq.read_schema(local).names
        if missing := [column for column in columns if column not in names]:
            raise InputError(f"dataset {manifest.digest[:12]} lacks {', '.join(missing)}: snapshot it again")
        if rows is None:
            yield pq.read_table(local, columns=wanted)
            continue
        for batch in pq.ParquetFile(local).iter_batches(rows, columns=wanted):
            yield pa.Table.from_batches([batch])


def _frame(tables: "list[pa.Table]") -> "pd.DataFrame":
    import pyarrow as pa

    table = pa.concat_tables(tables)
    text = [field.name for field in table.schema if pa.types.is_string(field.type)]
    for name in text:
        at = table.schema.get_field_index(name)
        table = table.set_column(at, name, table[name].dictionary_encode())
    frame: pd.DataFrame = table.unify_dictionaries().to_pandas()
    return frame


@dataclass(frozen=True)
class SplitExamples:
    """Some splits of a snapshot, as a fit reads them: :class:`mlcycle.domain.examples.Examples`.

    Its parts are fetched into a folder, digests checked, when they are first read, and stay there. Where rows
    are sampled, it is those that were drawn: all are read once for what they have to be drawn by.
    """

    artifacts: ArtifactStore
    manifest: DatasetManifest
    splits: tuple[Split, ...]  # in order of time
    columns: Sequence[str]
    task: str
    folder: Path
    sample: Sampling | None = None

    @property
    def count(self) -> int:
        """How many rows there are."""
        if self.drawn is not None:
            return self.drawn.count
        return sum(part.rows for split in self.splits for part in self.manifest.of_split(split))

    def whole(self) -> Rows:
        """All rows in memory. Raises as :func:`read_split` does."""
        return self._rows(_frame(list(self._tables(None))))

    def parts(self) -> Iterator[Rows]:
        """The rows in order, ``PART_ROWS`` at the most at a time."""
        mean = self._mean_weight()
        for table in self._tables(PART_ROWS):
            if table.num_rows:  # of a sample, none of a part may have been drawn
                yield self._rows(_frame([table]), mean)

    @cached_property
    def drawn(self) -> Drawn | None:
        """What was drawn of the rows; None where all of them are there. Raises as reading them does."""
        if self.sample is None:
            return None
        lean = replace(self, columns=self.sample.columns, sample=None)
        return draw(self.sample, (_frame([table]) for table in lean._tables(PART_ROWS)))

    def _rows(self, frame: "pd.DataFrame", mean: float | None = None) -> Rows:
        return Rows(frame, labels_of(frame, " and ".join(self.splits), self.task), weights_of(frame, mean))

    def _mean_weight(self) -> float | None:
        """Of all rows: a part's own would make those of a part that stands for much weigh too little."""
        if WEIGHT not in self.columns and not (self.sample and self.sample.correct):
            return None
        own = [WEIGHT] if WEIGHT in self.columns else []
        total = sum(table[WEIGHT].to_numpy().sum() for table in self._tables(PART_ROWS, own))
        return float(total) / self.count

    def _tables(self, rows: int | None, columns: Sequence[str] | None = None) -> "Iterator[pa.Table]":
        wanted = self.columns if columns is None else columns
        for split in self.splits:
            if self.drawn is None:
                yield from _tables(self.artifacts, self.manifest, split, wanted, self.folder, rows)
                continue
            read = list(dict.fromkeys([*wanted, *self.drawn.how.columns]))
            for table in _tables(self.artifacts, self.manifest, split, read, self.folder, PART_ROWS):
                yield _kept(table, self.drawn, wanted)


def _kept(table: "pa.Table", drawn: Drawn, columns: Sequence[str]) -> "pa.Table":
    """The rows that were drawn, with what each stands for."""
    import pyarrow as pa

    kept, stand = drawn.of(_frame([table.select(drawn.how.columns)]))
    table = table.filter(pa.array(kept))
    own = table[WEIGHT].to_numpy() if WEIGHT in columns else np.ones(table.num_rows)
    table = table.select([name for name in dict.fromkeys(columns) if name != WEIGHT])
    if stand is None and WEIGHT not in columns:
        return table
    return table.append_column(WEIGHT, pa.array(own if stand is None else own * stand))


def examples_of(
    project: Project,
    artifacts: ArtifactStore,
    manifest: DatasetManifest,
    splits: Sequence[Split],
    folder: Path,
    *,
    learnt: bool = False,
) -> SplitExamples:
    """Splits of a snapshot as the project's fits read them; ``learnt`` from, they are sampled as it says."""
    sample = project.sampling if learnt else None
    return SplitExamples(
        artifacts, manifest, tuple(splits), columns_of(project), project.label.task, folder, sample
    )


def columns_of(project: Project) -> list[str]:
    """What a fit reads of a snapshot: inputs, label, weights, and what folds are dealt out by."""
    folds = project.split.cross_validation
    groups = [folds.group] if folds is not None and folds.group else []
    weight = [project.training.weight] if project.training.weight else []
    groups += [wish.by for wish in project.inputs.wishes if wish.by]
    return list(dict.fromkeys([*project.inputs.all, *label_columns(project), TIME, *groups, *weight]))


def label_columns(project: Project) -> list[str]:
    """The label with its list in a ranking, and for how many rows each stands where labels need decisions."""
    return [*measured_columns(project), *([WEIGHT] if project.value.weighs else [])]


def measured_columns(project: Project) -> list[str]:
    """What :func:`labels_of` reads: the label, and in a ranking its list."""
    return ["label", *([LIST] if project.label.group else [])]


def weights_of(frame: "pd.DataFrame", mean: float | None = None) -> Array | None:
    """For how many rows each of a split stands, one on average; None where the snapshot does not say.

    ``mean`` is that of all rows, where the frame is a part of them.
    """
    if WEIGHT not in frame:
        return None
    weights = frame[WEIGHT].to_numpy(dtype=np.float64)
    found: Array = weights / (
        weights.mean() if mean is None else mean
    )  # not in place: it may be the frame's own memory
    return found


def labels_of(frame: "pd.DataFrame", split: str, task: str) -> Array:
    """The labels of a split as float64, with their lists where the frame has those.

    Raises InputError for a label that is no label of the task.
    """
    labels: Array = frame["label"].to_numpy(dtype=np.float64)
    task_of(task).check_labels(labels, split)
    return ListedLabels(labels, frame[LIST].to_numpy(np.int64)) if LIST in frame else labels
