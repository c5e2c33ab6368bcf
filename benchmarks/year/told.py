"""What a person was told of the year: alerts, retrains, what they brought, how good it was on the whole."""

from collections import defaultdict
from dataclasses import dataclass, replace
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
from tests.conftest import Platform

from mlcycle.adapters.warehouse.connection import Warehouse
from mlcycle.adapters.warehouse.predictions import scored
from mlcycle.domain.brought import Day, brought, losses
from mlcycle.domain.partitions import Partition
from mlcycle.project import Project

CONFIDENCE = 0.9


@dataclass(frozen=True)
class Alert:
    """From the first day it was raised on to the last."""

    severity: str
    matter: str
    subject: str
    first: date
    last: date

    @property
    def days(self) -> set[date]:
        """All of them."""
        return {self.first + timedelta(days=number) for number in range((self.last - self.first).days + 1)}


@dataclass(frozen=True)
class Retrain:
    """A challenger and what became of it: the gate's verdict, what it brought later, over how many days."""

    day: date
    why: str
    promoted: bool
    told: str
    gain: float | None = None
    interval: tuple[float, float] | None = None
    days: int = 0


@dataclass(frozen=True)
class Told:
    """What a person was told of the year."""

    days: int
    alerts: list[Alert]
    retrains: list[Retrain]
    weeks: list[tuple[date, float, float]]  # mean loss of what was served, and of the week's own mean label

    @classmethod
    def of(cls, platform: Platform, project: Project) -> "Told":
        """Read from the ledger and the predictions that were served."""
        owner = platform.owner()
        alerts = [
            Alert(severity, matter or key, subject, _day(first), _day(last))
            for severity, key, matter, subject, first, last in owner.query(
                """select severity, key, matter, subject, first_partition, last_partition
                   from ledger.alert order by first_partition, key"""
            )
        ]
        (days,) = owner.query("select count(distinct partition) from ledger.monitored")[0]
        return cls(days, alerts, _retrains(owner, project), _weeks(owner, project))

    def __str__(self) -> str:
        lines = []
        for severity in ("page", "warn", "info"):
            found = [each for each in self.alerts if each.severity == severity]
            on = set[date]().union(*(each.days for each in found))
            lines.append(f"{severity}: {len(found)} alerts, open on {len(on)} of {self.days} days")
            lines += [f"  {each.first} to {each.last}  {each.matter}  {each.subject}" for each in found]
        promoted = [each for each in self.retrains if each.promoted]
        lines.append(f"retrains: {len(self.retrains)}, {len(promoted)} promoted")
        for each in self.retrains:
            gained = "" if each.gain is None else f"  brought {each.gain:+.4f} on {each.days} days"
            between = f" ({each.interval[0]:+.4f} to {each.interval[1]:+.4f})" if each.interval else ""
            verdict = "promoted" if each.promoted else "refused"
            lines.append(f"  {each.day}  {each.why}: {verdict}{gained}{between}  {each.told}")
        return "\n".join(lines)


def _day(partition: str) -> date:
    return date.fromisoformat(partition[:10])


def _retrains(owner: Warehouse, project: Project) -> list[Retrain]:
    """Every comparison with the request it came of, and what followed where it was promoted."""
    rows = owner.query(
        """select r.as_of, r.source, r.reason, c.comparison_id, c.verdict, c.reasons, h.version
           from ledger.retrain_request r
           cross join lateral (
               select * from ledger.comparison where compared_at > r.requested_at order by 1 limit 1) c
           left join ledger.champion h using (comparison_id)
           where r.accepted and r.wants = 'retrain' order by r.as_of"""
    )
    days: defaultdict[int, dict[int, Day]] = defaultdict(dict)
    for (details,) in owner.query(
        "select details from ledger.monitor_result where monitor = 'brought' and details ? 'against'"
    ):
        days[details["version"]] |= {int(at): Day(*each) for at, each in details["days"].items()}
    found = []
    for as_of, source, reason, _, verdict, reasons, version in rows:
        why = reason if source == "person" else f"{source}: {reason}"
        told = "" if verdict == "promote" else _first(reasons)
        retrain = Retrain(as_of.date(), why, verdict == "promote", told)
        followed = brought(project.label.task, days.get(version, {})) if version else None
        if followed is not None:
            interval = followed.spread.interval(CONFIDENCE) if followed.spread else None
            retrain = replace(retrain, gain=followed.gain, interval=interval, days=followed.days)
        found.append(retrain)
    return found


def _first(reasons: Any) -> str:
    """Why not, in one line."""
    texts = [each if isinstance(each, str) else str(each.get("text", each)) for each in reasons]
    return texts[0][:160] if texts else ""


def _weeks(owner: Warehouse, project: Project) -> list[tuple[date, float, float]]:
    """Mean loss a week, as served."""
    first, last = owner.query("select min(partition), max(partition) from serving.scoring")[0]
    start, end = (Partition.parse(key, project.unit).start for key in (first, last))
    found = []
    edges = [start + timedelta(days=7 * number) for number in range((end - start).days // 7 + 1)]
    for begin, until in pairwise(edges):
        span = (
            Partition.containing(begin, project.unit),
            Partition.containing(until, project.unit).shift(-1),
        )
        with owner.transaction() as cursor:
            rows = scored(cursor, project.name, *span, as_of=span[1].end + timedelta(days=60))
        known = rows.known
        if known.any():
            labels, served = rows.labels[known], rows.predictions[known]
            mean = np.full(len(labels), labels.mean())
            loss, under = (float(losses(project.label.task, labels, each).mean()) for each in (served, mean))
            found.append((begin.date(), loss, under))
    return found
