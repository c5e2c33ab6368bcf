"""Which column is the label, and of what task."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from mlcycle.errors import InputError
from mlcycle.proposal.cells import Column
from mlcycle.proposal.said import ID_NAMES, Said

if TYPE_CHECKING:
    import pandas as pd

LABEL_NAMES = re.compile(
    r"^(label|target|class|y|outcome|response|churn(ed)?|default(ed)?|survived|fraud|is_fraud|isfraud|result|"
    r"diagnosis|species|income|converted|clicked|subscribed|deposit|exited|attrition|medv|saleprice|cnt|quality)$",
    re.I,
)
MOST_CLASSES = 50

Task = Literal["classification", "multiclass", "regression"]


@dataclass(frozen=True)
class Target:
    """The label."""

    column: Column
    task: Task
    said: Said
    positive: str | None = None
    at_least: float | None = None
    classes: tuple[str, ...] = ()


def target(found: Sequence[Column], frame: "pd.DataFrame", taken: Sequence[str], given: str | None) -> Target:
    """The label: as given, else proposed. Raises InputError where no column can be one."""
    free = [column for column in found if column.name not in taken and column.kind != "timestamp"]
    names = {column.name: column for column in found}
    if given is not None:
        if given not in names:
            raise InputError(f"--label {given!r} is no column: there are {', '.join(names)}")
        return _as_label(names[given], frame, Said(given, "as told"))
    called = [column for column in free if LABEL_NAMES.match(column.name) and _can(column)]
    if called:
        return _as_label(called[-1], frame, Said(called[-1].name, f"it is called {called[-1].name!r}"))
    if len(free) == 1 and _can(free[0]):
        return _as_label(free[0], frame, Said(free[0].name, "there is no other column beside the time"))
    few = [
        column
        for column in free
        if _can(column) and column.kind != "double" and column.distinct <= MOST_CLASSES
    ]
    few = [column for column in few if column.distinct == 2 or column.kind == "text"]
    if free and _can(free[-1]):
        return _as_label(free[-1], frame, Said(free[-1].name, "it is the last column", sure=False))
    if few:
        best = min(few, key=lambda column: column.distinct)
        return _as_label(best, frame, Said(best.name, f"it has {best.distinct} values alone", sure=False))
    rest = [column for column in free if _can(column)]
    if not rest:
        raise InputError(
            "no column can be a label: numbers, yes or no, or texts of few kinds; name one by --label"
        )
    return _as_label(rest[-1], frame, Said(rest[-1].name, "it is the last that can be one", sure=False))


def _can(column: Column) -> bool:
    if column.distinct < 2 or column.missing > 0.9 * column.rows:
        return False
    if ID_NAMES.search(column.name) and column.distinct > 0.9 * column.rows:
        return False
    return column.kind != "text" or column.distinct <= MOST_CLASSES


def _as_label(column: Column, frame: "pd.DataFrame", said: Said) -> Target:
    values = frame[column.name].dropna()
    counts = values.value_counts()
    if column.kind == "boolean":
        return Target(column, "classification", said)
    if column.kind == "timestamp" or not _can(column):
        raise InputError(
            f"{column.name!r} cannot be a label: it is {column.kind} with {column.distinct} different values"
        )
    if column.distinct == 2 and column.kind == "text":
        positive = str(counts.index[-1])
        return Target(column, "classification", said, positive=positive)
    if column.distinct == 2:
        return Target(column, "classification", said, at_least=max(float(text) for text in counts.index))
    if column.kind == "text":
        return Target(column, "multiclass", said, classes=tuple(map(str, counts.index)))
    if (
        column.kind == "integer"
        and column.distinct <= 12
        and re.match(r"^(class|label|target|digit|type|species)$", column.name, re.I)
    ):
        return Target(column, "multiclass", said, classes=tuple(sorted(map(str, counts.index), key=int)))
    return Target(column, "regression", said)
