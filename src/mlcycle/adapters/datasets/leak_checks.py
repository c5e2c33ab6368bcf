"""All leak checks of a snapshot that is made: rows go by a chunk at a time, what is kept is bounded.

Sums over all rows for means of labels and for copies; for what an input tells, a sample of the rows in order.
"""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from mlcycle.domain.as_of import newest_known
from mlcycle.domain.dataset import Split
from mlcycle.domain.leakage import copies, encodings, sample, words
from mlcycle.domain.tasks import task_of
from mlcycle.errors import LeakageError
from mlcycle.project import Project

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

SAMPLE = 40_000  # rows of the sample at most, half of it at least once there are as many
PASTS = 200_000  # entities whose newest labels are remembered, those heard of last
SEED = 20130101
CLASSES = 3  # of many, that are each set against all others


class LeakChecks:
    """Takes a dataset's rows in order of time, whole partitions at a time, and judges at the end."""

    def __init__(self, project: Project, task: str = "") -> None:
        import numpy as np

        self._project = project
        self._task = task or project.label.task
        self._means = encodings.LabelMeans(self._task)
        self._copies = copies.Copies(self._task)
        self._kept: list[pa.Table] = []
        self._drawn: list[np.ndarray[Any, Any]] = []
        self._share, self._random = 1.0, np.random.default_rng(SEED)
        self._before = 0  # partitions seen
        # Labels that later rows may look back on: entity, when it became known, value.
        self._known = (np.empty(0, np.int64), np.empty(0, np.int64), np.empty(0))

    def add(self, split: Split, rows: "pa.Table") -> None:
        """Take in rows of a split."""
        import numpy as np
        import pyarrow as pa

        if not rows.num_rows:
            return
        inputs = self._project.inputs
        keys, label = _hashes(rows["entity_key"]), rows["label"].to_numpy()
        past = self._past(rows["event_time"], keys.view(np.int64), label)
        hashes = {name: _hashes(rows[name]) for name in inputs.all}
        words = [name for name in inputs.all if self._is_text(rows, name)]
        numbers = [name for name in inputs.all if name not in words and name not in inputs.known]
        partition = rows["partition"].combine_chunks().dictionary_encode()
        order = np.argsort(np.argsort(np.array(partition.dictionary.to_pylist())))
        self._means.add(
            {name: _column(rows[name], text=False) for name in numbers},
            {name: (hashes[name] >> np.uint64(1)).astype(np.int64) for name in words},
            self._before + order[partition.indices.to_numpy()],
            *(label, past),
            train=split == "train",
        )
        self._before += len(order)
        self._copies.add(hashes, keys, label, train=split == "train")
        self._draw(rows.append_column("(past)", pa.array(past)))

    def check(self) -> list[str]:
        """Raise LeakageError for the first leak found; returns what is odd and no refusal."""
        import pyarrow as pa

        from mlcycle.adapters.datasets import quick_model

        table = pa.concat_tables(self._kept)
        project = self._project
        said = sample.check(
            sample.Sample(
                {name: _column(table[name], self._is_text(table, name)) for name in project.inputs.all},
                table["label"].to_numpy(),
                self._task,
                table["(past)"].to_numpy(),
                table["entity_key"].combine_chunks().dictionary_encode().indices.to_numpy().astype("int64"),
                _positions(table),
                frozenset(project.inputs.known),
            ),
            quick_model.scores,
        )
        self._means.check()
        self._copies.check()
        return said

    def _is_text(self, rows: "pa.Table", name: str) -> bool:
        import pyarrow as pa

        return name in self._project.inputs.categorical or pa.types.is_string(rows[name].type)

    def _draw(self, rows: "pa.Table") -> None:
        """Keep rows by a lot each; where they become too many, every second one goes by its lot."""
        import pyarrow as pa

        lots = self._random.random(rows.num_rows)
        kept = lots < self._share
        self._kept.append(rows.filter(pa.array(kept)).replace_schema_metadata(None))
        self._drawn.append(lots[kept])
        while sum(len(lots) for lots in self._drawn) > SAMPLE:
            self._share /= 2
            self._kept = [
                table.filter(pa.array(lots < self._share))
                for table, lots in zip(self._kept, self._drawn, strict=True)
            ]
            self._drawn = [lots[lots < self._share] for lots in self._drawn]

    def _past(
        self, event_time: "pa.ChunkedArray", keys: "np.ndarray[Any, Any]", labels: "np.ndarray[Any, Any]"
    ) -> "np.ndarray[Any, Any]":
        """For each row the newest label of its entity that was known at its time, NaN where there is none."""
        import numpy as np
        import pyarrow as pa
        import pyarrow.compute as pc

        label = self._project.label
        wait = max(label.delay + label.ahead, timedelta(microseconds=1)) // timedelta(microseconds=1)
        moments = pc.cast(event_time, pa.int64()).to_numpy()
        entity, known, value = (
            np.concatenate(pair) for pair in zip(self._known, (keys, moments + wait, labels), strict=True)
        )
        pairs = [(pa.array(keys), pa.array(entity))]
        at = newest_known(pairs, moments, known, np.iinfo(np.int64).max // 4)
        past = np.where(at >= 0, value[np.maximum(at, 0)], np.nan)
        # Of each entity the newest known label stays, and those that are not known yet.
        order = np.lexsort((known, entity))
        followed = np.append(entity[order][1:] == entity[order][:-1], False)
        replaced = followed & (np.append(known[order][1:], 0) <= moments.max())
        stays = order[~replaced]
        if len(stays) > PASTS:
            stays = stays[np.argsort(known[stays], kind="stable")[-PASTS:]]
        self._known = (entity[stays], known[stays], value[stays])
        return past


class ClassLeakChecks:
    """The same of many classes: each of the commonest against all others, as a label of two classes.

    An input that gives one class away is a leak, whichever it is; rare ones have too few rows to tell.
    """

    def __init__(self, project: Project) -> None:
        self._project = project
        self._of: dict[int, LeakChecks] = {}

    def add(self, split: Split, rows: "pa.Table") -> None:
        """Take in rows of a split; the commonest classes are those of the first rows."""
        import numpy as np
        import pyarrow as pa

        if not rows.num_rows:
            return
        labels = rows["label"].to_numpy()
        task_of(self._project.label.task).check_labels(labels, split)
        if not self._of:
            found, counts = np.unique(labels, return_counts=True)
            order = np.argsort(-counts, kind="stable")[:CLASSES]
            self._of = {int(each): LeakChecks(self._project, "classification") for each in found[order]}
        at = rows.schema.get_field_index("label")
        for each, checks in self._of.items():
            checks.add(split, rows.set_column(at, "label", pa.array((labels == each).astype(np.float64))))

    def check(self) -> list[str]:
        """As :meth:`LeakChecks.check`; what is said names the class."""
        said = []
        for each, checks in self._of.items():
            name = f"class {self._project.label.classes[each]!r} against all others"
            try:
                said += [f"{name}: {line}" for line in checks.check()]
            except LeakageError as error:
                raise LeakageError(f"{name}: {error.message}") from None
        return said


def checks_of(project: Project) -> LeakChecks | ClassLeakChecks:
    """The checks that fit the project's label."""
    return ClassLeakChecks(project) if task_of(project.label.task).many else LeakChecks(project)


def _column(column: "pa.ChunkedArray", text: bool) -> "np.ndarray[Any, Any]":
    """Numbers, NaN where absent; or objects, None where absent."""
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    if text:
        return np.array(column.to_pylist(), dtype=object)
    if pa.types.is_timestamp(column.type):
        column = pc.cast(column, pa.int64())
    found: np.ndarray[Any, Any] = pc.cast(column, pa.float64(), safe=False).to_numpy()
    return found


def _hashes(column: "pa.ChunkedArray") -> "np.ndarray[Any, Any]":
    """A number for each value, the same for the same in every chunk."""
    import numpy as np
    import pandas as pd
    import pyarrow as pa

    array = column.combine_chunks()
    if not (pa.types.is_string(array.type) or pa.types.is_boolean(array.type)):
        values = _column(column, text=False) + 0.0
        return np.where(np.isnan(values), np.nan, values).view(np.uint64)
    coded = array.cast(pa.string()).dictionary_encode()
    names = pd.util.hash_array(np.array([*coded.dictionary.to_pylist(), ""], dtype=object))
    found: np.ndarray[Any, Any] = names[coded.indices.fill_null(len(coded.dictionary)).to_numpy()]
    return found


def _positions(table: "pa.Table") -> "np.ndarray[Any, Any]":
    """The place of each row's key among the sampled rows of its partition, 0 to 1; NaN for a lone row."""
    import numpy as np

    keys = np.array(table["entity_key"].to_pylist(), dtype=object)
    order = words.orders(keys)["order"]
    partition = np.unique(np.array(table["partition"].to_pylist()), return_inverse=True)[1]
    at = np.lexsort((order, partition))
    rows = np.bincount(partition)
    starts = np.cumsum(rows) - rows
    place = np.empty(len(at))
    place[at] = np.arange(len(at)) - starts[partition[at]]
    return np.where(rows[partition] > 1, place / np.maximum(rows[partition] - 1, 1), np.nan)
