"""Formats that have types and columns of their own: Parquet and ORC, read by Arrow."""

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlcycle.adapters.delivery.reader import Rows
from mlcycle.domain.delivery import Malformed

if TYPE_CHECKING:
    import pyarrow as pa


class Columnar:
    """Reads Parquet or ORC."""

    def __init__(self, form: str) -> None:
        self._form = form

    def open(self, data: bytes | Path) -> "Columns":
        """Read the file's own description. Raises Malformed."""
        import pyarrow as pa

        source = pa.BufferReader(data) if isinstance(data, bytes) else str(data)
        try:
            if self._form == "parquet":
                import pyarrow.parquet

                file: Any = pa.parquet.ParquetFile(source)
                return Columns(self._form, file, list(file.schema_arrow.names))
            import pyarrow.orc

            file = pa.orc.ORCFile(source)
            return Columns(self._form, file, list(file.schema.names))
        except (pa.ArrowException, OSError) as error:
            raise Malformed(f"not {self._form}: {' '.join(str(error).split())[:200]}") from None


@dataclass(frozen=True)
class Columns:
    """One delivery, its columns known."""

    form: str
    file: Any
    header: list[str]

    def rows(self, columns: list[str]) -> Rows:
        """The rows, of the types that the file has. Raises Malformed."""
        import numpy as np
        import pyarrow as pa

        try:
            table = self.file.read(columns=columns)
        except (pa.ArrowException, OSError) as error:
            raise Malformed(f"not {self.form}: {' '.join(str(error).split())[:200]}") from None
        table = table.select(columns)
        for at, name in enumerate(columns):
            table = table.set_column(at, name, _plain(name, table.column(name)))
        return Rows(table, np.arange(1, table.num_rows + 1), {}, 0)

    def loadable(self, columns: list[str]) -> bool:
        """Never."""
        return False


def _plain(name: str, column: "pa.ChunkedArray") -> "pa.ChunkedArray":
    """A column of values: categories as their text, nested ones refused."""
    import pyarrow as pa

    kind = column.type
    if pa.types.is_dictionary(kind):
        column = column.cast(kind.value_type)
        kind = column.type
    if pa.types.is_large_string(kind) or pa.types.is_string_view(kind):
        return column.cast(pa.string())
    if pa.types.is_nested(kind):
        raise Malformed(
            f"column {name!r} is {kind}: a cell holds one value, deliver it in columns of its own"
        )
    return column
