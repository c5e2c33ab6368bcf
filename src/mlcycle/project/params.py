"""Parameters that a project gives to a family or a monitor, read by the class that declares them."""

from collections.abc import Mapping
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from mlcycle.domain.closest import among
from mlcycle.project.misfit import Misfit
from mlcycle.project.wording import keys_of, misfits

P = TypeVar("P", bound=BaseModel)


def checked_params(
    parameters: type[P], given: Mapping[str, Any], gone: Mapping[str, str] | None = None
) -> tuple[P, list[Misfit]]:
    """The parameters, and what is wrong with those given; the parameters are worth nothing then.

    ``gone`` are parameters that are none any more, and why.
    """
    try:
        return parameters.model_validate(dict(given)), []
    except ValidationError as error:
        found = misfits(error, keys_of(dict(given)), parameters)
    known = parameters.model_fields
    wrong = []
    for each in found:
        name = str(each.at[0]) if each.at else ""
        if len(each.at) == 1 and name in (gone or {}):
            each = Misfit(f"{name!r} is no parameter any more: {(gone or {})[name]}", name)
        elif len(each.at) == 1 and name in given and name not in known:
            each = Misfit(f"no parameter {name!r}: {among(name, known)}", name)
        wrong.append(each)
    return parameters.model_construct(), wrong


def said(misfit: Misfit) -> str:
    """The mistake with the parameter's name before it, where it does not name it itself."""
    text = str(misfit)
    if not misfit.at:
        return f"params: {text}"
    name = ".".join(map(str, misfit.at))
    return text if repr(name) in text else f"{name}: {text}"
