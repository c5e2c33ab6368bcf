"""Train the champion's own recipe on all rows but the newest labelled ones: a shadow that fresh data made.

The recipe is the champion's, not the project file's of today: family, parameters and, as of a refit, how
many rounds. Nothing is chosen, so that the newest rows can tell the two apart. It is registered nowhere.
"""

from dataclasses import replace
from functools import partial
from typing import TYPE_CHECKING, Any

from mlcycle.adapters.datasets.training_data import examples_of, read_manifest
from mlcycle.adapters.tracking import model_cache
from mlcycle.adapters.tracking.server import Tracking
from mlcycle.contract import Output, Status
from mlcycle.domain.dataset import Split
from mlcycle.errors import InputError
from mlcycle.ledger import champion as champions
from mlcycle.steps.context import Outcome, StepContext
from mlcycle.steps.fitting import fitted

if TYPE_CHECKING:
    from mlcycle.models.base import Card, Model


def run(context: StepContext) -> Outcome:
    """Train the candidate that the request names, if the champion is of it."""
    project, name = context.project, str(context.param("candidate"))
    with context.warehouse.transaction() as cursor:
        champion = champions.current(cursor, project.name)
    if champion is None:
        return Outcome(
            Status.SKIPPED,
            f"{project.name} has no champion to train beside: start {project.name}_retrain with a reason",
        )
    if champion.candidate not in project.candidates:
        return Outcome(
            Status.SKIPPED,
            f"the champion's candidate {champion.candidate!r} is not in the project file any more: start "
            f"{project.name}_retrain with a reason",
        )
    if champion.candidate != name:
        return Outcome(message=f"nothing to do for {name}: the champion is of {champion.candidate}")
    output = context.handover("dataset").outputs.get("manifest")
    if output is None:
        raise InputError("step 'dataset' handed over no manifest: run it again")
    return _beside(context, champion, output)


def _beside(context: StepContext, champion: champions.Champion, output: Output) -> Outcome:
    project, manifest = context.project, read_manifest(context.artifacts, output)
    from mlcycle.models.calibrated import calibrator_of
    from mlcycle.models.conformal import shifts_of

    model = _model(context, champion)
    card = model.card
    recipe = project.candidates[champion.candidate].model_copy(
        update={"family": card.family, "params": card.params}
    )
    candidates = {**project.candidates, champion.candidate: recipe}
    context = replace(context, project=project.model_copy(update={"candidates": candidates}))
    learns, watched = _splits(card)

    read = partial(examples_of, project, context.artifacts, manifest, folder=context.scratch)
    examples = read(learns, learnt=True), read(watched)

    def publish(values: dict[str, Any], _: "Model") -> Outcome:
        tracking = Tracking(context.settings, project.name)
        tracking.log(values["run_id"], tags={"mlcycle.shadow_of": f"champion {champion.seq}"})
        learnt = manifest.splits[learns[-1]].end
        outcome = Outcome(
            message=f"{champion.candidate} trained as champion number {champion.seq} was, on "
            f"{examples[0].count} rows up to {learnt:%Y-%m-%d %H:%M}",
            values={
                **{key: value for key, value in values.items() if key not in ("metrics", "link")},
                "champion_seq": champion.seq,
                "learnt_until": learnt.isoformat(),
            },
            metrics={"fit_seconds": float(values["metrics"]["fit_seconds"])},
            links={"mlflow": values["link"]},
        )
        with context.publication() as publication:
            publication.outcome = outcome
        return outcome

    data = (manifest, output.uri)
    curve = shifts_of(model) or calibrator_of(model)
    return fitted(context, champion.candidate, data, examples, publish, card, curve)


def _model(context: StepContext, champion: champions.Champion) -> "Model":
    from mlcycle.models import load

    folder = model_cache.fetch(
        context.settings,
        context.artifacts,
        champion.model_uri,
        champion.manifest,
        champion.manifest_digest,
    )
    return load(folder)


def _splits(card: "Card") -> tuple[tuple[Split, ...], tuple[Split, ...]]:
    """What it learns, and what is watched: never the holdout by a fit that might stop by what it sees."""
    if card.rounds:
        return ("train", "validation"), ("holdout",)
    return ("train",), ("validation",)
