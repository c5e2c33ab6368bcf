"""Families by name. A new family is one module with a class, and one line here."""

import importlib
from collections.abc import Mapping
from typing import Any

from pydantic import ValidationError

from mlcycle.errors import ConfigError
from mlcycle.models.base import Model, Params

#: Family name -> ``module:class``; imported when first used.
FAMILIES: dict[str, str] = {
    "rate_table": "mlcycle.models.rate_table:RateTable",
    "hist_gradient_boosting": "mlcycle.models.boosting:Boosting",
    "deep_cross": "mlcycle.models.deep_cross:DeepCross",
}


def family(name: str) -> type[Model]:
    """The class of a family. Raises ConfigError that lists the families there are."""
    if name not in FAMILIES:
        raise ConfigError(f"no model family {name!r}: there are {', '.join(FAMILIES)}")
    module, _, attribute = FAMILIES[name].partition(":")
    found: type[Model] = getattr(importlib.import_module(module), attribute)
    return found


def parse_params(name: str, given: Mapping[str, Any]) -> Params:
    """A family's parameters out of a project file. Raises ConfigError, one line."""
    parameters = family(name).Parameters
    try:
        return parameters.model_validate(dict(given))
    except ValidationError as error:
        problems = []
        for item in error.errors(include_url=False):
            key = ".".join(map(str, item["loc"])) or "params"
            if item["type"] == "extra_forbidden":
                problems.append(f"no parameter {key!r}: there are {', '.join(parameters.model_fields)}")
            else:
                problems.append(f"{key}: {item['msg']}")
        raise ConfigError(f"model family {name!r}: {'; '.join(problems)}") from None
