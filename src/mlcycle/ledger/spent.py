"""What a project's runs held, by the clock: each step's time, and what it may use."""

from collections.abc import Collection
from datetime import timedelta

from psycopg2.extensions import cursor as Cursor

from mlcycle.domain import retrain_policy
from mlcycle.domain.spending import Prices, Used, cost, hours
from mlcycle.ledger import attempts
from mlcycle.project import Project
from mlcycle.project.limits import TRAINING

GIB = 1 << 30


def used(
    cursor: Cursor, project: Project, last: timedelta, steps: Collection[str] | None = None
) -> list[Used]:
    """What the attempts that ended lately held; of these steps alone, where some are named."""
    found = []
    for step, candidate, seconds in attempts.held(cursor, project.name, last):
        if steps is None or step in steps:
            limits = project.limits(step, candidate if candidate in project.candidates else "")
            nodes = limits.nodes
            found.append(Used(seconds, limits.cpu * nodes, limits.memory * nodes / GIB, limits.gpu * nodes))
    return found


def prices(project: Project) -> Prices | None:
    """The project's price list, if it has one."""
    listed = project.value.prices
    if listed is None:
        return None
    return Prices(listed.cpu_hour, listed.memory_gib_hour, listed.gpu_hour)


def overspent(cursor: Cursor, project: Project) -> str:
    """Why the project's budget of hours or money allows no more training now; empty where it does."""
    policy = project.retrain
    if policy.budget_hours is None and policy.budget_money is None:
        return ""
    found, listed = used(cursor, project, policy.per, TRAINING), prices(project)
    return retrain_policy.overspent(
        hours(found),
        cost(found, listed) if listed else 0.0,
        most_hours=policy.budget_hours,
        most_money=policy.budget_money,
        currency=project.value.currency,
        per=policy.per,
    )
