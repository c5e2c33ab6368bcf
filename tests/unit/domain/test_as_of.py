"""The as-of join gives what pandas merge_asof gives, whatever the order, the ties and the gaps."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest

from mlcycle.domain.as_of import newest_known


def merge_asof(left: pd.DataFrame, right: pd.DataFrame, by: list[str], ttl: int) -> np.ndarray:
    """The peer: positions in ``right``, -1 where there is none."""
    right = right.assign(position=np.arange(len(right))).sort_values(["known", "created"], kind="stable")
    left = left.assign(row=np.arange(len(left))).sort_values("moment", kind="stable")
    joined = pd.merge_asof(
        left, right, left_on="moment", right_on="known", by=by, tolerance=ttl, direction="backward"
    )
    return joined.sort_values("row")["position"].fillna(-1).to_numpy(dtype=np.int64)


@pytest.mark.parametrize("seed", range(20))
def test_equals_merge_asof(seed: int) -> None:
    rng = np.random.default_rng(seed)
    n, m, ttl = 300, int(rng.integers(1, 200)), int(rng.integers(1, 60))
    left = pd.DataFrame(
        {"a": rng.integers(0, 6, n), "b": rng.choice(list("xyz"), n), "moment": rng.integers(0, 200, n)}
    )
    right = pd.DataFrame(
        {
            "a": rng.integers(0, 5, m),
            "b": rng.choice(list("xyw"), m),
            "known": rng.integers(-20, 220, m),
            "created": rng.permutation(m),
        }
    )
    pairs = [(pa.array(left[name]), pa.array(right[name])) for name in "ab"]
    found = newest_known(
        pairs, left["moment"].to_numpy(), right["known"].to_numpy(), ttl, right["created"].to_numpy()
    )
    np.testing.assert_array_equal(found, merge_asof(left, right, ["a", "b"], ttl))


def test_a_value_at_the_moment_itself_is_known_and_one_just_past_its_ttl_is_not() -> None:
    entity = pa.array(["x", "x", "x"])
    found = newest_known([(entity, pa.array(["x"]))], np.array([9, 10, 21]), np.array([10]), 10)
    assert found.tolist() == [-1, 0, -1]


def test_null_matches_nothing_not_even_null() -> None:
    pairs = [(pa.array(["x", None]), pa.array([None, "x"], pa.string()))]
    assert newest_known(pairs, np.array([5, 5]), np.array([1, 1]), 10).tolist() == [1, -1]


def test_nothing_known_is_nothing_found() -> None:
    empty = np.array([], dtype=np.int64)
    pairs = [(pa.array(["x"]), pa.array([], pa.string()))]
    assert newest_known(pairs, np.array([5]), empty, 10).tolist() == [-1]


def strings(*values: str | None) -> pa.Array:
    return pa.array(values, pa.string())


def test_nobody_s_value_is_found_where_every_entity_is_null() -> None:
    pairs = [(strings("x", None), strings(None, None))]
    assert newest_known(pairs, np.array([5, 5]), np.array([1, 1]), 10).tolist() == [-1, -1]


@pytest.mark.parametrize("null_in", [0, 1], ids=["first", "second"])
def test_null_in_one_of_two_columns_matches_nothing(null_in: int) -> None:
    asked = [strings("a", "a"), strings("x", "x")]
    owned = [strings("a", "a"), strings("x", "x")]
    owned[null_in] = strings(None, None)
    pairs = list(zip(asked, owned, strict=True))
    assert newest_known(pairs, np.array([5, 5]), np.array([1, 2]), 10).tolist() == [-1, -1]
    asked, owned = [strings("a", "a"), strings("x", "x")], [strings("b", "a"), strings("y", "x")]
    asked[null_in] = strings(None, "a" if null_in == 0 else "x")
    pairs = list(zip(asked, owned, strict=True))
    assert newest_known(pairs, np.array([5, 5]), np.array([1, 2]), 10).tolist() == [-1, 1]


@pytest.mark.parametrize("seed", range(20))
def test_three_columns_with_nulls_are_matched_as_one_would_by_hand(seed: int) -> None:
    rng = np.random.default_rng(seed)
    kinds = np.array(["p", "q", None], dtype=object)
    left, right = rng.choice(kinds, (3, 40)), rng.choice(kinds, (3, 30))
    moments, known = rng.integers(0, 50, 40), rng.integers(0, 50, 30)
    pairs = [(strings(*a), strings(*b)) for a, b in zip(left, right, strict=True)]
    found = newest_known(pairs, moments, known, 20)
    for row, at in enumerate(found):
        fits = [
            item
            for item in range(30)
            if None not in left[:, row]
            and (left[:, row] == right[:, item]).all()
            and 0 <= moments[row] - known[item] <= 20
        ]
        assert at == max(fits, key=lambda item: (known[item], item), default=-1)


def test_the_answer_is_positions_as_whole_numbers() -> None:
    empty = np.array([], dtype=np.int64)
    none = newest_known([(strings("x"), strings())], np.array([5]), empty, 10)
    one = newest_known([(strings("x"), strings("x"))], np.array([5]), np.array([1]), 10)
    assert none.dtype == one.dtype == np.int64
