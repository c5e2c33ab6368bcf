"""Architectures as parameters of a search: how many layers, how wide the first one, how the others follow.

A list of widths is one parameter of a family and three of a search, ``layers.depth``, ``layers.width`` and
``layers.shape``. The shape is asked after the depth, where that is two at the least.
"""

from collections.abc import Mapping
from typing import Any, Final, Literal, get_args

from mlcycle.domain.search import Dimension, Space

Shape = Literal["constant", "pyramid"]
SHAPES: Final[tuple[str, ...]] = get_args(Shape)
DEEPEST: Final = 16


def dimensions(
    name: str, depth: tuple[int, int], width: tuple[int, int], shapes: tuple[str, ...]
) -> dict[str, Dimension]:
    """The parameters of a search for the lists that the parameter ``name`` may be.

    Args:
        name: of the family's parameter.
        depth: fewest and most layers, one at the least.
        width: of the first layer, on a logarithmic scale.
        shapes: ``constant``, each as wide as the first; ``pyramid``, each half as wide as the one before.
    """
    deep = f"{name}.depth"
    return {
        deep: Dimension("int", *depth),
        f"{name}.width": Dimension("int", *width, log=True),
        f"{name}.shape": Dimension("choice", choices=shapes, needs=(deep, 2)),
    }


def layers(depth: int, width: int, shape: str) -> list[int]:
    """Widths of an architecture, none below one."""
    return [width if shape == "constant" else max(1, width >> at) for at in range(depth)]


def built(values: Mapping[str, Any]) -> dict[str, Any]:
    """Parameters of the family out of those of the search."""
    found: dict[str, Any] = {}
    for name, value in values.items():
        owner, _, part = name.partition(".")
        if not part:
            found[name] = value
        elif part == "depth":
            shape = values.get(f"{owner}.shape", "constant")
            found[owner] = layers(value, values[f"{owner}.width"], shape)
    return found


def described(space: Space, params: Mapping[str, Any]) -> dict[str, Any] | None:
    """Parameters of the search for those of the family; None where the space does not hold them."""
    found: dict[str, Any] = {}
    for name in space:
        owner, _, part = name.partition(".")
        if not part:
            found[name] = params[name]
        elif part == "depth":
            own = _read(space, owner, params[owner])
            if own is None:
                return None
            found |= own
    return found if all(space[name].contains(value) for name, value in found.items()) else None


def _read(space: Space, owner: str, widths: Any) -> dict[str, Any] | None:
    if not widths:
        return None
    found = {f"{owner}.depth": len(widths), f"{owner}.width": widths[0]}
    if len(widths) == 1:
        return found
    shapes = space[f"{owner}.shape"].choices
    fits = [shape for shape in shapes if layers(len(widths), widths[0], shape) == list(widths)]
    return {**found, f"{owner}.shape": fits[0]} if fits else None
