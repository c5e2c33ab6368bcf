"""How often the page "why is production worse than the test" puts the planted cause first.

One champion serves from the middle of the year on. Each cause is planted in a fortnight from a start on, with
what the checks of the data find of it computed by those checks.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from benchmarks.statistics.data import Year, fitted, year
from benchmarks.statistics.performance import DAYS, FALSE_A_YEAR, Rows, drawn, flipped, permuted, read, turned

from mlcycle.domain import decline, monitors, skill
from mlcycle.domain.monitors import Measurement
from mlcycle.domain.served_again import Again, differing, measurement
from mlcycle.domain.why_worse.evidence import Evidence
from mlcycle.domain.why_worse.walk import walked

TRAINED, HELD, LEAST = 150, 28, 56  # days: trained on, held out after them, served before a start at least
SEED = 20130101
GONE, LAGGED = "distance", ("carrier_late_7d", "carrier_delay_7d", "dest_late_14d", "carrier_hour_late_28d")
Planted = tuple[Rows, list[Measurement]]


@dataclass
class World:
    """A champion's life: rows with what it says of them, and who it is."""

    found: Year
    model: Any
    rows: Rows
    first: int  # day

    def days(self, since: int, until: int) -> Rows:
        """Rows of days counted from the first one."""
        return self.rows[self.rows["day"].between(self.first + since, self.first + until - 1)]


def report(folder: Path, thorough: bool) -> None:
    """Print the tables."""
    for name in ("flights", "weather"):
        world = _lived(year(name, folder))
        last = int(world.rows["day"].max()) - world.first - DAYS
        starts = np.linspace(TRAINED + HELD + LEAST, last, 60 if thorough else 20).astype(int)
        print(f"\n{name}: what stands first, {len(starts)} starts; right of those that page")
        for cause, title, plant in _causes(world):
            random = np.random.default_rng(SEED)
            told = [_first(world, int(start), cause, plant, random) for start in starts]
            counts = Counter(name for name, _ in told)
            paged = [name == cause for name, declined in told if declined]
            right = f"{np.mean(paged):5.2f} of {len(paged)}" if paged else "    none"
            others = ", ".join(f"{other} {n}" for other, n in counts.most_common() if other != cause)
            print(f"  {title:34}{counts[cause] / len(told):6.2f}  {right:12}  {others}", flush=True)


def _lived(found: Year) -> World:
    first = int(found.rows["day"].min())
    days = found.rows["day"].to_numpy() - first
    model = fitted(found.project, found.rows[days < TRAINED - 2])
    rows = found.rows[days >= TRAINED]
    return World(found, model, rows.assign(prediction=model.predict(rows)), first)


def _causes(world: World) -> list[tuple[str, str, Callable[[Rows, np.random.Generator], Planted]]]:
    def plain(change: Callable[[Rows, np.random.Generator], Rows]) -> Callable[..., Planted]:
        return lambda rows, random: (change(rows, random), [])

    def where(airport: str) -> Callable[..., Planted]:
        return plain(permuted(lambda rows: (rows["origin"] == airport).to_numpy()))

    classes = world.found.project.label.task == "classification"
    found = [
        ("luck", "nothing", plain(lambda rows, _: rows)),
        ("delivery", "30 % of a column missing", lambda rows, random: _missing(world, rows, random)),
        ("skew", "features of other rows at serving", lambda rows, random: _skewed(world, rows, random)),
        ("covariate", "other rows come", plain(_harder(0.7))),
        ("covariate", "far other rows come", plain(_harder(1.5))),
        ("concept", "no signal at EWR", where("EWR")),
        ("concept", "no signal at JFK", where("JFK")),
        ("label_fault", "20 % of labels flipped", plain(flipped)),
        ("label_fault", "labels permuted", plain(permuted(lambda rows: np.full(len(rows), True)))),
        ("label_fault", "another definition, share x 1.45", plain(turned)),
        ("flattery", "the gate's days were learnt", plain(lambda rows, _: rows)),
    ]
    return [*found, ("label_shift", "label share x 1.45, drawn", plain(drawn))] if classes else found


def _first(
    world: World, start: int, cause: str, plant: Callable[..., Planted], random: np.random.Generator
) -> tuple[str, bool]:
    project = world.found.project
    rows, found = plant(world.days(start, start + DAYS), random)
    test = world.days(TRAINED, TRAINED + HELD)
    held, earlier = test, read(project, world.days(TRAINED + HELD, start))
    if cause == "flattery":
        held = _learnt(world.found, held)
    days, now = read(project, held), read(project, rows)
    verdicts = decline.judged(skill.together(earlier, days), now, FALSE_A_YEAR)
    level = "page" if any(verdict.declined for verdict in verdicts) else "ok"
    found = [*found, Measurement("performance", level, "")]  # type: ignore[arg-type]
    labels, said = (held[name].to_numpy(dtype=np.float64) for name in ("label", "prediction"))
    classes = None
    if project.label.task == "classification":
        classes = float(said[labels == 0].mean()), float(said[labels == 1].mean())
    evidence = Evidence(project.label.task, now, earlier, days, verdicts, found, classes)
    return walked(evidence)[0].name, level == "page"


def _missing(world: World, rows: Rows, random: np.random.Generator) -> Planted:
    gone = GONE if GONE in rows else "temp"
    hit = random.random(len(rows)) < 0.3
    broken = rows.assign(**{gone: rows[gone].astype(float).mask(hit)})
    broken["prediction"] = world.model.predict(broken)
    shares = {gone: float(broken[gone].isna().mean())}
    return broken, monitors.missing({gone: float(rows[gone].isna().mean())}, shares, 0.1)


def _skewed(world: World, rows: Rows, random: np.random.Generator) -> Planted:
    """Served with the features of other rows; 200 rows are scored again from what the warehouse has."""
    names = [name for name in LAGGED if name in rows] or world.found.project.inputs.numeric[:3]
    served = rows.assign(**{name: random.permutation(rows[name].to_numpy()) for name in names})
    served["prediction"] = world.model.predict(served)
    some = random.choice(len(rows), 200, replace=False)
    again = world.model.predict(rows.iloc[some])
    other = differing(served["prediction"].to_numpy()[some], again, 1e-4)
    inputs = dict.fromkeys(names, int(other.sum()))
    return served, [measurement([Again("p", len(some), int(other.sum()), inputs)])]


def _harder(strength: float) -> Callable[[Rows, np.random.Generator], Rows]:
    """Rows drawn anew within their day by what the champion says of them: labels follow as before."""

    def change(rows: Rows, random: np.random.Generator) -> Rows:
        said = rows["prediction"].to_numpy()
        size = np.exp(strength * (said - said.mean()) / said.std())
        chosen = []
        for day in rows["day"].unique():
            at = np.flatnonzero((rows["day"] == day).to_numpy())
            chosen.append(random.choice(at, len(at), p=size[at] / size[at].sum()))
        return rows.iloc[np.concatenate(chosen)]

    return change


def _learnt(found: Year, held: pd.DataFrame) -> Rows:
    """The gate's days as a model says them that has learnt them by heart, half the way."""
    labels, said = (held[name].to_numpy(dtype=np.float64) for name in ("label", "prediction"))
    if found.project.label.task == "classification":
        link = np.log(said / (1 - said)) + (labels - said)
        return held.assign(prediction=1 / (1 + np.exp(-link)))
    return held.assign(prediction=said + (labels - said) / 2)
