"""Register the best candidate as a challenger: a version in MLflow's registry and in the ledger.

Training the same data again with the same code, parameters and seed gives the same bytes. Where they are
those of the newest version, that one is the answer: a copy of it would be judged again, and tell nothing.
"""

from typing import Any

from mlcycle.adapters.tracking.model_files import copy_path, made_of, manifest_digest
from mlcycle.adapters.tracking.server import Tracking, fetch_model
from mlcycle.domain.model_signature import FILE as SIGNATURE
from mlcycle.errors import InputError, IntegrityError
from mlcycle.ledger import models as ledger
from mlcycle.steps.context import Outcome, StepContext


def run(context: StepContext) -> Outcome:
    """Register what ``evaluate`` found best. The same run again is the same version."""
    evaluated = context.handover("evaluate").values
    best: Any = evaluated.get("best")
    if not isinstance(best, dict) or "run_id" not in best:
        raise InputError("step 'evaluate' handed over no best candidate: run it again")
    if manifest_digest(best["manifest"]) != best["manifest_digest"]:
        raise IntegrityError("the manifest handed over is not the one that was published: train again")
    tracking = Tracking(context.settings, context.project.name)
    if (same := _same(context, best, str(evaluated["dataset_digest"]))) is not None:
        return _answered(context, tracking, best, same)
    folder = context.scratch / "registered"
    fetch_model(context.settings, best["model_uri"], best["manifest"], folder)
    for path in best["manifest"]:  # the copy that scoring, promotion and rollback use while MLflow is away
        context.artifacts.put_file(copy_path(best["manifest_digest"], path), folder / path)
    version = tracking.register(
        best["run_id"],
        best["model_uri"],
        {
            "mlcycle.candidate": best["candidate"],
            "mlcycle.manifest": best["manifest_digest"],
            "mlcycle.dataset": str(evaluated["dataset_digest"]),
        },
    )
    metrics: Any = evaluated["metrics"]
    model = ledger.ModelVersion(
        version=version,
        candidate=best["candidate"],
        run_id=best["run_id"],
        model_uri=best["model_uri"],
        manifest=best["manifest"],
        manifest_digest=best["manifest_digest"],
        dataset_digest=str(evaluated["dataset_digest"]),
        metrics=metrics,
    )
    outcome = Outcome(
        message=f"version {version} registered: {model.candidate}"
        + ("" if SIGNATURE in model.manifest else ", not signed"),
        values={"version": version, "candidate": model.candidate},
        links={"mlflow": tracking.run_url(model.run_id)},
    )
    with context.publication() as publication:
        ledger.register(publication.cursor, context.project.name, model)
        publication.outcome = outcome
    return outcome


def _same(context: StepContext, best: dict[str, Any], dataset: str) -> ledger.ModelVersion | None:
    """The newest version, where it is this very model, made by another run on the same data.

    An earlier one than the newest is none: the gate judges what was trained last. Nor is one that is not
    whole any more, or not signed as models are by now: training again mends that.
    """
    with context.warehouse.transaction() as cursor:
        newest = ledger.newest(cursor, context.project.name)
    if newest is None or newest.run_id == best["run_id"]:
        return None
    told = (newest.candidate, newest.dataset_digest) == (best["candidate"], dataset)
    signed = (SIGNATURE in newest.manifest) == (SIGNATURE in best["manifest"])
    if not (told and signed and made_of(newest.manifest) == made_of(best["manifest"])):
        return None
    try:
        fetch_model(context.settings, newest.model_uri, newest.manifest, context.scratch / "same")
    except (InputError, IntegrityError):
        return None
    return newest


def _answered(
    context: StepContext, tracking: Tracking, best: dict[str, Any], same: ledger.ModelVersion
) -> Outcome:
    """What is said instead of a new version; the run in MLflow says it, too."""
    tracking.log(best["run_id"], tags={"mlcycle.same_as_version": str(same.version)})
    outcome = Outcome(
        message=f"version {same.version} again: {same.candidate} learnt the same from the same data, code, "
        "parameters and seed, bit for bit; no new version",
        values={"version": same.version, "candidate": same.candidate},
        links={"mlflow": tracking.run_url(same.run_id)},
    )
    with context.publication() as publication:
        publication.outcome = outcome
    return outcome
