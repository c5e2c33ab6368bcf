"""A project drafted for a file: what is concluded of it, put into the parts of a project file."""

from dataclasses import dataclass, field
from typing import Any

from mlcycle.project.written import Numbers
from mlcycle.proposal import model_part
from mlcycle.proposal.look import DEALT_DAYS, Look
from mlcycle.proposal.said import Said
from mlcycle.proposal.source_part import source
from mlcycle.proposal.target import Target
from mlcycle.proposal.watching import monitors

REPLAYED = 7  # newest partitions that are scored, once there is a champion


@dataclass(frozen=True)
class Draft:
    """A project file's content, and how it was come by."""

    document: dict[str, Any]
    said: list[Said]
    first: str  # partitions that the data span
    last: str
    views: dict[str, str] = field(default_factory=dict)  # file name -> SQL
    newest: str | None = None  # first of the newest partitions, where rows have times

    @property
    def stages(self) -> list[tuple[str, str | None, str]]:
        """What to run for a first champion, and then for the newest partitions: stage, first, last."""
        found: list[tuple[str, str | None, str]] = [("ingest", self.first, self.last)]
        found += [("features", self.first, self.last)] if self.views else []
        found += [("train", None, self.last), ("promote", None, self.last)]
        if self.newest is not None:
            found += [("score", self.newest, self.last), ("monitor", None, self.last)]
        return found


def draft(seen: Look) -> Draft:
    """Draft a project for a file that was looked at. Raises InputError where none can be made of it."""
    watched, why = monitors(seen)
    document: dict[str, Any] = {
        "version": 1,
        "name": seen.name,
        "scope": _scope(seen),
        "value": _value(seen),
        "source": source(seen),
        "entity": {"table": seen.table},
        **model_part.parts(seen),
        "monitors": watched,
        "retrain": {"cooldown": "7 days", "budget": 4, "per": "30 days"},
    }
    first, last = seen.partitions
    newest = max(first, last.shift(1 - REPLAYED)).key if seen.at else None
    return Draft(document, [*_said(seen), why], first.key, last.key, model_part.views(seen), newest)


def _scope(seen: Look) -> dict[str, Any]:
    label = seen.goal.column.name
    return {
        "goal": f"Tell {label} of each row of {seen.origin.name if seen.origin else seen.path.name}.",
        "owner": "whoever answers for it: name a team",
        "stakeholders": ["whoever acts on the predictions"],
        "success": ["Surely better than the zero rule and the heuristic on rows that training has not seen."],
    }


def _value(seen: Look) -> dict[str, Any]:
    worth: dict[str, dict[str, float]] = {
        "classification": {"true_positive": 1, "false_positive": -1, "threshold": 0.5},
        "multiclass": {"right_class": 1, "wrong_class": -1},
        "regression": {"per_unit_error": -1},
    }
    return {"currency": "EUR", **worth[seen.goal.task]}


def _said(seen: Look) -> list[Said]:
    file = f"{len(seen.frame)} rows, {len(seen.columns)} columns: {'; '.join(seen.found.said)}"
    what = "file" if seen.origin is None else "table"
    said = [Said(what, file, not (seen.origin and seen.origin.cut)), _time(seen), _label(seen.goal)]
    said.append(Said(f"key: {seen.told.said.what}", seen.told.said.why, seen.told.said.sure))
    said += seen.past.said if seen.past is not None else []
    numbers = seen.spelling.numbers
    if seen.spelling.nulls:
        said.append(Said("missing values", f"are written {', '.join(map(repr, seen.spelling.nulls))}"))
    if numbers != Numbers():
        mark = f", {numbers.thousands!r} between thousands" if numbers.thousands else ""
        said.append(Said("numbers", f"have {numbers.decimal!r} before decimals{mark}"))
    for name, why in seen.chosen.known.items():
        asks = f"{why}. Is it known when a prediction is due? Else take it out of inputs"
        said.append(Said(f"tells nearly all: {name}", asks, sure=False))
    said += [Said(f"not read: {name}", why) for name, why in seen.chosen.left_out.items()]
    if seen.found.misfits:
        said.append(Said("odd rows", f"{seen.found.misfits} have another number of cells and are set aside"))
    return said


def _time(seen: Look) -> Said:
    if seen.at is None:
        why = f"no column holds one: rows are dealt at random over {DEALT_DAYS} days"
        return Said("time", why, sure=False)
    first, last = seen.span
    zone = "" if seen.at.zoned or seen.at.days else f", by the clocks of {seen.zone}"
    known = seen.at.zoned or seen.at.days or seen.zone != "UTC"
    why = f"{seen.at.said.why}; {first:%Y-%m-%d} to {last:%Y-%m-%d}{zone}; partitions are {seen.unit}s"
    return Said(f"time: {seen.at.said.what}", why, seen.at.said.sure and known)


def _label(goal: Target) -> Said:
    kinds = {"classification": "two classes", "multiclass": f"{len(goal.classes)} classes"}
    kind = kinds.get(goal.task, "a number")
    return Said(f"label: {goal.said.what}", f"{goal.said.why}; {kind}{_one(goal)}", goal.said.sure)


def _one(goal: Target) -> str:
    if goal.positive is not None:
        return f", {goal.positive!r} is 1"
    return f", 1 from {goal.at_least:g} up" if goal.at_least is not None else ""
