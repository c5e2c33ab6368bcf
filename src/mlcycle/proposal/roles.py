"""Which column is what: event time, label, key, inputs. Each with how sure that is, and why."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import TYPE_CHECKING, Any, Literal

from mlcycle.errors import InputError
from mlcycle.proposal.cells import Column
from mlcycle.proposal.moments import CLOCK, read

if TYPE_CHECKING:
    import pandas as pd

TIME_NAMES = re.compile(r"time|date|stamp|when|^at$|_at$|observed|created|start|datum|zeit|fecha", re.I)
LABEL_NAMES = re.compile(
    r"^(label|target|class|y|outcome|response|churn(ed)?|default(ed)?|survived|fraud|is_fraud|isfraud|result|"
    r"diagnosis|species|income|converted|clicked|subscribed|deposit|exited|attrition|medv|saleprice|cnt|quality)$",
    re.I,
)
ID_NAMES = re.compile(r"(^|_|\b)(id|uuid|guid|key|no|nr|number|index|instant|row)$|^unnamed|id$", re.I)
PARTS = {
    "year": (re.compile(r"^(year|yyyy|jahr)$", re.I), 1800, 2200, "%Y"),
    "month": (re.compile(r"^(month|mon|mm|mo|monat)$", re.I), 1, 12, "%m"),
    "day": (re.compile(r"^(day|dd|tag|day_?of_?month|mday)$", re.I), 1, 31, "%d"),
}
HOUR = re.compile(r"^(hour|hr|hh|stunde|hour_?of_?day)$", re.I)
CLOCKS = ("%H:%M:%S", "%H:%M", "%H.%M.%S", "%H.%M")
MOST_CLASSES = 50


@dataclass(frozen=True)
class Said:
    """A conclusion: what it is, whether it is sure, and why."""

    what: str
    why: str
    sure: bool = True


@dataclass(frozen=True)
class When:
    """The event time."""

    columns: tuple[str, ...]  # delivered; several are joined by blanks
    format: str | None
    values: "pd.Series[Any]"  # as written, without zone
    said: Said
    days: bool  # without a time of day
    zoned: bool = False


def when(found: Sequence[Column], frame: "pd.DataFrame") -> When | None:
    """The event time, or None where no column holds one; ``frame`` has texts, missing values as None."""
    times = [column for column in found if column.kind == "timestamp" and not column.missing]
    times.sort(
        key=lambda column: (
            not TIME_NAMES.search(column.name),
            column.moments is not None and column.moments.dates,
        )
    )
    if times:
        best = times[0]
        others = [column.name for column in times[1:]]
        assert best.moments is not None
        if best.moments.dates and (joined := _with_clock(best, found, frame)) is not None:
            return joined
        why = f"the times are written {best.moments.format or 'as ISO 8601'}"
        if others:
            why += f"; also times: {', '.join(others)}"
        if best.moments.why:
            why += f"; {best.moments.why}"
        sure = best.moments.sure and (not others or bool(TIME_NAMES.search(best.name)))
        values = read(frame[best.name].str.strip(), best.moments.format)
        zoned = bool(best.moments.format and "%z" in best.moments.format) or (
            best.moments.format is None and bool(re.search(r"(Z|[+-]\d\d:?\d\d)$", best.examples[0]))
        )
        return When(
            (best.name,), best.moments.format, values, Said(best.name, why, sure), best.moments.dates, zoned
        )
    return _of_parts(found, frame)


def _with_clock(date: Column, found: Sequence[Column], frame: "pd.DataFrame") -> When | None:
    """A date and the time of day beside it, in a column of its own."""
    assert date.moments is not None
    for column in found:
        if column.missing or column.name == date.name:
            continue
        if HOUR.match(column.name) and column.kind == "integer":
            forms: tuple[str, ...] = ("%H",)
        elif all(CLOCK.match(text) for text in column.examples) and column.examples:
            forms = CLOCKS
        else:
            continue
        joined = frame[date.name].str.strip() + " " + frame[column.name].str.strip()
        for form in forms:
            values = read(joined, f"{date.moments.format} {form}")
            if values.notna().mean() > 0.99:
                why = f"a date and its time of day, written {date.moments.format} {form}"
                said = Said(f"{date.name} with {column.name}", why, date.moments.sure)
                return When(
                    (date.name, column.name), f"{date.moments.format} {form}", values, said, days=False
                )
    return None


def _of_parts(found: Sequence[Column], frame: "pd.DataFrame") -> When | None:
    """Year, month and day in columns of their own, and the hour where there is one."""
    import pandas as pd

    used, forms = [], []
    for pattern, low, high, form in PARTS.values():
        for column in found:
            if column.kind == "integer" and not column.missing and pattern.match(column.name):
                numbers = pd.to_numeric(frame[column.name])
                if numbers.between(low, high).all():
                    used.append(column.name)
                    forms.append(form)
                    break
        else:
            return None
    for column in found:
        if column.kind == "integer" and not column.missing and HOUR.match(column.name):
            used.append(column.name)
            forms.append("%H")
            break
    joined = frame[used[0]].str.strip()
    for name in used[1:]:
        joined = joined + " " + frame[name].str.strip()
    values = read(joined, " ".join(forms))
    if values.notna().mean() < 0.99:
        return None
    said = Said(", ".join(used), "the parts of the time have columns of their own")
    return When(tuple(used), " ".join(forms), values, said, days="%H" not in forms)


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
