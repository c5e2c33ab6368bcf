"""What tells rows apart, and which columns a model reads."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING

from mlcycle.proposal.cells import Column
from mlcycle.proposal.event_time import When
from mlcycle.proposal.said import ID_NAMES, Said
from mlcycle.proposal.target import Target

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class Key:
    """What, with the event time, tells rows apart."""

    columns: tuple[str, ...]  # none: a single series
    numbered: bool  # by the row's number
    said: Said


def key(found: Sequence[Column], frame: "pd.DataFrame", at: "When | None", label: str) -> Key:
    """What tells rows apart."""
    used = set(at.columns) if at else set()
    fit = [
        column
        for column in found
        if not column.missing and column.kind in ("text", "integer") and column.name not in used | {label}
    ]
    fit.sort(key=lambda column: (not ID_NAMES.search(column.name), column.distinct))
    if at is not None and not at.values.duplicated().any():
        return Key((), False, Said("none", "no two rows have the same time: a single series"))
    base = frame.assign(**{"(at)": at.values}) if at is not None else frame
    for size in (1, 2):
        for some in combinations(fit[:8], size):
            names = [column.name for column in some]
            if not base.duplicated([*names, *(["(at)"] if at is not None else [])]).any():
                many = all(column.distinct > 0.9 * column.rows for column in some)
                why = "it has another value in every row" if many else "with the time it tells all rows apart"
                return Key(tuple(names), False, Said(", ".join(names), why))
    return Key((), True, Said("the row's number", "no column or two tell all rows apart", sure=False))


@dataclass
class Inputs:
    """What the model reads, and what it does not, with the reason."""

    categorical: list[str] = field(default_factory=list)
    numeric: list[str] = field(default_factory=list)
    left_out: dict[str, str] = field(default_factory=dict)
    known: dict[str, str] = field(default_factory=dict)  # what tells nearly all, if it is known beforehand


def inputs(found: Sequence[Column], frame: "pd.DataFrame", at: "When | None", label: Target) -> Inputs:
    """Which columns the model reads."""
    chosen = Inputs()
    for column in found:
        if column.name == label.column.name or (at is not None and column.name in at.columns):
            continue
        reason = _no_input(column)
        if reason:
            chosen.left_out[column.name] = reason
        elif column.kind in ("text", "boolean"):
            chosen.categorical.append(column.name)
        else:
            chosen.numeric.append(column.name)
    for name, reason in _tells_all(chosen, frame, label).items():
        (chosen.numeric if name in chosen.numeric else chosen.categorical).remove(name)
        chosen.left_out[name] = reason
    return chosen


def _no_input(column: Column) -> str:
    if column.distinct < 2:
        return "it has one value alone" if column.distinct else "it is empty"
    if column.kind == "timestamp":
        return "it is a time: a view can make a feature of it"
    if ID_NAMES.search(column.name) and column.distinct > 0.9 * column.rows:
        return "it numbers the rows"
    if column.kind == "text" and column.distinct > max(0.5 * column.rows, 50):
        return "nearly every row has another text"
    return ""


def _tells_all(chosen: Inputs, frame: "pd.DataFrame", label: Target) -> dict[str, str]:
    """Inputs that say what the label is: alone, or, of a number, as sums of each other."""
    import numpy as np
    import pandas as pd

    found: dict[str, str] = {}
    y = frame[label.column.name]
    known = y.notna()
    for name in chosen.categorical:
        pairs = frame.loc[known, [name, label.column.name]].drop_duplicates()
        values = frame.loc[known, name].nunique(dropna=False)
        if label.task != "regression" and len(pairs) == values and values <= 50:
            found[name] = f"it alone tells {label.column.name!r}: is it known beforehand?"
    if label.task != "regression" or not chosen.numeric:
        return found
    numbers = (
        frame.loc[known, chosen.numeric].apply(pd.to_numeric, errors="coerce").fillna(0.0).to_numpy(float)
    )
    goal = pd.to_numeric(y[known], errors="coerce").fillna(0.0).to_numpy(float)
    left = list(range(numbers.shape[1]))
    while left:
        scaled = numbers[:, left] - numbers[:, left].mean(0)
        spread = np.where(scaled.std(0) == 0, 1, scaled.std(0))
        weights, *_ = np.linalg.lstsq(scaled / spread, goal - goal.mean(), rcond=None)
        rest = goal - goal.mean() - scaled / spread @ weights
        if 1 - rest.var() / max(goal.var(), 1e-300) < 0.9995:
            break
        worst = left[int(np.abs(weights).argmax())]
        found[chosen.numeric[worst]] = (
            f"with others it tells {label.column.name!r} to the last digit: is it known?"
        )
        left.remove(worst)
    return found
