"""The reader of a table, by its format and by how it is written.

A new format is a file beside ``delimited.py``, a line in :data:`READERS` and its name in
``project.written.Format``.
"""

from collections.abc import Callable

from mlcycle.adapters.delivery.reader import Reader
from mlcycle.domain.delivery import Dialect
from mlcycle.project import Table
from mlcycle.project.written import Written


def _csv(table: Table) -> Reader:
    from mlcycle.adapters.delivery.delimited import Delimited

    csv = table.csv
    separator = "\t" if csv.separator == "whitespace" else csv.separator
    names = (
        ()
        if csv.header
        else tuple(
            csv.names or [name for name in table.columns if not table.stamped or name != table.event_time]
        )
    )
    return Delimited(Dialect(separator, csv.quote, csv.escape, names))


def _jsonl(_table: Table) -> Reader:
    from mlcycle.adapters.delivery.json_lines import JsonLines

    return JsonLines()


def _parquet(_table: Table) -> Reader:
    from mlcycle.adapters.delivery.columnar import Columnar

    return Columnar("parquet")


def _orc(_table: Table) -> Reader:
    from mlcycle.adapters.delivery.columnar import Columnar

    return Columnar("orc")


READERS: dict[str, Callable[[Table], Reader]] = {
    "csv": _csv,
    "jsonl": _jsonl,
    "parquet": _parquet,
    "orc": _orc,
}


def reader_of(table: Table, form: str = "csv") -> Reader:
    """The reader of a table's deliveries; ``form`` is the source's format, where the table has none."""
    form = table.format or form
    inner = READERS[form](table)
    plain = {name: getattr(table, name) for name in Written.model_fields if name != "format"}
    if Written(**plain) == Written():
        return inner
    from mlcycle.adapters.delivery.as_written import AsWritten

    return AsWritten(inner, form, table)
