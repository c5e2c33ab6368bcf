"""Samplers and pruners by name, and a space in Optuna's words."""

import importlib.util
import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mlcycle.domain.search import Dimension, Space, label
from mlcycle.errors import ConfigError

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.distributions import BaseDistribution
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler

FACTOR = 3  # one of so many trials goes on from a rung to the next


def distributions(space: Space) -> "dict[str, BaseDistribution]":
    """The space as Optuna's distributions; a choice is its text there, so that a list can be one."""
    return {name: _distribution(each) for name, each in space.items()}


def asked(study: "Study", space: Space) -> "Trial":
    """The next trial with its values: those first that are always asked, then those that they ask for."""
    always = {name: each for name, each in space.items() if each.needs is None}
    trial = study.ask(distributions(always))
    for name, each in space.items():
        if each.needs is not None and each.asked(trial.params):
            trial._suggest(name, _distribution(each))  # what ask does for each, and suggest_... by kind
    return trial


def encoded(space: Space, values: Mapping[str, Any]) -> dict[str, Any]:
    """Values of the space as Optuna keeps them."""
    return {name: label(value) if space[name].kind == "choice" else value for name, value in values.items()}


def decoded(space: Space, params: Mapping[str, Any]) -> dict[str, Any]:
    """Values of the space, out of what Optuna keeps."""
    return {
        name: json.loads(value) if space[name].kind == "choice" else value for name, value in params.items()
    }


def sampler(method: str, seed: int, asked: int) -> "BaseSampler":
    """What chooses the next trial.

    Each ask has a sampler of its own, seeded by how many were asked before: workers that begin with one seed
    would all try the same. A grid's points wait in the study already.

    Args:
        method: grid, random, tpe (Bergstra et al., NeurIPS 2011), gp (a Gaussian process, Optuna's own),
            cmaes (Hansen & Ostermeier, Evolutionary Computation 2001), nsga2 (Deb et al., IEEE TEC 2002).
        seed: of the search.
        asked: trials that were asked for before.

    Raises:
        ConfigError: for a method whose library is not there.
    """
    import optuna.samplers as samplers

    own = (seed * 1_000_003 + asked) % 2**31
    if method in ("grid", "random"):
        return samplers.RandomSampler(seed=own)
    if method == "tpe":
        # Trials that run elsewhere count as bad ones until they end, so that workers keep apart.
        return samplers.TPESampler(seed=own, constant_liar=True)
    if method == "nsga2":
        return samplers.NSGAIISampler(seed=own, population_size=20)
    if method == "gp":
        _needs("torch", method, "the step's image has none: take one with torch")
        return samplers.GPSampler(seed=own, deterministic_objective=False)
    if method == "cmaes":
        _needs("cmaes", method, "the step's image has none: install it")
        from mlcycle.adapters.search.cmaes_sampler import CmaesSampler

        return CmaesSampler(seed=seed, asked=asked)
    raise ConfigError(f"no method {method!r} to search with")


def pruner(name: str) -> "BasePruner":
    """What ends hopeless trials: by how they stand after 1, 3, 9 ... rounds beside the others."""
    import optuna.pruners as pruners

    if name == "successive_halving":
        return pruners.SuccessiveHalvingPruner(min_resource=1, reduction_factor=FACTOR)
    if name == "hyperband":
        return pruners.HyperbandPruner(min_resource=1, reduction_factor=FACTOR)
    if name == "none":
        return pruners.NopPruner()
    raise ConfigError(f"no pruner {name!r}")


def _distribution(each: Dimension) -> "BaseDistribution":
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if each.kind == "choice":
        return CategoricalDistribution([label(choice) for choice in each.choices])
    if each.kind == "int":
        return IntDistribution(int(each.low), int(each.high), log=each.log, step=int(each.step or 1))
    return FloatDistribution(each.low, each.high, log=each.log, step=each.step)


def _needs(library: str, method: str, otherwise: str) -> None:
    if importlib.util.find_spec(library) is None:
        raise ConfigError(f"method {method} needs {library}, and {otherwise}, or choose method tpe")
