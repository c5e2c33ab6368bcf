"""Candidates against the families there are, and the metric against the task."""

from collections.abc import Collection, Iterator

from mlcycle.domain.closest import among
from mlcycle.domain.metrics import check_metric
from mlcycle.errors import ConfigError
from mlcycle.models.registry import check_processes, check_task, family
from mlcycle.models.search_space import space_of
from mlcycle.project import Candidate, Project
from mlcycle.project.misfit import Key, Misfit
from mlcycle.project.params import checked_params


def check_candidates(project: Project) -> Iterator[Misfit]:
    """Families, their parameters and searches, and whether they can learn the label."""
    for name, candidate in project.candidates.items():
        yield from _check(project, candidate, ("candidates", name))


def _check(project: Project, candidate: Candidate, at: Key) -> Iterator[Misfit]:
    label = project.label
    try:
        parameters = family(candidate.family).Parameters
    except ConfigError as error:
        yield Misfit(error.message, *at, "family")
        return
    _, wrong = checked_params(parameters, candidate.params)
    for each in wrong:
        yield Misfit(f"model family {candidate.family!r}: {each}", *at, "params", *each.at)
    try:
        check_task(candidate.family, label.task, label.quantiles)
    except ConfigError as error:
        yield Misfit(error.message, *at, "family")
    try:
        check_processes(candidate.family, candidate.resources.processes)
    except ConfigError as error:
        yield Misfit(error.message, *at, "resources")
        return  # a search would say the same
    if candidate.search and not wrong:
        yield from _search(candidate, parameters.model_fields, (*at, "search"))


def _search(candidate: Candidate, known: Collection[str], at: Key) -> Iterator[Misfit]:
    assert candidate.search is not None
    strange = [name for name in candidate.search.space if name not in known]
    for name in strange:
        yield Misfit(f"no parameter {name!r}: {among(name, known)}", *at, "space", name)
    if not strange:
        try:
            space_of(candidate)
        except ConfigError as error:
            yield Misfit(error.message.removeprefix("search: "), *at)


def check_metric_of(project: Project) -> Iterator[Misfit]:
    """Whether the metric measures the task."""
    label = project.label
    try:
        check_metric(project.evaluation.metric, label.task, label.quantiles)
    except ConfigError as error:
        yield Misfit(error.message, "evaluation", "metric")
