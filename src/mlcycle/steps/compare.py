"""Compare the challenger with whoever is in place on rows that neither was chosen on; the gate judges.

All predict the same rows of the challenger's holdout: the champion, the anchor (the best model that was ever
proven), the heuristic and the zero rule. Rows that the champion was chosen on say too much for it and are
left out; what remains must hold enough blocks of time.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

import numpy as np

from mlcycle.adapters.datasets.training_data import labels_of, measured_columns, read_split
from mlcycle.adapters.pages import comparison_page
from mlcycle.adapters.pages.comparison_page import Compared, Rival
from mlcycle.adapters.tracking.server import Tracking
from mlcycle.contract import Output, Status
from mlcycle.domain.dataset import DatasetManifest
from mlcycle.domain.evaluation.document import Document, parse
from mlcycle.domain.gate import Test, decide
from mlcycle.domain.interval import MIN_BLOCKS
from mlcycle.domain.metrics import Array, business_value, check_metric
from mlcycle.domain.paired import paired_blocks
from mlcycle.domain.quantiles import point
from mlcycle.domain.slices import compare_slices
from mlcycle.domain.tasks import task_of
from mlcycle.domain.value import constants, worth
from mlcycle.errors import ConfigError, InputError
from mlcycle.ledger import anchor as anchors
from mlcycle.ledger import champion as champions
from mlcycle.ledger import comparisons, datasets, models
from mlcycle.steps import guarding
from mlcycle.steps.context import Outcome, StepContext
from mlcycle.steps.opening import Version, blocks_of, opened

if TYPE_CHECKING:
    import pandas as pd

#: With what confidence a challenger must be better than the heuristic, and than the zero rule beside a
#: champion: it must have done better. To be sure of it is asked of whoever takes a place.
MORE_LIKELY = 0.5
#: With what confidence it is enough to be better than the anchor at all: a fortnight is rarely sure to .99.
SURELY_BETTER = 0.95
ZERO_RULE, HEURISTIC = "the zero rule", "the heuristic"


@dataclass(frozen=True)
class Known:
    """What the ledger knows of a comparison that is to be made."""

    challenger: models.ModelVersion
    champion: champions.Champion | None
    judged: models.ModelVersion | None  # what the gate judged when the champion took its place
    anchor: models.ModelVersion | None
    heuristic: models.ModelFiles | None  # None too where it is the challenger itself
    manifest: DatasetManifest
    since: datetime  # earlier rows of the holdout are not compared on
    looks: int  # comparisons that have used rows since then

    @property
    def overlap(self) -> str:
        """What to say where rows of the holdout are left out."""
        start = self.manifest.splits["holdout"].start
        if self.champion is None or self.since <= start:
            return ""
        return (
            f"rows before {self.since:%Y-%m-%d %H:%M} are left out: champion version "
            f"{self.champion.version} or the anchor was trained or chosen on them"
        )


def run(context: StepContext) -> Outcome:
    """Compare. The verdict is an answer, not a failure: the step is ok either way."""
    project = context.project
    check_metric(project.evaluation.metric, project.label.task, project.label.quantiles)
    with context.warehouse.transaction() as cursor:
        known = _known(context, cursor)
    challenger, manifest = known.challenger, known.manifest
    if known.judged is not None and challenger.version == known.judged.version:
        return Outcome(Status.SKIPPED, f"version {challenger.version} is the champion already")
    beside = [*project.evaluation.slices, *project.gate.guardrails.columns]
    columns = [*project.inputs.all, *beside, "entity_key", "event_time", *measured_columns(project)]
    holdout = read_split(context.artifacts, manifest, "holdout", columns, context.scratch)
    holdout = holdout[holdout["event_time"] >= known.since].reset_index(drop=True)
    blocks = blocks_of(holdout["event_time"], project.gate.block)
    if known.overlap and (count := len(np.unique(blocks))) < MIN_BLOCKS:
        return _too_few(context, known, len(holdout), count)
    labels = labels_of(holdout, "holdout", project.label.task)
    context.progress(f"version {challenger.version} predicts {len(labels)} rows")
    new = _predict(context, challenger, holdout)
    train = read_split(context.artifacts, manifest, "train", ["label"], context.scratch)
    seen = labels_of(train, "train", project.label.task)
    rivals, said = _rivals(context, known, holdout, seen)
    tests = _tests(context, rivals, labels, new, blocks)
    payoff, task = project.value, project.label.task
    totals = {}
    for rival in rivals:
        if rival.name.startswith(HEURISTIC):
            totals["heuristic"] = business_value(payoff, task, labels, rival.predictions)
    constant = constants(payoff, task, seen)
    old_worth, new_worth = (
        worth(payoff, task, labels, each, constant, totals) for each in (rivals[0].predictions, new)
    )
    texts = {name: holdout[name].astype(str).tolist() for name in project.evaluation.slices}
    metric, least = project.evaluation.metric, project.gate.min_slice_rows
    slices = compare_slices(metric, labels, rivals[0].predictions, new, texts, least, blocks)
    guarded = guarding.measured(
        *(context, holdout, labels, point(new), blocks),
        learnt=seen,
        before=point(rivals[0].predictions) if rivals[0].seq else None,
        challenger=lambda: opened(context, challenger, holdout),
        champion=lambda: opened(context, known.judged, holdout, manifest) if known.judged else None,
        evaluation=lambda: _evaluation(context, challenger),
    )
    decision = decide(project.gate, tests, len(labels), slices, guarded.findings)
    notes = [known.overlap, *said, _looked(known, project.gate.anchor_confidence)]
    compared = Compared(
        rivals,
        tests,
        known.since,
        manifest,
        len(labels),
        blocks,
        slices,
        decision,
        notes,
        old_worth,
        new_worth,
        guarded,
    )
    return _publish(context, known, compared)


def _known(context: StepContext, cursor: Any) -> Known:
    project = context.project
    challenger, champion = _challenger(context, cursor), champions.current(cursor, project.name)
    manifest = datasets.manifest(cursor, project.name, challenger.dataset_digest)
    holdout = manifest.splits["holdout"]
    since = holdout.start
    anchor = anchors.current(cursor, project.name)
    for digest in {model.dataset_digest for model in (champion, anchor) if model is not None}:
        learnt = datasets.manifest(cursor, project.name, digest)
        since = max(since, *(bounds.end for bounds in learnt.splits.values()))
    own = challenger.candidate == project.evaluation.heuristic
    return Known(
        challenger,
        champion,
        models.judged(cursor, project.name, champion.version) if champion else None,
        anchor,
        None
        if own
        else models.evaluated(cursor, project.name, challenger.dataset_digest, project.evaluation.heuristic),
        manifest,
        since,
        comparisons.looks(cursor, project.name, since, holdout.end),
    )


def _evaluation(context: StepContext, challenger: models.ModelVersion) -> Document | None:
    """What ``evaluate`` found of the challenger; None where that is no longer kept."""
    with context.warehouse.transaction() as cursor:
        kept = models.evaluation(cursor, context.project.name, challenger.run_id)
    if kept is None or not context.artifacts.exists(context.artifacts.path(kept["uri"])):
        return None
    return parse(context.artifacts.get(Output.model_validate(kept)))


def _rivals(
    context: StepContext, known: Known, holdout: "pd.DataFrame", seen: Array
) -> tuple[list[Rival], list[str]]:
    """Everybody to compare with, whoever is in place first; and what to say of those who are not there."""
    rivals, said = [], []
    champion, judged, anchor, manifest = known.champion, known.judged, known.anchor, known.manifest
    if champion is not None and judged is not None:
        # Like with like: the challenger will be trained again on the newest rows too, once it has passed.
        name = f"champion version {champion.version}"
        name += f" as it was judged, version {judged.version}" if judged.version != champion.version else ""
        context.progress(f"{name} predicts the same rows")
        predictions = _predict(context, judged, holdout, manifest)
        rivals.append(Rival(name, champion.version, champion.seq, predictions))
        if anchor is not None and anchor.version == judged.version:
            rivals.append(
                Rival(f"the anchor (champion version {champion.version})", anchor.version, 0, predictions)
            )
        elif anchor is not None:
            try:
                predictions = _predict(context, anchor, holdout, manifest)
                rivals.append(Rival(f"the anchor, version {anchor.version}", anchor.version, 0, predictions))
            except ConfigError as error:  # it reads columns that the project gave up
                said.append(f"the anchor, version {anchor.version}, was not compared with: {error.message}")
    if known.heuristic is not None:
        name = f"{HEURISTIC} {context.project.evaluation.heuristic}"
        rivals.append(Rival(name, None, 0, _predict(context, known.heuristic, holdout)))
    label = context.project.label
    zero = task_of(label.task).without_model(seen, len(holdout), quantiles=label.quantiles)
    rivals.append(Rival(ZERO_RULE, None, 0, zero))
    if champion is None:  # the zero rule is what is in place
        rivals.insert(0, rivals.pop())
    return rivals, said


def _tests(context: StepContext, rivals: list[Rival], labels: Array, new: Array, blocks: Any) -> list[Test]:
    """What the challenger must show against each of them."""
    gate, metric = context.project.gate, context.project.evaluation.metric
    found = []
    for rival in rivals:
        paired = paired_blocks(metric, labels, rival.predictions, new, blocks)
        if rival.is_anchor:
            margin, sure = min(gate.min_gain, 0.0), gate.anchor_confidence
            found.append(Test(rival.name, paired, margin, sure, SURELY_BETTER))
        elif rival.seq:
            found.append(Test(rival.name, paired, gate.min_gain, gate.confidence))
        elif rival is rivals[0]:  # who learns nothing has no fresher data to make up for
            found.append(Test(rival.name, paired, max(gate.min_gain, 0.0), gate.confidence))
        else:
            found.append(Test(rival.name, paired, 0.0, MORE_LIKELY))
    return found


def _looked(known: Known, anchor_confidence: float) -> str:
    """How often these rows were used, and what that does to the error."""
    times = {0: "for the first time", 1: "for the second time"}.get(
        known.looks, f"{known.looks + 1} times now"
    )
    words = f"these rows are looked at {times}"
    if known.champion is None:
        return words
    error = (known.looks + 1) * (1 - anchor_confidence)
    return f"{words}: at most {error:.0%} to pass on them once a model that is worse than the anchor allows"


def _too_few(context: StepContext, known: Known, rows: int, blocks: int) -> Outcome:
    """Refuse without a look: what remains beside the champion's own rows says nothing."""
    project, start = context.project, max(known.since, known.manifest.splits["holdout"].start)
    enough = start + MIN_BLOCKS * max(project.gate.block, timedelta(seconds=1))
    reasons = [
        f"{known.overlap}, and {blocks} blocks of time remain to compare on, at least {MIN_BLOCKS} are "
        f"needed: train again once labels are known until {enough:%Y-%m-%d %H:%M}"
    ]
    return _record(context, known, "refuse", reasons, {"rows": rows, "blocks": blocks})


