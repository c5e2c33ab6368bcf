"""A tenth or so of a large snapshot's rows, for the checks that look at one input at a time."""

from typing import TYPE_CHECKING

from mlcycle.domain.leakage import check_column
from mlcycle.project import Project

if TYPE_CHECKING:
    import pyarrow as pa

ROWS = 10_000  # kept of a chunk, evenly spread; less than twice as many where it is not a multiple


class ColumnSamples:
    """Rows kept of every chunk, columns checked at the end."""

    def __init__(self, project: Project) -> None:
        self._project = project
        self._kept: list[pa.Table] = []

    def add(self, chunk: "pa.Table") -> None:
        """Keep every so manieth row."""
        import numpy as np

        step = max(1, chunk.num_rows // ROWS)
        self._kept.append(chunk.take(np.arange(0, chunk.num_rows, step)))

    def check(self) -> None:
        """Raise LeakageError for the first input that gives the label away."""
        import numpy as np
        import pyarrow as pa
        import pyarrow.compute as pc

        table = pa.concat_tables(self._kept)
        label = table["label"].to_numpy()
        inputs = self._project.inputs
        for name in inputs.all:
            column = table[name]
            if name in inputs.categorical or pa.types.is_string(column.type):
                values = np.array(column.to_pylist(), dtype=object)
            else:
                if pa.types.is_timestamp(column.type):
                    column = pc.cast(column, pa.int64())
                values = pc.cast(column, pa.float64(), safe=False).to_numpy()
            check_column(name, values, label, self._project.label.task)
