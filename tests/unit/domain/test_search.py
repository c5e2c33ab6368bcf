"""What a search may try, and when no more may be begun."""

import pytest

from mlcycle.domain.search import Budget, Dimension, Tried, best, grid, label, rungs, size, subsamples
from mlcycle.domain.search_winner import name_of, rounded

STEPS = Dimension("float", 0.1, 0.5, step=0.1)
COUNT = Dimension("int", 2, 9, step=3)
LISTS = Dimension("choice", choices=([64, 32], [128], None))
ANY = Dimension("float", 0.01, 1, log=True)


def test_a_grid_holds_every_point_once_in_an_order_that_the_seed_alone_changes() -> None:
    space = {"rate": STEPS, "depth": COUNT, "layers": LISTS}
    points = grid(space, 17)
    assert size(space) == len(points) == 5 * 3 * 3
    assert len({label(point) for point in points}) == 45
    assert {point["depth"] for point in points} == {2, 5, 8}
    assert sorted({point["rate"] for point in points}) == pytest.approx([0.1, 0.2, 0.3, 0.4, 0.5])
    assert points == grid(space, 17)
    assert points != grid(space, 18)
    assert sorted(map(label, points)) == sorted(map(label, grid(space, 18)))


def test_a_grid_over_anything_between_two_bounds_is_refused_by_name() -> None:
    assert size({"rate": ANY, "depth": COUNT}) is None
    with pytest.raises(ValueError, match="give rate a step"):
        grid({"rate": ANY, "depth": COUNT}, 0)


def test_a_grid_that_nobody_waits_for_is_refused_before_it_is_made() -> None:
    with pytest.raises(ValueError, match="1000000000 points"):
        grid({name: Dimension("int", 1, 1000) for name in "abc"}, 0)


@pytest.mark.parametrize(
    ("dimension", "inside", "outside"),
    [
        (STEPS, [0.1, 0.5], [0.15, 0.6, "0.1"]),
        (ANY, [0.01, 0.5, 1], [0, 1.01, True, None, float("nan")]),
        (COUNT, [2, 5, 8], [3, 9, "2"]),
        (Dimension("int", 1, 4, log=True), [1, 3, 4], [0, 5, 1.5]),
        (LISTS, [[128], None], [[32, 64], 128, "null"]),
    ],
    ids=["steps", "any", "integer steps", "integers", "choices"],
)
def test_a_dimension_knows_its_values(
    dimension: Dimension, inside: list[object], outside: list[object]
) -> None:
    assert all(map(dimension.contains, inside))
    assert not any(map(dimension.contains, outside))


def test_a_trial_is_begun_below_each_bound_and_not_at_it() -> None:
    budget = Budget(trials=10, minutes=5, gpu_hours=2, money=3)
    spent = {"minutes": 4.99, "gpu_hours": 1.99, "money": 2.99}
    assert budget.over(**spent) == ""
    assert budget.over(**{**spent, "minutes": 5}) == "5 minutes are over"
    assert budget.over(**{**spent, "gpu_hours": 2}) == "2.00 of 2 GPU hours are spent"
    assert budget.over(**{**spent, "money": 3}, currency="EUR") == "3.00 of 3.00 EUR are spent"
    assert Budget(trials=10).over(minutes=1e9, gpu_hours=1e9, money=1e9) == ""


def test_rungs_are_a_third_apart_and_end_with_the_last_round() -> None:
    assert rungs(1) == [1]
    assert rungs(9) == [1, 3, 9]
    assert rungs(100) == [1, 3, 9, 27, 81, 100]


def test_the_best_is_of_those_that_went_to_their_end() -> None:
    tried = [
        Tried(0, "told", {}, 0.5),
        Tried(1, "told", {}, 0.4),
        Tried(2, "told", {}, 0.4),
        Tried(3, "pruned", {}, 0.1),
        Tried(4, "failed", {}),
        Tried(5, "told", {}, 0.7),
    ]
    assert best(tried, higher=False) == tried[1]
    assert best(tried, higher=True) == tried[5]
    assert best(tried[3:5], higher=True) is None


def test_the_winners_name_is_a_candidates_name() -> None:
    assert name_of("boosting") == "boosting_tuned"
    assert name_of("boosting_tuned") == "boosting_tuned"
    assert name_of("a" * 30) == "a" * 24 + "_tuned"
    assert rounded({"rate": 0.123456789, "depth": 3, "on": True, "layers": [1]}) == {
        "rate": 0.123457,
        "depth": 3,
        "on": True,
        "layers": [1],
    }


@pytest.mark.parametrize(
    ("count", "sizes"),
    [
        (216_002, [8000, 24_000, 72_000, 216_002]),
        (5000, [555, 1666, 5000]),
        (1600, [533, 1600]),
        (900, [900]),
    ],
)
def test_subsamples_grow_threefold_up_to_all_rows_and_none_is_too_small(count: int, sizes: list[int]) -> None:
    assert subsamples(count) == sizes
