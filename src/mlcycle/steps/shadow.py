"""Compare a shadow with the champion on the newest labelled rows, from which neither has learnt.

The interval is the gate's. The champion is the model that is served: both are the same recipe, the shadow on
fresher data. What comes of it is a reason to ask for a retrain, or why there is none.
"""

from datetime import datetime
from typing import Any

import numpy as np

from mlcycle.adapters.datasets.training_data import labels_of, measured_columns, read_manifest, read_split
from mlcycle.adapters.tracking.server import Tracking, fetch_model
from mlcycle.contract import Status
from mlcycle.domain.dataset import DatasetManifest
from mlcycle.domain.interval import MIN_BLOCKS
from mlcycle.domain.metrics import check_metric
from mlcycle.domain.paired import Paired, paired_blocks
from mlcycle.errors import InputError
from mlcycle.ledger import champion as champions
from mlcycle.ledger import datasets
from mlcycle.steps.context import Outcome, StepContext
from mlcycle.steps.opening import blocks_of, opened


def run(context: StepContext) -> Outcome:
    """Compare. That the shadow is no better is an answer, not a failure: the step is ok either way."""
    project, shadow = context.project, _trained(context)
    check_metric(project.evaluation.metric, project.label.task, project.label.quantiles)
    output = context.handover("dataset").outputs.get("manifest")
    if output is None:
        raise InputError("step 'dataset' handed over no manifest: run it again")
    manifest = read_manifest(context.artifacts, output)
    with context.warehouse.transaction() as cursor:
        champion = champions.current(cursor, project.name)
        if champion is None or champion.seq != shadow["champion_seq"]:
            return Outcome(
                Status.SKIPPED,
                f"champion number {shadow['champion_seq']}, beside which this was trained, is it no more",
            )
        learnt = datasets.manifest(cursor, project.name, champion.dataset_digest)
    since = max(manifest.splits["holdout"].start, *(each.end for each in learnt.splits.values()))
    columns = [*project.inputs.all, "entity_key", "event_time", *measured_columns(project)]
    rows = read_split(context.artifacts, manifest, "holdout", columns, context.scratch)
    rows = rows[rows["event_time"] >= since].reset_index(drop=True)
    blocks = blocks_of(rows["event_time"], project.gate.block)
    count, least = len(np.unique(blocks)), project.gate.min_rows
    if count < MIN_BLOCKS or len(rows) < least:
        return _answer(
            context,
            shadow,
            "a shadow was trained",
            f"{len(rows)} rows in {count} blocks of time that the champion has not seen, at least {least} in "
            f"{MIN_BLOCKS} are needed",
            {"rows": float(len(rows)), "blocks": float(count)},
        )
    labels = labels_of(rows, "holdout", project.label.task)
    context.progress(f"shadow and champion number {champion.seq} predict {len(labels)} rows")
    from mlcycle.models.quantile_models import said

    new = said(_model(context, shadow), rows, project.label.quantiles)
    old = opened(context, champion, rows, manifest).predictions
    paired = paired_blocks(project.evaluation.metric, labels, old, new, blocks)
    return _judged(context, shadow, paired, len(labels), manifest)


def _judged(
    context: StepContext, shadow: dict[str, Any], paired: Paired, rows: int, manifest: DatasetManifest
) -> Outcome:
    spread, asked = paired.spread, context.project.retrain.confidence
    assert spread is not None
    (low, high), sure = spread.interval(0.9), spread.confidence(0.0)
    told = f"{'better' if paired.gain > 0 else 'worse'} by {abs(paired.gain):.4f} {paired.metric}"
    until = datetime.fromisoformat(shadow["learnt_until"])
    reason = (
        f"trained on data up to {until:%Y-%m-%d %H:%M} it is {told} "
        f"(90 % interval {low:+.4f} to {high:+.4f}) on {rows} rows of {paired.blocks} blocks of time up to "
        f"{manifest.splits['holdout'].end:%Y-%m-%d %H:%M}"
    )
    why_not = "" if sure >= asked else f"better with {sure:.1%} confidence, {asked:.1%} is asked for"
    figures = {
        "gain": paired.gain,
        "gain_low": low,
        "gain_high": high,
        "confidence": sure,
        "champion_metric": paired.old,
        "shadow_metric": paired.new,
        "rows": float(rows),
        "blocks": float(paired.blocks),
    }
    return _answer(context, shadow, reason, why_not, figures)


def _answer(
    context: StepContext, shadow: dict[str, Any], reason: str, why_not: str, figures: dict[str, float]
) -> Outcome:
    tracking = Tracking(context.settings, context.project.name)
    measured = [(f"shadow_{name}", value, 0) for name, value in figures.items()]
    tracking.log(shadow["run_id"], metrics=measured)
    outcome = Outcome(
        message=reason + (f"; no reason to train: {why_not}" if why_not else ""),
        values={"reason": reason, "why_not": why_not},
        metrics=figures,
        links={"mlflow": tracking.run_url(shadow["run_id"])},
    )
    with context.publication() as publication:
        publication.outcome = outcome
    return outcome


def _trained(context: StepContext) -> dict[str, Any]:
    """What ``fit_shadow`` handed over of the one candidate that it trained."""
    found = [dict(entry.values) for entry in context.request.inputs.get("fit_shadow", [])]
    found = [values for values in found if "run_id" in values]
    if len(found) != 1:
        raise InputError(
            f"step 'shadow' expects one trained candidate, got {len(found)}: run fit_shadow again"
        )
    return found[0]


def _model(context: StepContext, shadow: dict[str, Any]) -> Any:
    from mlcycle import models

    folder = context.scratch / "shadow"
    fetch_model(context.settings, shadow["model_uri"], shadow["manifest"], folder)
    return models.load(folder)
