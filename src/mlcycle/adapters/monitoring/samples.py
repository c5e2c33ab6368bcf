"""Seeded samples that monitors compare: what the champion was trained on, and a window of now."""

import io
import tempfile
from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from mlcycle.adapters.artifacts.store import ArtifactStore
from mlcycle.adapters.datasets.point_in_time import joined_rows
from mlcycle.adapters.warehouse.connection import Warehouse
from mlcycle.contract import Output
from mlcycle.domain.dataset import DatasetManifest
from mlcycle.domain.partitions import Partition
from mlcycle.errors import InputError
from mlcycle.ledger import batches, datasets
from mlcycle.project import Project

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

SEED = 20130101
RESOLUTION = timedelta(microseconds=1)
BATCH_ROWS = 65_536
MIN_SHARE_ROWS = 20  # of a partition, to speak of its share of missing values
MIN_SHARES = 20  # partitions, to speak of what is usual


def training(
    warehouse: Warehouse, artifacts: ArtifactStore, project: str, digest: str, columns: list[str], rows: int
) -> "pa.Table":
    """At most so many rows of a dataset's training split: ``partition`` and, of the columns, those it has.

    The first call reads the dataset a batch at a time and leaves the sample in the artifact store.
    Raises InputError where the dataset is not in the ledger or has no training rows.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    columns = ["partition", *columns]
    kept = f"references/{project}/{digest}-{rows}.parquet"
    if artifacts.exists(kept):
        try:
            table = pq.read_table(io.BytesIO(artifacts.read(kept)))
            return _held(table, columns)
        except pa.ArrowInvalid:
            pass  # half a file of a foreign store: made again below
    with warehouse.transaction() as cursor:
        manifest = datasets.manifest(cursor, project, digest)
    table = _draw(artifacts, project, manifest, rows)
    buffer = io.BytesIO()
    pq.write_table(table, buffer)
    artifacts.put(kept, buffer.getvalue())
    return _held(table, columns)


def _held(table: "pa.Table", columns: list[str]) -> "pa.Table":
    """Those of the columns that the dataset has: the project's inputs may be newer than the champion."""
    return table.select([column for column in columns if column in table.column_names])


def _draw(artifacts: ArtifactStore, project: str, manifest: DatasetManifest, rows: int) -> "pa.Table":
    """Rows drawn without replacement over all training parts, in the dataset's order."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    parts = manifest.of_split("train")
    total = sum(part.rows for part in parts)
    if not total:
        raise InputError(f"dataset {manifest.digest[:12]} has no training rows: it is no reference")
    drawn = np.random.default_rng(SEED).choice(total, min(rows, total), replace=False)
    drawn.sort()
    taken: list[pa.RecordBatch] = []
    start = 0
    with tempfile.TemporaryDirectory(prefix="mlcycle-reference-") as folder:
        for part in parts:
            path = f"datasets/{project}/{manifest.digest}/{part.path}"
            output = Output(uri=artifacts.uri(path), digest=part.digest)
            local = artifacts.get_file(output, Path(folder) / "part.parquet")
            for batch in pq.ParquetFile(local).iter_batches(BATCH_ROWS):
                wanted = drawn[(drawn >= start) & (drawn < start + batch.num_rows)] - start
                taken.append(batch.take(pa.array(wanted)))
                start += batch.num_rows
    return pa.Table.from_batches(taken)


def window(warehouse: Warehouse, project: Project, start: datetime, end: datetime, rows: int) -> "pa.Table":
    """About so many rows of a window at the most, as they could be predicted, in bounded memory.

    Of a larger window every partition gives about the same share of its rows, which the server draws.
    """
    import pyarrow as pa

    drawn = share(warehouse, project, start, end, rows)
    chunks = joined_rows(warehouse, project, start, end, labels=False, share=drawn)
    taken = [chunk.replace_schema_metadata(None) for chunk in chunks]
    return pa.concat_tables(taken) if taken else pa.table({"partition": pa.array([], pa.string())})


def share(warehouse: Warehouse, project: Project, start: datetime, end: datetime, rows: int) -> float:
    """Which share of a window's rows these are, by the ledger's counts; 1 where it has no more."""
    first, last = (Partition.containing(moment, project.unit) for moment in (start, end - RESOLUTION))
    with warehouse.transaction() as cursor:
        total = sum(batches.rows(cursor, project.name, project.entity.table, first, last).values())
    return min(1.0, rows / total) if total else 1.0


def of_partition(table: "pa.Table", partition: str) -> "pa.Table":
    """The rows of one partition."""
    import pyarrow.compute as pc

    return table.filter(pc.equal(table["partition"], partition))


def missing(table: "pa.Table", columns: list[str]) -> dict[str, float]:
    """Share of absent values of each column; NaN counts as absent."""
    import pyarrow.compute as pc

    absent = {name: pc.sum(pc.is_null(table[name], nan_is_null=True)).as_py() or 0 for name in columns}
    return {name: count / max(1, table.num_rows) for name, count in absent.items()}


def usual_missing(table: "pa.Table", columns: list[str]) -> dict[str, float]:
    """Share of absent values that is usual for a partition: 95 of 100 have no more, nor has the whole.

    Some columns come and go by nature (gusts are noted in wind only); partitions of which the sample
    has few rows say nothing, and the whole alone counts.
    """
    import pyarrow as pa

    usual = missing(table, columns)
    absent = {name: table[name].is_null(nan_is_null=True).cast(pa.float64()) for name in columns}
    flags = pa.table({"partition": table["partition"], **absent})
    shares = flags.group_by("partition").aggregate([([], "count_all"), *((name, "mean") for name in columns)])
    large = shares["count_all"].to_numpy() >= MIN_SHARE_ROWS
    if large.sum() >= MIN_SHARES:
        for name in columns:
            each = shares[f"{name}_mean"].to_numpy()[large]
            usual[name] = max(usual[name], float(np.quantile(each, 0.95)))
    return usual


def column(table: "pa.Table", name: str, numeric: bool) -> "NDArray[np.float64] | list[str]":
    """A column for comparing: finite numbers, or the categories that are there, as text."""
    import pyarrow as pa

    values = table[name].drop_null()
    if not numeric:
        return [str(value) for value in values.to_pylist()]
    numbers: NDArray[np.float64] = values.cast(pa.float64(), safe=False).to_numpy()
    return numbers[np.isfinite(numbers)]


def frame(table: "pa.Table", columns: list[str], numeric: set[str], rows: int) -> "pd.DataFrame":
    """At most so many rows for a report, columns in this order: numbers as float, the others as text."""
    import pyarrow as pa

    if table.num_rows > rows:
        drawn = np.random.default_rng(SEED).choice(table.num_rows, rows, replace=False)
        table = table.take(pa.array(np.sort(drawn)))
    found = table.select(columns).to_pandas()
    for name in columns:
        text = found[name].map(str, na_action="ignore").astype(object)
        found[name] = found[name].astype(float) if name in numeric else text
    return found