def _publish(context: StepContext, known: Known, compared: Compared) -> Outcome:
    project, rival, challenger = context.project, compared.rivals[0], known.challenger
    report = context.artifacts.put(
        f"reports/{project.name}/comparison/{challenger.version}-against-{rival.seq}-{context.token}.html",
        comparison_page.render(project, challenger.version, challenger.candidate, compared),
    )
    statistics = _statistics(compared)
    reasons, verdict = compared.reasons, compared.decision.verdict
    return _record(context, known, verdict, reasons, statistics, report)


def _record(
    context: StepContext,
    known: Known,
    verdict: str,
    reasons: list[str],
    statistics: dict[str, Any],
    report: Output | None = None,
) -> Outcome:
    """The comparison into the ledger, and the step's answer."""
    project, champion, challenger = context.project, known.champion, known.challenger
    links = {"mlflow": Tracking(context.settings, project.name).run_url(challenger.run_id)}
    if report is not None:
        links["comparison"] = context.artifacts.path(report.uri)
    values: dict[str, Any] = {
        "verdict": verdict,
        "reasons": reasons,
        "challenger": challenger.version,
        "champion": champion.version if champion else None,
        "champion_seq": champion.seq if champion else 0,
    }
    kept = {**statistics, "since": known.since.isoformat(), "looks": known.looks}
    with context.publication() as publication:
        values["comparison_id"] = comparisons.record(
            publication.cursor,
            project.name,
            dataset_digest=known.manifest.digest,
            statistics={**kept, "report": links.get("comparison", "")},
            **values,
        )
        outcome = publication.outcome = Outcome(
            message=f"{verdict} version {challenger.version}: {reasons[0]}",
            values=values,
            metrics={key: float(value) for key, value in kept.items() if isinstance(value, int | float)},
            outputs={"report": report} if report is not None else {},
            links=links,
        )
    return outcome


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
    version: Version,
    holdout: "pd.DataFrame",
    manifest: DatasetManifest | None = None,
) -> Array:
    return opened(context, version, holdout, manifest).predictions


