"""Trials of a search, one after the other, until there are as many as asked for or the budget is spent.

Several of these steps work side by side on one search: Airflow maps the step over its workers. One that is
killed and tried again finds its trial dead, and takes its parameters up again. Trained on the train rows,
chosen on the validation rows or on folds of the train rows: the holdout is never read here.
"""

import time
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import partial
from typing import Any

from mlcycle.adapters.datasets.training_data import SplitExamples, examples_of, read_manifest
from mlcycle.adapters.search import runs
from mlcycle.adapters.search.alive import Alive
from mlcycle.adapters.search.rounds import Rounds
from mlcycle.adapters.search.storage import BEAT, SILENT, opened
from mlcycle.adapters.search.study import SECONDS, SPREAD, Over, Plan, SearchStudy, Spent, Taken
from mlcycle.adapters.tracking.server import Tracking
from mlcycle.domain.architecture import built
from mlcycle.domain.spending import Used, cost, hours
from mlcycle.errors import InputError, MlcycleError, NotYet, Superseded
from mlcycle.ledger import spent as spending
from mlcycle.steps.context import Outcome, StepContext
from mlcycle.steps.runtime import describe
from mlcycle.steps.tune_measure import worth

LOOK_SECONDS = 3.0  # between two looks at trials of others
LEAST_FAILED = 5  # trials that may fail before the search is given up, or a quarter of all of them


@dataclass
class Worker:
    """What all trials of this step share."""

    context: StepContext
    study: SearchStudy
    plan: Plan
    tracking: Tracking
    examples: tuple[SplitExamples, SplitExamples]
    began: float  # when the search was planned, in seconds from 1970


def run(context: StepContext) -> Outcome:
    """Take trials until none is to begin any more."""
    handover = context.handover("tune_plan")
    said, manifest = handover.values, read_manifest(context.artifacts, handover.outputs["manifest"])
    with opened(context.settings) as storage:
        study = SearchStudy(storage, context.warehouse, str(said["study"]))
        tracking = Tracking(context.settings, context.project.name)
        read = partial(examples_of, context.project, context.artifacts, manifest, folder=context.scratch)
        both = read(("train",), learnt=True), read(("validation",))
        worker = Worker(context, study, study.plan, tracking, both, float(str(said["began"])))
        told, why = _work(worker)
    return Outcome(
        message=f"{sum(told.values())} trials here, {told['pruned']} pruned, {told['failed']} failed; {why}",
        values={"study": study.name, "candidate": worker.plan.candidate, **told},
        links={"mlflow": tracking.run_url(worker.plan.run_id)},
    )


def _work(worker: Worker) -> tuple[dict[str, int], str]:
    """How many trials ended how, and why there are no more."""
    context, study = worker.context, worker.study
    told, began = {"told": 0, "pruned": 0, "failed": 0, "lost": 0}, time.monotonic()
    half = context.project.limits("tune_trial", worker.plan.candidate).time.total_seconds() / 2
    seen: dict[int, float] = {}  # seconds of others' trials when they were first in the way
    since = 0.0
    while True:
        now = time.monotonic()
        if now - began > half:  # no trial is begun that the step's time may cut
            raise NotYet("half of the step's time is over: trials go on in a new one", datetime.now(UTC))
        taken = study.take(context.request.work, context.token, _spent(worker), study.budget)
        _mark_lost(worker)
        if isinstance(taken, Over):
            # One that gave no sign of life since may be dead: then its place is free before long.
            since = now if not seen else since
            seen = seen or taken.running
            silent = [number for number, seconds in taken.running.items() if seen.get(number) == seconds]
            if not silent or now - since > SILENT + BEAT:
                return told, taken.why
            context.progress(f"{taken.why}: looks whether trial {silent[0]} lives")
            time.sleep(LOOK_SECONDS)
            continue
        seen = {}
        told[_try(worker, taken)] += 1
        _check_failures(worker)


