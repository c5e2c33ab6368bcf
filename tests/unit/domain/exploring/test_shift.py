"""Whether the last rows are of another distribution: seldom where nothing is, nearly always where it is."""

import numpy as np

from mlcycle.domain.exploring.columns import Column
from mlcycle.domain.exploring.shift import shifts

PARTITIONS, ROWS, LAST = 60, 40, 12
PARTITION = np.repeat(np.arange(PARTITIONS), ROWS)


def moved(seed: int, by: float = 0.0) -> list[str]:
    rng = np.random.default_rng(seed)
    n = len(PARTITION)
    columns = [Column(f"n{at}", rng.normal(size=n)) for at in range(6)]
    columns += [Column(f"w{at}", rng.integers(0, 5, n), list("abcde")) for at in range(2)]
    columns[0].values[PARTITION >= PARTITIONS - LAST] += by
    found = shifts(columns, PARTITION, LAST)
    assert not isinstance(found, str)
    return [each.name for each in found if each.moved]


def test_false_alarms_of_a_whole_table_are_held() -> None:
    wrong = sum(bool(moved(seed)) for seed in range(100))
    assert wrong <= 10, f"{wrong} of 100 tables in which nothing moved were said to have moved"


def test_a_column_that_moves_by_half_a_spread_is_found() -> None:
    found = [moved(seed, by=0.5) for seed in range(10)]
    assert all("n0" in each for each in found)


def test_a_season_that_comes_round_is_not_a_shift() -> None:
    rng = np.random.default_rng(0)
    season = np.sin(2 * np.pi * PARTITION / 10)
    found = shifts([Column("season", season + rng.normal(size=len(PARTITION)))], PARTITION, 10)
    assert not isinstance(found, str)
    assert not found[0].moved


def test_missing_values_that_begin_are_a_shift() -> None:
    rng = np.random.default_rng(0)
    values = rng.normal(size=len(PARTITION))
    values[(PARTITION >= PARTITIONS - LAST) & (rng.random(len(values)) < 0.3)] = np.nan
    found = shifts([Column("n", values)], PARTITION, LAST)
    assert not isinstance(found, str)
    assert found[0].moved
    assert 0.2 < found[0].distance < 0.4


def test_too_few_partitions_are_said_to_be() -> None:
    assert shifts([Column("n", np.zeros(30))], np.arange(30), 5) == (
        "there are 30 partitions with rows, 40 are needed"
    )
