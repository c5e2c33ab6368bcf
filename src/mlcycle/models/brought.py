"""The family that a reference leads to: a Model of one's own, an estimator, a network.

``models:Mine`` is of a file beside the project's, ``sklearn.svm.SVC`` of an installed package. What it is
decides how it is fitted and kept: a :class:`mlcycle.models.base.Model` as it says itself, a torch module by
our training loop as ONNX, all else is called for an estimator as scikit-learn has them and kept with skops.
"""

import inspect
import json
import sys
import warnings
from collections.abc import Callable
from functools import cache
from typing import Any

from pydantic import Field, JsonValue, create_model

from mlcycle.errors import ConfigError
from mlcycle.models.base import Model, Params
from mlcycle.project_code import ProjectCode, current, is_reference, resolve, using

__all__ = ["brought", "is_reference"]


def brought(reference: str) -> type[Model]:
    """The class for a reference. Raises ConfigError, one line, for what is no family."""
    return _brought(reference, _Key(current()))


class _Key:
    """Code as a key: two projects may both name ``models:Mine``."""

    def __init__(self, code: ProjectCode) -> None:
        self.code, self._digest = code, code.digest

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and other._digest == self._digest

    def __hash__(self) -> int:
        return hash(self._digest)


@cache
def _brought(reference: str, key: _Key) -> type[Model]:
    with using(key.code):
        found = resolve(reference)
    if isinstance(found, type) and issubclass(found, Model):
        return found
    if not callable(found):
        raise ConfigError(
            f"model family {reference!r} is {type(found).__name__}: a class or a function that makes an "
            "estimator is expected"
        )
    if isinstance(found, type) and _is_module(found):
        from mlcycle.models.torch.module import NOT_THEIRS as TAKEN
        from mlcycle.models.torch.module import ModuleParams, OwnNetwork

        params = _parameters(reference, found, ModuleParams, TAKEN)
        return type("OwnNetwork", (OwnNetwork,), {"make": staticmethod(found), "Parameters": params})
    from mlcycle.models.estimator import Estimator, EstimatorParams

    params = _parameters(reference, found, EstimatorParams, frozenset())
    own = {"make": staticmethod(found), "Parameters": params, "libraries": Estimator.needs(found)}
    return type("Estimator", (Estimator,), own)


def _is_module(found: type) -> bool:
    """Whether it is a torch module, without loading torch where nobody has."""
    torch = sys.modules.get("torch")
    return torch is not None and issubclass(found, torch.nn.Module)


def _parameters(
    reference: str, make: Callable[..., Any], base: type[Params], given: frozenset[str]
) -> type[Params]:
    """Parameters of a project file: those of the base, and those that ``make`` takes by name.

    Of its own defaults a parameter's type is known where they are numbers, so that a search can try them.
    """
    try:
        signature = inspect.signature(make)
    except (TypeError, ValueError):
        raise ConfigError(f"model family {reference!r}: its parameters cannot be read") from None
    fields: dict[str, Any] = {}
    for name, parameter in signature.parameters.items():
        if name in given or name in base.model_fields:
            continue
        if parameter.kind in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD):
            continue
        if parameter.kind is parameter.POSITIONAL_ONLY:
            raise ConfigError(f"model family {reference!r}: its parameter {name!r} cannot be given by name")
        if name.startswith("_") or name.startswith("model_"):
            raise ConfigError(f"model family {reference!r}: a parameter cannot be called {name!r}")
        default = ... if parameter.default is parameter.empty else parameter.default
        # A default that is no JSON, like a function, is the estimator's own affair and in no model's card.
        fields[name] = (_kind(default), Field(default, exclude=not _is_json(default)))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # scikit-learn's `copy` is a method's name to pydantic
        return create_model(f"{reference} parameters", __base__=base, **fields)


def _is_json(value: Any) -> bool:
    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError):
        return value is ...
    return True


def _kind(default: Any) -> Any:
    if type(default) is float:
        return float | JsonValue
    if type(default) is int:
        return int | JsonValue
    return Any
