"""Conclude a search: what was found as a candidate, which parameters matter, how it went. Safe to repeat."""

from typing import Any

import yaml

from mlcycle.adapters.pages import search_page
from mlcycle.adapters.search import runs
from mlcycle.adapters.search.importance import importances
from mlcycle.adapters.search.storage import opened
from mlcycle.adapters.search.study import Plan, SearchStudy
from mlcycle.adapters.tracking.server import Tracking
from mlcycle.domain.architecture import built, described
from mlcycle.domain.search import Tried, best, label
from mlcycle.domain.search_winner import name_of, rounded
from mlcycle.errors import InputError
from mlcycle.project import Project
from mlcycle.steps.context import Outcome, StepContext


def run(context: StepContext) -> Outcome:
    """Write the page and the winner, and close the search's run in MLflow."""
    name = str(context.handover("tune_plan").values["study"])
    project = context.project
    with opened(context.settings) as storage:
        study = SearchStudy(storage, context.warehouse, name)
        plan, tried, asked = study.plan, study.tried(), study.budget.trials
        shares = importances(study.study, plan.seed)
    found = best(tried, higher=plan.higher)
    own = _own(plan, tried)
    winner = "" if found is None else as_yaml(project, name, plan, found, own)
    page = search_page.render(
        project.name,
        search_page.Searched(
            study=name,
            candidate=plan.candidate,
            family=plan.family,
            metric=plan.metric,
            higher=plan.higher,
            method=plan.method,
            pruner=plan.pruner,
            space=plan.space,
            tried=tried,
            best=found,
            own=own,
            asked=asked,
            shares=shares,
            winner=winner,
            dataset=plan.dataset["digest"],
            measured_on=_measured_on(plan),
            by_rows=plan.fidelity == "rows",
        ),
    )
    outputs = {"page": context.artifacts.put(f"reports/{project.name}/search/{name}.html", page)}
    if winner:
        place = f"reports/{project.name}/search/{name}.yaml"
        outputs["winner"] = context.artifacts.put(place, winner.encode())
    tracking = Tracking(context.settings, project.name)
    runs.close(tracking, name, plan, tried)
    _tell_mlflow(tracking, plan, found, page, winner)
    if found is None or found.value is None:
        failed = [each.error for each in tried if each.error]
        raise InputError(
            f"none of {len(tried)} trials of {name} ended well"
            + (f", the last with: {failed[-1]}" if failed else "; clear the task of trials to go on")
        )
    told = sum(each.state in ("told", "pruned") for each in tried)
    metrics = {"trials": float(told), plan.metric: found.value}
    if own is not None and own.value is not None:
        metrics[f"{plan.metric}_before"] = own.value
    outcome = Outcome(
        message=f"{told} of {asked} trials told; the best is trial {found.number}: "
        f"{plan.metric} {found.value:.5f}",
        outputs=outputs,
        values={
            "study": name,
            "candidate": plan.candidate,
            "best": found.number,
            "params": built(found.values),
        },
        metrics=metrics,
        links={"mlflow": tracking.run_url(plan.run_id), "search": outputs["page"].uri},
    )
    with context.publication() as publication:
        publication.outcome = outcome
    return outcome


def as_yaml(project: Project, study: str, plan: Plan, found: Tried, own: Tried | None) -> str:
    """The winner as a candidate of a project file, with what it is said above it."""
    resources = project.candidates[plan.candidate].resources.model_dump(mode="json", exclude_defaults=True)
    body: dict[str, Any] = {"family": plan.family, "params": rounded({**plan.params, **built(found.values)})}
    if resources:
        body["resources"] = resources
    before = "" if own is None or own.value is None else f" (the project's own: {own.value:.5f})"
    head = (
        f"# {plan.metric} {found.value:.5f} on the {_measured_on(plan)}{before}:\n"
        f"# trial {found.number} of {study}, by {plan.method}.\n"
    )
    return head + yaml.safe_dump(
        {name_of(plan.candidate): body}, sort_keys=False, default_flow_style=None, width=88
    )


def _measured_on(plan: Plan) -> str:
    """What values are of, in words."""
    if plan.measure == "validation":
        return "validation rows"
    return f"folds of the train rows ({plan.folds['policy'].replace('_', ' ')})"


def _own(plan: Plan, tried: list[Tried]) -> Tried | None:
    """The trial of the project's own parameters, if they were tried to the end."""
    from mlcycle.models import parse_params

    now = parse_params(plan.family, plan.params).model_dump()
    own = described(plan.space, now)
    if own is None:
        return None
    wanted = {name: label(value) for name, value in own.items()}
    return next(
        (
            each
            for each in tried
            if each.state == "told" and {name: label(value) for name, value in each.values.items()} == wanted
        ),
        None,
    )


def _tell_mlflow(tracking: Tracking, plan: Plan, found: Tried | None, page: bytes, winner: str) -> None:
    tracking.log_file(plan.run_id, "search/search.html", page)
    if found is None or found.value is None:
        tracking.end_run(plan.run_id, "FAILED")
        return
    tracking.log_file(plan.run_id, "search/winner.yaml", winner.encode())
    name = f"validation_{plan.metric}" if plan.measure == "validation" else f"cv_{plan.metric}_mean"
    tracking.log(plan.run_id, metrics=[(name, found.value, 0)])
    tracking.end_run(plan.run_id, "FINISHED", {"mlcycle.best_trial": str(found.number)})
