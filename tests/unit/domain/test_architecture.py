"""Architectures as parameters of a search, and back."""

import pytest

from mlcycle.domain.architecture import built, described, dimensions, layers
from mlcycle.domain.search import Dimension, grid, size

SPACE = {
    "rate": Dimension("choice", choices=(0.1, 0.2)),
    **dimensions("layers", (1, 3), (4, 8), ("constant", "pyramid")),
}


def test_shapes() -> None:
    assert layers(3, 100, "constant") == [100, 100, 100]
    assert layers(3, 100, "pyramid") == [100, 50, 25]
    assert layers(4, 3, "pyramid") == [3, 1, 1, 1]


def test_a_grid_asks_for_a_shape_only_where_there_is_one() -> None:
    points = grid(SPACE, 1)
    assert len(points) == 2 * 5 * (1 + 2 * 2)
    assert size(SPACE) == 2 * 5 * 3 * 2  # at the most
    assert all(("layers.shape" in point) == (point["layers.depth"] > 1) for point in points)
    made = [built(point) for point in points]
    assert len({str(sorted(each.items())) for each in made}) == len(points)
    assert all(set(each) == {"rate", "layers"} for each in made)
    assert all(described(SPACE, made) == point for made, point in zip(made, points, strict=True))


@pytest.mark.parametrize("widths", [[], [9], [8, 8, 8, 8], [8, 5], [3, 3]])
def test_what_the_space_does_not_hold_is_not_described(widths: list[int]) -> None:
    assert described(SPACE, {"rate": 0.1, "layers": widths}) is None


def test_of_one_shape_alone_every_list_is_of_it() -> None:
    space = dimensions("bottom", (2, 2), (8, 8), ("pyramid",))
    assert grid(space, 1) == [{"bottom.depth": 2, "bottom.width": 8, "bottom.shape": "pyramid"}]
    assert described(space, {"bottom": [8, 8]}) is None
