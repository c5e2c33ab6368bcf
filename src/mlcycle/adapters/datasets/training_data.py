"""Reading dataset snapshots: the manifest, and one split as a pandas frame, digests checked."""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from mlcycle.adapters.artifacts.store import ArtifactStore
from mlcycle.contract import Output
from mlcycle.domain.dataset import DatasetManifest, Split, parse_manifest
from mlcycle.domain.metrics import Array
from mlcycle.errors import InputError

if TYPE_CHECKING:
    import pandas as pd


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

    Raises InputError where the split has no rows or a column is missing, IntegrityError where a part
    is not what the manifest says.
    """
    import pyarrow as pa
    import pyarrow.parquet as pq

    parts = manifest.of_split(split)
    if not sum(part.rows for part in parts):
        raise InputError(
            f"the {split} split of dataset {manifest.digest[:12]} has no rows: choose a later partition, "
            "or ingest the earlier ones first"
        )
    scratch.mkdir(parents=True, exist_ok=True)
    tables = []
    for part in parts:
        path = f"datasets/{manifest.project}/{manifest.digest}/{part.path}"
        local = scratch / part.path
        artifacts.get_file(Output(uri=artifacts.uri(path), digest=part.digest), local)
        names = pq.read_schema(local).names
        if missing := [column for column in columns if column not in names]:
            raise InputError(f"dataset {manifest.digest[:12]} lacks {', '.join(missing)}: snapshot it again")
        tables.append(pq.read_table(local, columns=list(dict.fromkeys(columns))))
        local.unlink()
    table = pa.concat_tables(tables)
    text = [field.name for field in table.schema if pa.types.is_string(field.type)]
    for name in text:
        at = table.schema.get_field_index(name)
        table = table.set_column(at, name, table[name].dictionary_encode())
    frame: pd.DataFrame = table.unify_dictionaries().to_pandas()
    return frame


def labels_of(frame: "pd.DataFrame", split: str, task: str) -> Array:
    """The labels of a split as float64. Raises InputError for a label that is no label of the task."""
    labels: Array = frame["label"].to_numpy(dtype=np.float64)
    bad = int(np.count_nonzero(~np.isfinite(labels)))
    if bad:
        raise InputError(f"{bad} of {len(labels)} labels in the {split} split are missing or not finite")
    if task == "classification" and not set(np.unique(labels)) <= {0.0, 1.0}:
        raise InputError(f"labels in the {split} split are not 0 and 1: set label.at_least in the project")
    return labels
