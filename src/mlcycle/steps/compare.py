"""Compare the challenger with the champion on the challenger's holdout, and let the gate judge.

Both predict the same rows. Without a champion the challenger must beat the zero rule.
"""

from typing import TYPE_CHECKING, Any

import numpy as np

from mlcycle.adapters.datasets.point_in_time import joined_rows
from mlcycle.adapters.datasets.training_data import labels_of, read_split
from mlcycle.adapters.pages import comparison_page
from mlcycle.adapters.pages.comparison_page import Compared, Rival
from mlcycle.adapters.tracking import model_cache
from mlcycle.adapters.tracking.server import Tracking
from mlcycle.contract import Status
from mlcycle.domain.bootstrap import Paired, paired_blocks
from mlcycle.domain.dataset import Bounds, DatasetManifest
from mlcycle.domain.gate import Decision, decide
from mlcycle.domain.metrics import Array, check_metric
from mlcycle.domain.slices import SliceChange, compare_slices
from mlcycle.domain.value import constants, worth
from mlcycle.errors import InputError
from mlcycle.ledger import champion as champions
from mlcycle.ledger import comparisons, datasets, models
from mlcycle.steps.context import Outcome, StepContext

if TYPE_CHECKING:
    import pandas as pd

    from mlcycle.models.base import Model

SEED = 20130101


def run(context: StepContext) -> Outcome:
    """Compare. The verdict is an answer, not a failure: the step is ok either way."""
    project = context.project
    check_metric(project.evaluation.metric, project.label.task)
    with context.warehouse.transaction() as cursor:
        challenger = _challenger(context, cursor)
        champion = champions.current(cursor, project.name)
        if champion is not None and challenger.version == champion.version:
            return Outcome(Status.SKIPPED, f"version {challenger.version} is the champion already")
        manifest = datasets.manifest(cursor, project.name, challenger.dataset_digest)
        learnt = datasets.manifest(cursor, project.name, champion.dataset_digest) if champion else None
        heuristic = models.value_total(
            cursor, project.name, challenger.dataset_digest, project.evaluation.heuristic
        )
    columns = [*project.inputs.all, *project.evaluation.slices, "entity_key", "event_time", "label"]
    holdout = read_split(context.artifacts, manifest, "holdout", columns, context.scratch)
    labels = labels_of(holdout, "holdout", project.label.task)
    context.progress(f"version {challenger.version} predicts {len(labels)} rows")
    new = _predict(context, challenger, holdout)
    train = read_split(context.artifacts, manifest, "train", ["label"], context.scratch)
    seen = labels_of(train, "train", project.label.task)
    if champion is None or learnt is None:
        rival = Rival("the zero rule", None, 0, np.full(len(labels), seen.mean()))
    else:
        context.progress(f"champion version {champion.version} predicts the same rows")
        rival = Rival(
            f"champion version {champion.version}",
            champion.version,
            champion.seq,
            _predict(context, champion, holdout, manifest),
            _overlap(learnt, manifest),
        )
    beside = {} if heuristic is None else {"heuristic": heuristic}
    known = constants(project.value, project.label.task, seen)
    worths = tuple(
        worth(project.value, project.label.task, labels, each, known, beside)
        for each in (rival.predictions, new)
    )
    compared = Compared(rival, manifest, len(labels), *_judge(context, holdout, labels, rival, new), *worths)
    report = context.artifacts.put(
        f"reports/{project.name}/comparison/{challenger.version}-against-{rival.seq}-{context.token}.html",
        comparison_page.render(project, challenger.version, challenger.candidate, compared),
    )
    links = {
        "mlflow": Tracking(context.settings, project.name).run_url(challenger.run_id),
        "comparison": context.artifacts.path(report.uri),
    }
    statistics = _statistics(compared, project.gate.min_gain)
    values: dict[str, Any] = {
        "verdict": compared.decision.verdict,
        "reasons": compared.reasons,
        "challenger": challenger.version,
        "champion": rival.version,
        "champion_seq": rival.seq,
    }
    with context.publication() as publication:
        values["comparison_id"] = comparisons.record(
            publication.cursor,
            project.name,
            dataset_digest=manifest.digest,
            statistics={**statistics, "report": links["comparison"]},
            **values,
        )
        outcome = publication.outcome = Outcome(
            message=f"{values['verdict']} version {challenger.version}: {compared.reasons[0]}",
            values=values,
            metrics={key: value for key, value in statistics.items() if isinstance(value, int | float)},
            outputs={"report": report},
            links=links,
        )
    return outcome