def _spent(worker: Worker) -> Spent:
    project = worker.context.project
    limits, prices = project.limits("tune_trial", worker.plan.candidate), spending.prices(project)
    nodes = limits.nodes
    second = Used(1.0, limits.cpu * nodes, limits.memory * nodes / spending.GIB, limits.gpu * nodes)
    return Spent(
        minutes=(time.time() - worker.began) / 60,
        gpu_hours=hours([second]) if limits.gpu else 0.0,
        money=cost([second], prices) if prices else 0.0,
        currency=project.value.currency,
    )


def _try(worker: Worker, taken: Taken) -> str:
    """Fit, measure, tell: how the trial ended."""
    context, study, plan, tracking = worker.context, worker.study, worker.plan, worker.tracking
    params = {**plan.params, **built(taken.values)}
    run_id = runs.child(tracking, study.name, plan, taken.number, params)
    candidate = context.project.candidates[plan.candidate].model_copy(
        update={"family": plan.family, "params": params}
    )
    with Alive(study.storage, taken) as alive:
        log = Rounds(taken, alive, tracking, run_id, plan, context.superseded)
        try:
            study.say(taken, run_id=run_id)
            found = worth(context, plan, candidate, worker.examples, log, f"{study.name}-{taken.root}")
            if log.superseded:
                raise Superseded("a newer attempt of this work takes its trials")
        except Exception as error:
            _end(worker, run_id, "KILLED" if isinstance(error, Superseded) else "FAILED")
            if isinstance(error, MlcycleError) and (error.retryable or isinstance(error, Superseded)):
                raise  # whoever comes next finds the trial dead, and tries its parameters again
            text = describe(error)[1].message
            context.progress(f"trial {taken.number} failed: {text}")
            told = study.tell(taken, None, said={"error": text, SECONDS: alive.seconds})
            return "failed" if told else "lost"
        seconds = alive.seconds
    value = found.value
    said: dict[str, Any] = {SECONDS: seconds, "rounds": log.stopped}
    if found.spread is not None:
        said[SPREAD] = found.spread
    if value is None and not log.stopped:
        where = "validation rows" if plan.measure == "validation" else "folds"
        said["error"] = f"{plan.metric} could not be measured on the {where}"
    told = study.tell(taken, value, pruned=bool(log.stopped), said=said)
    if not told:
        _end(worker, run_id, "KILLED")
        return "lost"
    logged = [(f"validation_{key}", each, 0) for key, each in found.metrics.items()]
    if value is not None and found.spread is not None:
        logged += [(f"cv_{plan.metric}_mean", value, 0), (f"cv_{plan.metric}_sd", found.spread, 0)]
    tracking.log(run_id, metrics=[*logged, ("fit_seconds", seconds, 0)])
    ended = "pruned" if log.stopped else "told" if value is not None else "failed"
    tracking.end_run(run_id, "FINISHED" if ended != "failed" else "FAILED", {"mlcycle.trial_state": ended})
    shown = f"{plan.metric} {value:.5f}" if value is not None else f"ended after {plan.ended(log.stopped)}"
    context.progress(f"trial {taken.number}: {shown} in {seconds:.1f} s with {taken.values}")
    return ended


def _mark_lost(worker: Worker) -> None:
    """The MLflow runs of trials whose process died."""
    while worker.study.lost:
        _end(worker, worker.study.lost.pop(), "KILLED")


def _end(worker: Worker, run_id: str, status: str) -> None:
    try:
        worker.tracking.end_run(run_id, status)
    except MlcycleError as error:  # MLflow being away must not hide why
        worker.context.progress(f"run {run_id} could not be closed: {error.message}")


def _check_failures(worker: Worker) -> None:
    """Raise InputError where so many trials failed that the space must be wrong."""
    failed = [each for each in worker.study.tried() if each.state == "failed"]
    if len(failed) > max(LEAST_FAILED, worker.study.budget.trials // 4):
        raise InputError(
            f"{len(failed)} trials failed, the last with: {failed[-1].error}; narrow the space of "
            f"candidates.{worker.plan.candidate}.search"
        )
