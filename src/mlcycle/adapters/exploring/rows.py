"""The rows that are explored: each column of the entity table and the views, as it was known, with labels."""

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from mlcycle.adapters.datasets.point_in_time import RESERVED, counts, joined_rows
from mlcycle.adapters.warehouse.connection import Warehouse
from mlcycle.domain.exploring.columns import Column, Floats, Ints
from mlcycle.domain.partitions import Partition
from mlcycle.domain.tasks import task_of
from mlcycle.errors import InputError
from mlcycle.ledger import batches
from mlcycle.project import Project
from mlcycle.project.kinds import DELIVERED

if TYPE_CHECKING:
    import pyarrow as pa

KINDS = {"double", "integer", "boolean", "text"}


@dataclass(frozen=True)
class Explored:
    """n labelled rows in order of time."""

    columns: list[Column]
    label: Column  # classes as words, a number or a grade as it is
    target: Floats  # the label as the platform has it (n,)
    partition: Ints  # each row's number among ``keys`` (n,)
    keys: list[str]
    entity: list[str]  # each row's key
    unlabelled: int
    share: float  # of the rows, drawn by their keys and times


def wide(project: Project) -> Project:
    """The project with every column as an input that could be one: not keys, times, or the label itself."""
    table, label = project.entity_table, project.label
    taken = {*table.key, table.event_time, DELIVERED, *RESERVED}
    if label.table == project.entity.table and not label.ahead:
        taken.add(label.column)
    types: dict[str, str] = dict(table.columns)
    for view in project.features.values():
        types.update(view.columns)
    named = set(project.inputs.all)
    usable = [name for name, kind in types.items() if name in named or (name not in taken and kind in KINDS)]
    numeric = [name for name in usable if types[name] in ("double", "integer")]
    words = project.inputs.categorical
    inputs = project.inputs.model_copy(
        update={
            "numeric": [name for name in numeric if name not in words],
            "categorical": [name for name in usable if name not in numeric or name in words],
            "text": [],
        }
    )
    return project.model_copy(update={"inputs": inputs})


def read(warehouse: Warehouse, project: Project, start: datetime, end: datetime, most: int) -> Explored:
    """Labelled rows of a window of whole partitions, about ``most`` of them where there are more.

    Raises InputError where there is none.
    """
    import pyarrow as pa

    first = Partition.containing(start, project.unit)
    last = Partition(end, project.unit).shift(-1)
    with warehouse.reading() as cursor:
        there = sum(batches.rows(cursor, project.name, project.entity.table, first, last).values())
    share = min(1.0, most / max(there, 1))
    tables, unlabelled = [], 0
    for chunk in joined_rows(warehouse, project, start, end, labels=True, as_of=end, share=share):
        unlabelled += sum(counts(chunk)["unlabelled"].values())
        tables.append(chunk.replace_schema_metadata(None))
    rows = pa.concat_tables(tables) if tables else None
    if rows is None or not rows.num_rows:
        raise InputError(
            f"no labelled row from {first.key} to {last.key}: ingest more partitions, or say others by "
            "--first and --last"
        )
    keys, partition = _coded(rows["partition"])
    order = sorted(range(len(keys)), key=keys.__getitem__)
    place = {code: at for at, code in enumerate(order)}
    import numpy as np

    numbers = np.array([place[code] for code in range(len(keys))])[partition]
    target = rows["label"].to_numpy()
    names = list(project.inputs.all)
    return Explored(
        columns=[column(name, rows[name], words=name in project.inputs.categorical) for name in names],
        label=_label(project, target),
        target=target,
        partition=numbers,
        keys=[keys[at] for at in order],
        entity=rows["entity_key"].to_pylist(),
        unlabelled=unlabelled,
        share=share,
    )


def column(name: str, values: "pa.ChunkedArray", *, words: bool) -> Column:
    """A column of an arrow table."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if words or pa.types.is_boolean(values.type) or not _is_number(values.type):
        said, codes = _coded(pc.cast(values, pa.string()))
        return Column(name, codes, said)
    return Column(name, pc.fill_null(pc.cast(values, pa.float64()), float("nan")).to_numpy())


def _is_number(kind: Any) -> bool:
    import pyarrow as pa

    return bool(pa.types.is_floating(kind) or pa.types.is_integer(kind))


def _coded(texts: "pa.ChunkedArray") -> tuple[list[str], Any]:
    """The different texts, and each row's code among them, -1 where there is none."""
    coded = texts.combine_chunks().dictionary_encode()
    codes = coded.indices.fill_null(-1).to_numpy().astype("int64")
    return coded.dictionary.to_pylist(), codes


def _label(project: Project, target: Floats) -> Column:
    task = task_of(project.label.task)
    if not task.classifies:
        return Column(project.label.name, target)
    words = project.label.classes or [
        f"not {project.label.name}",
        project.label.name,
    ]
    return Column(project.label.name, target.astype("int64"), words)
