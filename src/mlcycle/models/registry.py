"""Families by name: ours by a line here, those of other packages by the entry point ``mlcycle.families``.

A new family is one module with a class. A name that is a reference (``models:Mine``, ``sklearn.svm.SVC``)
leads to a project's own code or to any package (``models.brought``). A package of a person's own says in its
``pyproject.toml`` ``[project.entry-points."mlcycle.families"]`` and ``name = "module:Class"``; one of our
names is not taken.
"""

import importlib
from collections.abc import Mapping, Sequence
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any, Final

from mlcycle.domain.closest import among
from mlcycle.domain.tasks import task_of
from mlcycle.errors import ConfigError
from mlcycle.models.base import Card, Model, Params
from mlcycle.project.params import checked_params, said
from mlcycle.project_code import is_reference

GROUP: Final = "mlcycle.families"
#: Beside the graph of a network that is a project's own.
OWN_NETWORK: Final = "own_network.txt"

#: Family name -> ``module:class``; imported when first used.
FAMILIES: dict[str, str] = {
    "rate_table": "mlcycle.models.rate_table:RateTable",
    "naive": "mlcycle.models.naive:Naive",
    "hist_gradient_boosting": "mlcycle.models.boosting:Boosting",
    "deep_cross": "mlcycle.models.deep_cross:DeepCross",
    "linear": "mlcycle.models.linear:Linear",
    "random_forest": "mlcycle.models.random_forest:RandomForest",
    "lightgbm": "mlcycle.models.lightgbm:Lightgbm",
    "bagging": "mlcycle.models.bagging:Bagging",
    "voting": "mlcycle.models.voting:Voting",
    "stacking": "mlcycle.models.stacking:Stacking",
    "mlp": "mlcycle.models.torch.mlp:MLP",
    "wide_and_deep": "mlcycle.models.torch.wide_and_deep:WideAndDeep",
    "dlrm": "mlcycle.models.torch.dlrm:DLRM",
    "two_tower": "mlcycle.models.torch.two_tower:TwoTower",
}
#: Those of ours that learn many classes, said without importing them.
MANY_CLASSES: Final = frozenset(
    FAMILIES[name]
    for name in ("rate_table", "hist_gradient_boosting", "linear", "random_forest", "lightgbm", "mlp")
)

#: Those of ours that learn quantiles of a number.
QUANTILES: Final = frozenset(
    FAMILIES[name]
    for name in (
        *("rate_table", "linear", "hist_gradient_boosting", "lightgbm"),
        *("mlp", "wide_and_deep", "deep_cross", "dlrm"),
    )
)


def family(name: str) -> type[Model]:
    """The class of a family. Raises ConfigError that lists the families there are."""
    where = families().get(name)
    if where is None and is_reference(name):
        from mlcycle.models.brought import brought

        return brought(name)
    if where is None:
        raise ConfigError(f"no model family {name!r}: {among(name, families())}, and your own by reference")
    module, _, attribute = where.partition(":")
    try:
        found = getattr(importlib.import_module(module), attribute)
    except (ImportError, AttributeError) as error:
        raise ConfigError(f"model family {name!r} is registered as {where}: {error}") from None
    if not (isinstance(found, type) and issubclass(found, Model)):
        raise ConfigError(f"model family {name!r} is registered as {where}, which is no mlcycle Model")
    return found


def reader(folder: Path, card: Card) -> type[Model]:
    """The class that reads a model's folder. Raises ConfigError as ``family`` does.

    A network of somebody's own is read without it: where models are served there may be no torch.
    """
    if is_reference(card.family) and (folder / OWN_NETWORK).exists():
        from mlcycle.models.torch.module import OwnNetwork

        return OwnNetwork
    return family(card.family)


@cache
def families() -> dict[str, str]:
    """Every family's ``module:Class`` by name; nothing of them is imported."""
    installed = {point.name: point.value for point in entry_points(group=GROUP)}
    return {**installed, **FAMILIES}


def parse_params(name: str, given: Mapping[str, Any]) -> Params:
    """A family's parameters out of a project file. Raises ConfigError, one line."""
    parameters = family(name).Parameters
    found, wrong = checked_params(parameters, given)
    if wrong:
        raise ConfigError(f"model family {name!r}: {'; '.join(said(each) for each in wrong)}")
    return found


def check_task(name: str, task: str, quantiles: Sequence[float] = ()) -> None:
    """Raise ConfigError where a family cannot learn the task, or not these quantiles of it."""
    if task != "regression" and family(name).numbers_alone:
        raise ConfigError(f"model family {name!r} predicts numbers: a {task} needs another family")
    if quantiles and not family(name).learns_quantiles:
        able = ", ".join(each for each, where in FAMILIES.items() if where in QUANTILES)
        raise ConfigError(f"model family {name!r} does not learn quantiles: of ours {able} do")
    if task_of(task).many and not family(name).many_classes:
        able = ", ".join(each for each, where in FAMILIES.items() if where in MANY_CLASSES)
        raise ConfigError(f"model family {name!r} does not learn many classes: of ours {able} do")


def check_processes(name: str, processes: int) -> None:
    """Raise ConfigError where a family is asked to train in more processes than it can."""
    if processes > 1 and not family(name).distributed:
        raise ConfigError(
            f"model family {name!r} trains in one process, its resources ask for {processes}: "
            "say gpu: 1, and no nodes"
        )
