"""The reason that most bad rows of a delivery have, and what to say in the project where that may cure it."""

from collections import Counter
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mlcycle.adapters.delivery.reader import Rows
from mlcycle.domain.cures import of_cell
from mlcycle.domain.quarantine import Commonest
from mlcycle.domain.row_checks import SECOND, Declared, empty_key, not_inside, not_of_type
from mlcycle.domain.typed_rows import MEANING

if TYPE_CHECKING:
    import pyarrow as pa


def commonest(
    violations: Counter[str],
    text: Rows,
    cells: "pa.Table",
    by_row: Mapping[int, Mapping[str, str]],
    start: int,
    declared: Declared,
) -> Commonest | None:
    """The commonest kind of reason as the first row of it has it; None where no row is bad.

    Args:
        violations: kind of reason -> rows.
        text: the delivery, with the rows that could not be split into cells.
        cells: its other rows, as delivered.
        by_row: reasons by kind, by the row's position.
        start: position of the first of ``cells``.
        declared: what the project declares of the rows.
    """
    if not violations:
        return None
    kind, count = violations.most_common(1)[0]
    for at in range(start, start + len(cells)):
        reason = by_row.get(at, {}).get(kind)
        if reason is not None:
            row = {name: cells.column(name)[at - start].as_py() for name in cells.column_names}
            return Commonest(count, reason, _cure(kind, row, declared))
    reason = next((each.reasons[kind] for each in text.misfits.values() if kind in each.reasons), kind)
    return Commonest(count, reason, "say how the file is written: csv.separator, csv.quote")


def _cure(kind: str, row: dict[str, Any], declared: Declared) -> str:
    """What to say in the project where rows are bad of this kind; empty where the data alone is wrong."""
    for name, type_ in declared.columns.items():
        if type_ in MEANING and kind == not_of_type(name, type_):
            return of_cell(type_, str(row[name]))
    if kind == not_inside(declared.event_time):
        return "say the zone of times that name none: times.zone"
    if kind == SECOND:
        return "say a key that tells rows apart, or row_number"
    if kind in {empty_key(name) for name in declared.key}:
        return "take the column out of key, or have it delivered"
    return ""