def _judge(
    context: StepContext, holdout: "pd.DataFrame", labels: Array, rival: Rival, new: Array
) -> tuple[Paired, Any, list[SliceChange], Decision]:
    """The comparison, the blocks of time it drew from, the slices, and the gate's verdict."""
    project, gate = context.project, context.project.gate
    if rival.version is None:  # the zero rule has no fresher data to make up for
        gate = gate.model_copy(update={"min_gain": max(gate.min_gain, 0.0)})
    metric = project.evaluation.metric
    blocks = _blocks(holdout["event_time"], gate.block.total_seconds())
    paired = paired_blocks(
        metric, labels, rival.predictions, new, blocks, resamples=gate.resamples, seed=SEED
    )
    columns = {name: holdout[name].astype(str).tolist() for name in project.evaluation.slices}
    slices = compare_slices(metric, labels, rival.predictions, new, columns, gate.min_slice_rows)
    decision = decide(gate, paired, len(labels), slices, rival.name)
    return paired, blocks, slices, decision


def _challenger(context: StepContext, cursor: Any) -> models.ModelVersion:
    asked = context.param("version")
    if asked is not None:
        try:
            return models.get(cursor, context.project.name, int(str(asked)))
        except ValueError:
            raise InputError(f"param version {asked!r} is not a version number") from None
    newest = models.newest(cursor, context.project.name)
    if newest is None:
        raise InputError(f"{context.project.name} has no registered model: run its train stage first")
    return newest


def _predict(
    context: StepContext,
    version: models.ModelVersion | champions.Champion,
    holdout: "pd.DataFrame",
    manifest: DatasetManifest | None = None,
) -> Array:
    from mlcycle.models import load

    folder = model_cache.fetch(
        context.settings, context.artifacts, version.model_uri, version.manifest, version.manifest_digest
    )
    model = load(folder)
    inputs = [*model.card.categorical, *model.card.numeric]
    if manifest is not None and not set(inputs) <= set(holdout.columns):
        holdout = _as_read_by(context, model, holdout, manifest.splits["holdout"])
    return model.predict(holdout)


def _as_read_by(
    context: StepContext, model: "Model", holdout: "pd.DataFrame", bounds: Bounds
) -> "pd.DataFrame":
    """The holdout's rows with the inputs of a model from before the project's inputs were changed.

    Raises InputError where the warehouse no longer holds a row of the snapshot.
    """
    import pandas as pd

    project = context.project.reading(model.card.categorical, model.card.numeric)
    found = pd.concat(
        [
            chunk.to_pandas()
            for chunk in joined_rows(context.warehouse, project, bounds.start, bounds.end, labels=False)
        ]
    )
    key = ["entity_key", "event_time"]
    rows = (
        holdout[key]
        .astype({"entity_key": str})
        .merge(found, on=key, how="left", validate="1:1", indicator=True)
    )
    if missing := int((rows["_merge"] != "both").sum()):
        raise InputError(
            f"{missing} rows of the holdout are no longer in the warehouse, and the champion reads columns "
            "that the snapshot lacks: request a retrain, which makes a new snapshot"
        )
    return rows


def _overlap(learnt: DatasetManifest, manifest: DatasetManifest) -> str:
    """What to say where the champion has seen rows of this holdout in its own training."""
    seen_until = max(learnt.splits["train"].end, learnt.splits["validation"].end)
    start = manifest.splits["holdout"].start
    if seen_until <= start:
        return ""
    return (
        f"the champion was trained on data up to {seen_until:%Y-%m-%d %H:%M}, past the start of this holdout "
        f"({start:%Y-%m-%d %H:%M}): the comparison favours it"
    )


def _blocks(times: Any, seconds: float) -> Any:
    """Number of the block of time that each row lies in, counted from 1970 UTC."""
    instants = times.to_numpy(dtype="datetime64[s]").astype(np.int64)
    return instants // int(seconds)


def _statistics(compared: Compared, min_gain: float) -> dict[str, Any]:
    paired = compared.paired
    low, high = paired.interval(0.9)
    return {
        "metric": paired.metric,
        "champion_metric": paired.old,
        "challenger_metric": paired.new,
        "gain": paired.gain,
        "gain_low": low,
        "gain_high": high,
        "probability": paired.probability(min_gain),
        "rows": compared.rows,
        "blocks": paired.blocks,
        "value_gain": compared.new_worth.total - compared.old_worth.total,
        **{f"champion_{name}": gain for name, gain in compared.old_worth.metrics.items()},
        **{f"challenger_{name}": gain for name, gain in compared.new_worth.metrics.items()},
    }
