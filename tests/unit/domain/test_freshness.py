"""Which partitions are stale, and how they are grouped."""

from datetime import timedelta

import pytest

from mlcycle.domain.freshness import Deliveries, Reach, stale, windows
from mlcycle.domain.partitions import Partition, Unit


def day(number: int) -> Partition:
    return Partition.parse("2013-01-01", Unit.DAY).shift(number - 1)


def reach(batches: dict[int, int], lag: int = 0, lookback: int = 3, definition: str = "v1") -> Reach:
    there = {day(number): batch for number, batch in batches.items()}
    return Reach(definition, {"rows": Deliveries(lag, timedelta(days=lookback), there)})


def computed(found: Reach, last: int) -> dict[Partition, str]:
    return {day(number): found.inputs(day(number))[0] for number in range(1, last + 1)}


BATCHES = {number: number for number in range(1, 11)}


def test_nothing_new_nothing_stale() -> None:
    before = reach(BATCHES)
    assert stale(before, [day(10)], computed(before, 10)) == {}


@pytest.mark.parametrize(("lag", "expected"), [(0, [4, 5, 6, 7]), (1, [5, 6, 7]), (2, [6, 7])])
def test_a_changed_batch_reaches_as_far_as_the_lookback_and_not_before_its_delivery(
    lag: int, expected: list[int]
) -> None:
    recorded = computed(reach(BATCHES, lag), 10)
    found = stale(reach({**BATCHES, 4: 99}, lag), [day(10)], recorded)
    assert list(found) == [day(number) for number in expected]


def test_a_changed_view_makes_everything_stale() -> None:
    recorded = computed(reach(BATCHES), 10)
    assert list(stale(reach(BATCHES, definition="v2"), [], recorded)) == [day(n) for n in range(1, 11)]


def test_earlier_partitions_never_computed_are_computed_and_later_ones_wait() -> None:
    found = reach(BATCHES)
    recorded = computed(found, 2)
    assert list(stale(found, [day(5)], recorded)) == [day(3), day(4), day(5)]


def test_a_lost_batch_is_a_change() -> None:
    recorded = computed(reach(BATCHES), 10)
    assert day(5) in stale(reach({n: b for n, b in BATCHES.items() if n != 5}), [], recorded)


def test_consecutive_partitions_are_one_window() -> None:
    found = windows([day(3), day(1), day(2), day(7), day(9), day(8)])
    assert found == [(day(1), day(3)), (day(7), day(9))]


def test_years_of_hours_are_checked_at_once() -> None:
    first = Partition.parse("2013-01-01T00", Unit.HOUR)
    batches = {first.shift(number): number for number in range(3 * 8760)}
    found = Reach("v", {"rows": Deliveries(0, timedelta(days=30), batches)})
    recorded = {partition: found.inputs(partition)[0] for partition in batches}
    assert stale(found, [first.shift(3 * 8760 - 1)], recorded) == {}


def test_what_a_partition_is_computed_from_counts_the_batches_within_its_reach() -> None:
    found = reach(BATCHES)
    assert [found.inputs(day(number))[1] for number in (1, 2, 4, 5, 13, 14, 20)] == [1, 2, 4, 4, 1, 0, 0]
    assert found.inputs(day(20)) == ("v1:0:" + "0" * 32, 0)


def test_two_tables_count_together_and_neither_hides_the_other() -> None:
    def of(a: int, b: int) -> str:
        tables = {
            name: Deliveries(0, timedelta(days=1), {day(1): batch}) for name, batch in (("a", a), ("b", b))
        }
        text, count = Reach("v", tables).inputs(day(1))
        assert count == 2
        return text

    assert len({of(1, 2), of(2, 1), of(1, 1), of(2, 2), of(3, 2)}) == 5


def test_a_batch_s_number_means_nothing_without_its_table_and_partition() -> None:
    def of(name: str, number: int) -> str:
        table = Deliveries(0, timedelta(days=9), {day(number): 7})
        return Reach("v", {name: table}).inputs(day(3))[0]

    assert len({of("a", 1), of("b", 1), of("a", 2)}) == 3


def test_what_is_stale_comes_with_what_it_is_to_be_computed_from() -> None:
    found = reach(BATCHES)
    assert stale(found, [day(2)], {}) == {day(n): found.inputs(day(n))[0] for n in (1, 2)}
