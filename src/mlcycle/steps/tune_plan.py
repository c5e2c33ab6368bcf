"""Plan a search of a candidate's parameters: check what may be tried, make the study, or go on with one."""

import hashlib
import re
import time
from collections.abc import Callable
from typing import Any, get_args

from mlcycle.adapters.search import runs
from mlcycle.adapters.search.storage import make_tables, opened
from mlcycle.adapters.search.study import Plan, SearchStudy
from mlcycle.adapters.tracking.server import Tracking
from mlcycle.contract import Output, Status
from mlcycle.domain.architecture import described
from mlcycle.domain.metrics import check_metric, gain
from mlcycle.domain.search import Budget, Space, grid
from mlcycle.errors import ConfigError, InputError
from mlcycle.project.search import Fidelity, Measure, Method, Pruner, Search
from mlcycle.steps.context import Outcome, StepContext

NAME = re.compile(r"[a-z][a-z0-9_]*-[a-z][a-z0-9_]*-[0-9a-f]{12}")
MOST_WORKERS = 64


def run(context: StepContext) -> Outcome:
    """Plan the search of the candidate that the request names, if it is asked for."""
    project, name = context.project, str(context.param("search"))
    asked, known = context.param("candidate"), project.variants("search")
    if asked and asked not in known:
        raise InputError(f"candidate {asked!r} has no search: there are {', '.join(known)}")
    if asked and asked != name:
        return Outcome(Status.SKIPPED, f"{name} is not searched: {asked} is asked for")
    earlier = str(context.param("study", ""))
    if earlier and not NAME.fullmatch(earlier):
        raise InputError(f"study {earlier[:80]!r} is no name of a search: copy it from the search's page")
    if earlier and not earlier.startswith(f"{project.name}-{name}-"):
        return Outcome(Status.SKIPPED, f"{name} is not searched: {earlier} is a search of another candidate")
    wanted = _wanted(context, name)
    output = context.handover("dataset").outputs.get("manifest")
    if output is None:
        raise InputError("step 'dataset' handed over no manifest: run it again")
    fresh, space = _plan(context, name, wanted, output)
    make_tables(context.settings, context.warehouse)
    with opened(context.settings) as storage:
        study = SearchStudy(storage, context.warehouse, earlier or _study_name(context, name))
        if earlier:
            fresh = _same(context, study.plan, fresh)
            wanted = wanted.model_copy(update={"method": fresh.method})
        tracking = Tracking(context.settings, project.name)
        run_id = fresh.run_id or runs.parent(tracking, study.name, fresh)
        budget, first = _budget(wanted, space), _first(context, fresh, wanted.trials)
        plan = study.make(Plan(**{**vars(fresh), "run_id": run_id}), first, budget)
    outcome = Outcome(
        message=f"{study.name}: {budget.trials} trials by {plan.method}, {wanted.workers} at once",
        outputs={"manifest": Output(**plan.dataset)},
        values={
            "study": study.name,
            "candidate": name,
            "workers": min(wanted.workers, budget.trials),
            "began": time.time(),
        },
        links={"mlflow": tracking.run_url(run_id)},
    )
    with context.publication() as publication:
        publication.outcome = outcome
    return outcome


def _wanted(context: StepContext, name: str) -> Search:
    """The project's search of the candidate with what the form says in its place. Raises InputError."""
    said = context.project.candidates[name].search
    assert said is not None  # of the project's variants
    given = {
        "trials": _number(context, "trials", int, 10_000),
        "workers": _number(context, "workers", int, MOST_WORKERS),
        "minutes": _number(context, "minutes", float, 20_160),
        "gpu_hours": _number(context, "gpu_hours", float, 1e6),
        "money": _number(context, "money", float, 1e12),
        "method": _one_of(context, "method", get_args(Method)),
        "pruner": _one_of(context, "pruner", get_args(Pruner)),
        "measure": _one_of(context, "measure", get_args(Measure)),
        "fidelity": _one_of(context, "fidelity", get_args(Fidelity)),
    }
    wanted = said.model_copy(update={key: value for key, value in given.items() if value is not None})
    if wanted.measure == "cross_validation" and context.project.split.cross_validation is None:
        raise InputError(
            "measure cross_validation needs folds: say split.cross_validation in the project, "
            "or leave measure empty"
        )
    if wanted.money and context.project.value.prices is None:
        raise InputError("money needs a price list: say value.prices in the project, or leave money empty")
    return wanted


