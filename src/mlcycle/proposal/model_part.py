"""The parts of a draft that say what is learnt, from what, and how that is judged."""

from datetime import timedelta
from typing import Any

from mlcycle.domain.durations import format_duration
from mlcycle.domain.unit import Length
from mlcycle.errors import InputError
from mlcycle.proposal.look import Look

FEW = 30  # values of a column by which a table of means can be made
#: Of data, before months make a feature: a month that was seen once says nothing of its next.
SEEN_TWICE = timedelta(days=2 * 364)


def _label(seen: Look) -> dict[str, Any]:
    own = seen.names[seen.goal.column.name]
    label: dict[str, Any] = {
        "name": f"{own[:24]}_label",
        "task": seen.goal.task,
        "table": seen.table,
        "column": own,
    }
    if seen.goal.positive is not None:
        label["positive"] = seen.goal.positive
    if seen.goal.at_least is not None:
        label["at_least"] = seen.goal.at_least
    if seen.goal.classes:
        label["classes"] = list(seen.goal.classes)
    if seen.past is not None and seen.past.ahead is not None:
        label["ahead"] = format_duration(seen.past.ahead)
    return {**label, "delay": "0 hours"}


def _views(seen: Look) -> dict[str, Any]:
    found: dict[str, Any] = {
        "calendar": {
            "entities": seen.key,
            "columns": dict.fromkeys(_calendar_columns(seen), "integer"),
            "reads": [seen.table],
            "ttl": "1 hour",
            "lookback": "0 hours",
            "sql": "calendar.sql",
        }
    }
    if seen.past is not None:
        own = seen.names[seen.goal.column.name]
        make = {
            seen.new(name): {what: own if value == "{}" else value for what, value in one.items()}
            for name, one in seen.past.make.items()
        }
        found["past"] = {
            "entities": seen.key,
            "reads": [seen.table],
            "ttl": format_duration(seen.past.ttl),
            "known": format_duration(seen.past.known),
            "make": make,
        }
    return found


def _past(seen: Look) -> list[str]:
    """Features of the label's own past."""
    return [seen.new(name) for name in seen.past.make] if seen.past is not None else []


def _calendar_columns(seen: Look) -> dict[str, str]:
    """Features of the calendar, with the field of SQL that each is."""
    assert seen.at is not None
    fields = {"weekday": "isodow"} if seen.unit.kind is not Length.MONTH else {}
    if seen.length >= SEEN_TWICE or not fields:
        fields["month"] = "month"
    if not seen.at.days:
        fields["hour"] = "hour"
    used = set(seen.names.values())
    return {(name if name not in used else f"{name}_of_time"): part for name, part in sorted(fields.items())}


def _calendar(seen: Look) -> str:
    at = f'"{seen.event_time}"'
    assert seen.at is not None
    zone = "UTC" if seen.at.zoned else seen.zone
    lines = [
        f"select {', '.join(map(_quoted, seen.key))},",
        f"       {at} as event_timestamp,",
    ]
    fields = _calendar_columns(seen).items()
    for number, (name, part) in enumerate(fields, 1):
        comma = "," if number < len(fields) else ""
        lines.append(f"       extract({part} from {at} at time zone '{zone}')::int as {_quoted(name)}{comma}")
    where = f"where {at} > %(start)s and {at} <= %(end)s"
    head = (
        f"-- What the calendar says, by the clocks of {zone}: known at a row's own time, as it is beforehand."
    )
    return "\n".join([head, *lines, f"from {{{seen.table}}}", where, ""])


def _quoted(name: str) -> str:
    return f'"{name}"'


def _inputs(seen: Look) -> dict[str, Any]:
    numeric = [seen.names[name] for name in seen.chosen.numeric]
    if seen.by_calendar:
        numeric += list(_calendar_columns(seen))
    numeric += _past(seen)
    found = {"categorical": [seen.names[name] for name in seen.chosen.categorical], "numeric": numeric}
    if not any(found.values()):
        raise InputError(
            f"{seen.path} has no column to predict {seen.goal.column.name!r} from: a series alone needs "
            "features of its own past (docs/projects.md, features)"
        )
    found["known"] = [*(seen.names[name] for name in seen.chosen.known), *_past(seen)]
    return {name: columns for name, columns in found.items() if columns}


def _split(seen: Look) -> dict[str, Any]:
    first, last = (seen.unit.number(each.start) for each in seen.partitions)
    units, word = max(last - first + 1, 2), str(seen.unit)
    holdout, validation = max(round(units * 0.2), 1), max(round(units * 0.15), 1)
    share = len(seen.frame) * (1 - 0.35)
    return {
        "holdout": f"{holdout} {word}s",
        "validation": f"{validation} {word}s",
        "history": f"{max(units, 2)} {word}s",
        "min_rows": max(10, min(1000, int(share * 0.5))),
    }


def _candidates(seen: Look) -> dict[str, Any]:
    leaf = max(5, min(200, len(seen.frame) // 500))
    found: dict[str, Any] = {}
    if seen.past is not None:
        found["naive"] = {"family": "naive", "params": {"column": seen.new(seen.past.naive)}}
    elif by := _alike(seen):
        found["table"] = {"family": "rate_table", "params": {"by": by, "smoothing": 20}}
    found["line"] = {"family": "linear", "params": {"l2": 1.0}}
    params = {
        "learning_rate": 0.1,
        "max_iter": 300,
        "max_leaf_nodes": 15,
        "min_samples_leaf": leaf,
        "early_stopping": True,
    }
    found["boosting"] = {"family": "hist_gradient_boosting", "params": params}
    return found


def _alike(seen: Look) -> list[str]:
    """Columns of few values, by which a table of means can be made."""
    columns = {column.name: column for column in seen.columns}
    few = [name for name in seen.chosen.categorical if columns[name].distinct <= FEW]
    few += [
        name
        for name in seen.chosen.numeric
        if columns[name].kind == "integer" and columns[name].distinct <= FEW
    ]
    own = [seen.names[name] for name in few[:1]]
    if seen.by_calendar and not own:
        own = [next(iter(_calendar_columns(seen)))]
    return own


def _evaluation(seen: Look) -> dict[str, Any]:
    metric = {"classification": "log_loss", "multiclass": "log_loss", "regression": "rmse"}[seen.goal.task]
    columns = {column.name: column for column in seen.columns}
    slices = [seen.names[name] for name in seen.chosen.categorical if 2 <= columns[name].distinct <= 12][:2]
    return {
        "metric": metric,
        "heuristic": "naive" if seen.past is not None else "table" if _alike(seen) else "line",
        **({"slices": slices} if slices else {}),
    }


def _gate(seen: Look) -> dict[str, Any]:
    return {
        "min_gain": 0.0,
        "block": "1 hour" if seen.hourly else "1 day",
        "min_rows": max(10, min(500, len(seen.frame) // 20)),
    }


def parts(seen: Look) -> dict[str, Any]:
    """The parts, in the order of a project file."""
    return {
        "label": _label(seen),
        **({"features": _views(seen)} if seen.by_calendar else {}),
        "inputs": _inputs(seen),
        "split": _split(seen),
        "candidates": _candidates(seen),
        "evaluation": _evaluation(seen),
        "gate": _gate(seen),
    }


def views(seen: Look) -> dict[str, str]:
    """The SQL of the views, by file."""
    return {"calendar.sql": _calendar(seen)} if seen.by_calendar else {}
