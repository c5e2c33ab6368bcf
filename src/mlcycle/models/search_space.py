"""A candidate's search checked against what its family takes."""

import itertools
from typing import Any, get_args

from mlcycle.domain.architecture import dimensions, layers
from mlcycle.domain.closest import among
from mlcycle.domain.search import Dimension, Space, grid, label
from mlcycle.errors import ConfigError
from mlcycle.models.registry import family, parse_params
from mlcycle.project import Candidate
from mlcycle.project.search import Layers, Range


def space_of(candidate: Candidate) -> dict[str, Dimension]:
    """What the candidate's search may try, by parameter.

    Raises ConfigError, one line: a parameter that the family has not, bounds or a choice that it refuses, a
    number that is no number to it.
    """
    if candidate.search is None:
        raise ConfigError("no search: give the candidate a section search with a space")
    if candidate.resources.processes > 1:
        raise ConfigError(
            f"search: a trial trains in one process, the resources ask for {candidate.resources.processes}: "
            "say gpu: 1, and no nodes"
        )
    fields = family(candidate.family).Parameters.model_fields
    found: dict[str, Dimension] = {}
    for name, said in candidate.search.space.items():
        if name not in fields:
            raise ConfigError(f"search.space: no parameter {name!r}: {among(name, fields)}")
        if isinstance(said, Range):
            found[name] = _numbers(name, said, fields[name].annotation)
            tried: list[Any] = [said.low, said.high]
        elif isinstance(said, Layers):
            if fields[name].annotation != list[int]:
                raise ConfigError(f"search.space.{name}: the parameter is no list of widths, as layers are")
            found |= dimensions(name, said.depth, said.width, tuple(said.shape))
            tried = [layers(*each) for each in itertools.product(said.depth, said.width, said.shape)]
        else:
            if len({label(each) for each in said}) < len(said):
                raise ConfigError(f"search.space.{name}: a choice is given twice")
            found[name] = Dimension("choice", choices=tuple(said))
            tried = list(said)
        for value in tried:
            try:
                parse_params(candidate.family, {**candidate.params, name: value})
            except ConfigError as error:
                raise ConfigError(f"search.space.{name}: {value} is refused: {error.message}") from None
    check_method(candidate.search.method, found)
    return found


def check_method(method: str, space: Space) -> None:
    """Raise ConfigError where the method cannot search the space."""
    if method == "grid":
        try:
            grid(space, 0)
        except ValueError as error:
            raise ConfigError(f"search.method grid: {error}") from None
    if method == "cmaes" and sum(each.kind != "choice" for each in space.values()) < 2:
        raise ConfigError("search.method cmaes needs two numbers or more to search: choose tpe for choices")


def _numbers(name: str, said: Range, annotation: Any) -> Dimension:
    kinds = {annotation, *get_args(annotation)}
    if not kinds & {int, float}:
        raise ConfigError(f"search.space.{name}: the parameter is no number: give choices, like [a, b]")
    if float in kinds:
        step = None if said.step is None else float(said.step)
        return Dimension("float", float(said.low), float(said.high), said.log, step)
    for key, value in (("low", said.low), ("high", said.high), ("step", said.step or 1)):
        if not float(value).is_integer():
            raise ConfigError(f"search.space.{name}: {key} {value:g} is no integer, which the parameter is")
    return Dimension(
        "int", int(said.low), int(said.high), said.log, None if said.step is None else int(said.step)
    )
