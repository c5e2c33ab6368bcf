"""Feast, loaded in a third of the time that its import takes by itself."""

from collections.abc import Callable
from functools import cache
from typing import TypeVar

from mlcycle.adapters.lean_import import lean_import

T = TypeVar("T", bound=Callable[..., object])


@cache
def load_feast() -> None:
    """Import Feast; call it before ``import feast``.

    Feast 0.67 has typeguard check the types of its constructors' arguments: at import each decorated class
    has its module's source parsed and compiled again, 2 s in all. typeguard leaves that out in an optimised
    Python (``-O``), which would leave out asserts as well. torch is an extra of Feast's, for tensors.
    """
    import typeguard

    checked = typeguard.typechecked
    typeguard.typechecked = _as_it_is  # type: ignore[assignment]
    try:
        with lean_import(absent=["torch"]):
            import feast  # noqa: F401
    finally:
        typeguard.typechecked = checked


def _as_it_is(target: T) -> T:
    return target