def _statistics(compared: Compared) -> dict[str, Any]:
    test, paired = compared.tests[0], compared.tests[0].paired
    low, high = paired.spread.interval(0.9) if paired.spread else (None, None)
    return {
        "metric": paired.metric,
        "champion_metric": paired.old,
        "challenger_metric": paired.new,
        "gain": paired.gain,
        "gain_low": low,
        "gain_high": high,
        "probability": test.sure,
        "min_gain": test.min_gain,
        "rivals": [_shown(test) for test in compared.tests],
        "guardrails": {finding.name: finding.document for finding in compared.guarded.findings},
        "proven": _proven(compared),
        "rows": compared.rows,
        "blocks": paired.blocks,
        "value_gain": compared.new_worth.total - compared.old_worth.total,
        **{f"champion_{name}": gain for name, gain in compared.old_worth.metrics.items()},
        **{f"challenger_{name}": gain for name, gain in compared.new_worth.metrics.items()},
    }


def _shown(test: Test) -> dict[str, Any]:
    return {
        "rival": test.rival,
        "gain": test.paired.gain,
        "min_gain": test.min_gain,
        "confidence": test.confidence,
        "sure": test.sure,
        "passed": test.passed,
    }


def _proven(compared: Compared) -> bool:
    """Whether the challenger would be the anchor: there is none to compare with, or it is surely better."""
    pairs = zip(compared.rivals, compared.tests, strict=True)
    spreads = [(test.paired.spread, test.confidence) for rival, test in pairs if rival.is_anchor]
    return all(spread is not None and spread.confidence(0.0) >= sure for spread, sure in spreads)