def _number(context: StepContext, name: str, kind: Callable[[Any], Any], most: float) -> Any:
    given = context.param(name)
    if given is None:
        return None
    try:
        value = kind(str(given))
    except ValueError:
        value = None
    if value is None or not 0 < value <= most:
        what = "an integer" if kind is int else "a number"
        raise InputError(f"{name} {str(given)[:40]!r} is not {what} above 0 and up to {most:g}")
    return value


def _one_of(context: StepContext, name: str, known: tuple[str, ...]) -> str | None:
    given = context.param(name)
    if given is not None and given not in known:
        raise InputError(f"no {name} {str(given)[:40]!r}: there are {', '.join(known)}")
    return None if given is None else str(given)


def _plan(context: StepContext, name: str, wanted: Search, output: Output) -> tuple[Plan, Space]:
    from mlcycle.models import check_processes, parse_params
    from mlcycle.models.search_space import check_method, space_of

    project, candidate = context.project, context.project.candidates[name]
    metric = project.evaluation.metric
    check_metric(metric, project.label.task, project.label.quantiles)
    check_processes(candidate.family, candidate.resources.processes)
    params = parse_params(candidate.family, candidate.params)
    try:
        space = space_of(candidate.model_copy(update={"search": wanted}))
        check_method(wanted.method, space)
    except ConfigError as error:
        raise ConfigError(f"candidates.{name}: {error.message}") from None
    plan = Plan(
        project=project.name,
        candidate=name,
        family=candidate.family,
        params=candidate.params,
        space=space,
        metric=metric,
        higher=gain(metric, 0.0, 1.0) > 0,
        method=wanted.method,
        pruner=wanted.pruner,
        seed=params.seed,
        dataset={"uri": output.uri, "digest": output.digest},
        measure=wanted.measure,
        fidelity=wanted.fidelity,
        folds=_folds(context) if wanted.measure == "cross_validation" else {},
    )
    return plan, space


def _folds(context: StepContext) -> dict[str, Any]:
    """How the project deals out folds, as JSON."""
    said = context.project.split.cross_validation
    return {} if said is None else said.model_dump(mode="json")


def _same(context: StepContext, found: Plan, fresh: Plan) -> Plan:
    """The earlier search's plan, its dataset and its parent run with it, if it is the same search.

    Raises InputError where its values could not be compared with new ones.
    """
    for key in (
        "project",
        "candidate",
        "family",
        "params",
        "space",
        "metric",
    ):
        if getattr(found, key) != getattr(fresh, key):
            raise InputError(
                f"the search's {key} is not the project file's any more, and trials could not be compared: "
                "leave study empty for a new search"
            )
    # The study's own measure holds, whichever the file or an earlier form said: only its folds must still be.
    folds = _folds(context) if found.measure == "cross_validation" else {}
    if found.folds != folds:
        raise InputError(
            "the search's folds is not the project file's any more, and trials could not be compared: "
            "leave study empty for a new search"
        )
    for key in ("method", "pruner", "measure", "fidelity"):
        if context.param(key, getattr(found, key)) != getattr(found, key):
            raise InputError(
                f"the search's {key} is {getattr(found, key)}: leave {key} empty, "
                "or study empty for a new search"
            )
    return found


def _study_name(context: StepContext, name: str) -> str:
    """One a run and candidate, whichever try of the task plans it."""
    origin = context.request.origin
    run_ = f"{origin.dag_id} {origin.run_id}" if origin.run_id else context.request.work
    return f"{context.project.name}-{name}-{hashlib.sha256(run_.encode()).hexdigest()[:12]}"


def _budget(wanted: Search, space: Space) -> Budget:
    trials = wanted.trials
    if wanted.method == "grid":
        trials = min(trials, len(grid(space, 0)))
    return Budget(trials, wanted.minutes, wanted.gpu_hours, wanted.money)


def _first(context: StepContext, plan: Plan, trials: int) -> list[dict[str, Any]]:
    """What is tried before all else: a grid's points; else what the project says now, to be compared with."""
    if plan.method == "grid":
        return grid(plan.space, plan.seed)[:trials]
    from mlcycle.models import parse_params

    now = parse_params(plan.family, plan.params).model_dump()
    own = described(plan.space, now)
    return [] if own is None else [own]
