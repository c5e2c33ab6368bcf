"""How often should a project retrain? Its recipe on windows of different age and length, the same later rows.

Everything is measured on the validation rows of a snapshot that is there: never on the holdout. Nothing is
registered, and no run is logged.
"""

import json
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from mlcycle.adapters.datasets.training_data import examples_of
from mlcycle.adapters.pages import freshness_page
from mlcycle.contract import Output
from mlcycle.domain.dataset import DatasetManifest
from mlcycle.domain.durations import format_duration
from mlcycle.domain.folds.plan import TIME
from mlcycle.domain.interval import Spread
from mlcycle.domain.metrics import METRICS, Array, NotMeasured
from mlcycle.domain.staleness import Aged, aged, worth
from mlcycle.errors import ConfigError, InputError
from mlcycle.project import Candidate, Project
from mlcycle.settings import Settings
from mlcycle.steps.alone import alone, snapshot
from mlcycle.steps.context import StepContext
from mlcycle.steps.fitting import fit_alone
from mlcycle.steps.opening import blocks_of

if TYPE_CHECKING:
    from mlcycle.domain.examples import Rows

VERSION = "mlcycle.freshness/1"
DAY = timedelta(days=1)
AGES = (0, 7, 14, 28, 56, 112)  # days; those up to half of the history there is
SHARES = (0.125, 0.25, 0.5, 1.0)  # of the history, all of them fresh
CONFIDENCE = 0.95


@dataclass(frozen=True)
class _Bench:
    """What all windows share."""

    context: StepContext
    candidate: Candidate
    train: "Rows"
    later: "Rows"
    begin: Any  # of the history
    end: Any

    def said(self, age: timedelta, length: timedelta, name: str) -> tuple[Array, int]:
        """What a model says of the later rows that has learnt ``length`` of history up to ``age`` ago; and
        from how many rows.
        """
        from mlcycle.models.out_of_fold import at
        from mlcycle.models.quantile_models import said

        times = self.train.frame[TIME]
        last = self.end - age
        rows = np.flatnonzero(((times >= last - length) & (times < last)).to_numpy())
        if len(rows) < (least := self.context.project.split.min_rows):
            raise InputError(
                f"a window of {format_duration(length)} ending {format_duration(age)} before validation has "
                f"{len(rows)} rows, split.min_rows is {least}: take a snapshot with a longer split.history"
            )
        self.context.progress(f"{name}: {len(rows)} rows")
        work = f"freshness-{self.context.request.work}-{name}"
        both = (at(self.train, rows), self.later)
        model = fit_alone(self.context, self.candidate, both, lambda *_: False, work)
        return said(model, self.later.frame, self.context.project.label.quantiles), len(rows)


def report(context: StepContext, name: str) -> tuple[dict[str, Any], dict[str, Output]]:
    """Train, measure, write the page and the JSON; the document, and where both are.

    Args:
        context: settings of the role that trains.
        name: of a candidate.

    Raises:
        InputError: no such candidate, no snapshot, or too few rows or days in it.
    """
    project = context.project
    if name not in project.candidates:
        raise InputError(f"no candidate {name!r}: there are {', '.join(project.candidates)}")
    candidate = project.candidates[name]
    if candidate.resources.processes > 1:
        raise ConfigError(f"candidate {name!r} trains in several processes: choose one that needs one")
    manifest = snapshot(context)
    bench = _bench(context, candidate, manifest)
    history: timedelta = bench.end - bench.begin
    ages = [age * DAY for age in AGES if age * DAY <= history / 2]
    if len(ages) < 3:
        raise InputError(
            f"the snapshot's train rows are of {format_duration(history)}: four weeks are needed to tell "
            "what two weeks of age cost"
        )
    length, metric = history - ages[-1], project.evaluation.metric
    blocks, labels = blocks_of(bench.later.frame[TIME], project.gate.block), bench.later.labels
    models, rows = [], []
    fresh: Array | None = None
    for age in ages:
        said, count = bench.said(age, length, f"age {age.days} days")
        fresh = said if fresh is None else fresh
        models.append(aged(metric, labels, fresh, said, blocks, age.days))
        rows.append(count)
    lengths = []
    for share in SHARES:
        long = timedelta(days=max(1, round(history / DAY * share)))
        said, count = bench.said(timedelta(0), long, f"length {long.days} days")
        value = METRICS[metric](labels, said, None)
        lengths.append(
            {"days": long.days, "rows": count, "value": None if isinstance(value, NotMeasured) else value}
        )
    bounds = manifest.splits["validation"]
    document = {
        "version": VERSION,
        "project": project.name,
        "candidate": name,
        "family": candidate.family,
        "metric": metric,
        "dataset_digest": manifest.digest,
        "start": bounds.start.isoformat(),
        "end": bounds.end.isoformat(),
        "rows": len(labels),
        "blocks": len(set(blocks.tolist())),
        "confidence": CONFIDENCE,
        "window_days": length.days,
        "ages": [_aged(model, count) for model, count in zip(models, rows, strict=True)],
        "lengths": lengths,
        "every": [_worth(models, age.days) for age in ages[1:-1]],
    }
    place = f"reports/{project.name}/freshness/{manifest.digest[:12]}-{name}"
    return document, {
        "page": context.artifacts.put(f"{place}.html", freshness_page.render(document)),
        "json": context.artifacts.put(f"{place}.json", json.dumps(document, indent=1).encode()),
    }


def here(project: Project, settings: Settings, candidate: str) -> tuple[dict[str, Any], dict[str, Output]]:
    """The report, asked for by a person here and now: no step of a DAG, no attempt in the ledger."""
    with alone(project, settings, "freshness") as context:
        return report(context, candidate)


def _bench(context: StepContext, candidate: Candidate, manifest: DatasetManifest) -> _Bench:
    read = partial(examples_of, context.project, context.artifacts, manifest, folder=context.scratch)
    train, later = read(["train"], learnt=True).whole(), read(["validation"]).whole()
    # What there is and not what was asked for: a history may begin later than split.history reaches.
    times = train.frame[TIME]
    return _Bench(context, candidate, train, later, times.min(), manifest.splits["train"].end)


def _aged(model: Aged, rows: int) -> dict[str, Any]:
    return {
        "days": model.age,
        "rows": rows,
        "value": model.value,
        "fresh_better_by": _figure(model.gain, model.spread),
    }


def _worth(models: list[Aged], every: int) -> dict[str, Any]:
    found = worth(models, every)
    return {
        "days": found.every,
        "instead_of_days": found.most,
        "loss_to_always_fresh": found.loss,
        "worth": _figure(found.gain, found.spread),
    }


def _figure(value: float, spread: Spread | None) -> dict[str, float | None]:
    low, high = (None, None) if spread is None else spread.interval(CONFIDENCE)
    return {"value": value, "low": low, "high": high}
