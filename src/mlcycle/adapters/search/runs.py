"""A search in MLflow: a run for the whole, and below it one for each trial."""

import hashlib
from collections.abc import Mapping, Sequence
from typing import Any

from mlcycle.adapters.search.study import Plan
from mlcycle.adapters.tracking.server import Tracking
from mlcycle.contract import code_version
from mlcycle.domain.search import Tried

SEARCH, TRIAL = "mlcycle.search", "mlcycle.trial"
PARENT = "mlflow.parentRunId"  # MLflow's own tag: its pages fold the children below


def parent(tracking: Tracking, study: str, plan: Plan) -> str:
    """The run of the whole search: the one that is there, else a new one."""
    condition = f"tags.\"{SEARCH}\" = '{study}' and tags.\"{TRIAL}\" = 'all'"
    with tracking.speaking():
        found = tracking.client.search_runs([tracking.experiment], filter_string=condition, max_results=1)
    if found:
        return str(found[0].info.run_id)
    run_id = tracking.start_run(f"search of {plan.candidate}", {**_tags(study, plan), TRIAL: "all"})
    said = {"family": plan.family, "method": plan.method, "pruner": plan.pruner, "metric": plan.metric}
    tracking.log(run_id, params=said)
    return run_id


def child(tracking: Tracking, study: str, plan: Plan, number: int, params: Mapping[str, Any]) -> str:
    """A new run of one trial, below the search's."""
    tags = {**_tags(study, plan), TRIAL: str(number), PARENT: plan.run_id}
    run_id = tracking.start_run(f"{plan.candidate} trial {number}", tags)
    tracking.log(run_id, params={"family": plan.family, **params})
    return run_id


def close(tracking: Tracking, study: str, plan: Plan, tried: Sequence[Tried]) -> None:
    """End the runs of trials that have ended and whose worker died before it could end them."""
    condition = f"tags.\"{SEARCH}\" = '{study}' and attributes.status = 'RUNNING'"
    with tracking.speaking():
        found = tracking.client.search_runs([tracking.experiment], filter_string=condition, max_results=1000)
    by_run = {each.run_id: each for each in tried}
    for run_id in (str(run.info.run_id) for run in found):
        trial = by_run.get(run_id)
        if run_id == plan.run_id or (trial is not None and trial.state in ("running", "waiting")):
            continue
        if trial is None or trial.state in ("failed", "lost"):
            tracking.end_run(run_id, "KILLED")
            continue
        if trial.value is not None:
            name = f"validation_{plan.metric}" if plan.measure == "validation" else f"cv_{plan.metric}_mean"
            tracking.log(run_id, metrics=[(name, trial.value, 0)])
        tracking.end_run(run_id, "FINISHED", {"mlcycle.trial_state": trial.state})


def _tags(study: str, plan: Plan) -> dict[str, str]:
    return {
        "mlcycle.project": plan.project,
        # By this housekeeping knows a run for one of ours.
        "mlcycle.work_id": hashlib.sha256(study.encode()).hexdigest()[:32],
        SEARCH: study,
        "mlcycle.searched": plan.candidate,
        "mlcycle.dataset": plan.dataset["digest"],
        "mlcycle.code_version": code_version(),
    }
