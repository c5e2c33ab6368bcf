"""Rows on their way to a network: packed without loss, each once in a round, taken up amid one."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import Tensor

from mlcycle.domain.examples import Rows
from mlcycle.models.encoder import Encoder
from mlcycle.models.torch import rows as module
from mlcycle.models.torch.columns import Columns
from mlcycle.models.torch.gang import Gang
from mlcycle.models.torch.rows import Clock, Order, Resident, Streamed, pack, resident, streamed
from mlcycle.models.torch.scan import scan
from tests.table_job import CATEGORICAL, NUMERIC, rows

CPU = torch.device("cpu")
COUNT, BATCH = 1000, 32
Source = Callable[[], Resident | Streamed]


@pytest.fixture
def columns() -> Columns:
    return Columns(Encoder.fit(rows(COUNT, 1).frame, CATEGORICAL, NUMERIC, rare=5))


@pytest.fixture(params=["resident", "streamed"])
def source(request: pytest.FixtureRequest, columns: Columns, monkeypatch: pytest.MonkeyPatch) -> Source:
    """The same rows either way; in three windows of two blocks, the last of them cut off."""
    monkeypatch.setattr(module, "BLOCK", 180)  # six batches
    whole = rows(COUNT, 1)
    parts = [Rows(whole.frame.iloc[i : i + 300], whole.labels[i : i + 300]) for i in range(0, COUNT, 300)]
    packed = [pack(columns, part, 0.0, 1.0) for part in parts]

    def make() -> Resident | Streamed:
        if request.param == "resident":
            return resident(packed, columns, COUNT, CPU)
        found = streamed(packed, columns, BATCH, CPU)
        found.window = 2
        return found

    return make


def _alone(chosen: Tensor) -> Tensor:
    return chosen


def _round(
    source: Resident | Streamed, order: Order, share: Callable[[Tensor], Tensor] = _alone
) -> list[Tensor]:
    found = []
    for batch in source.shuffled(order, BATCH, share, Clock()):
        found.append(batch.packed)
        order.done += 1
    order.done = 0
    return found


def test_packed_rows_are_what_the_encoder_says(source: Source, columns: Columns) -> None:
    whole, batches = rows(COUNT, 1), list(source().ordered(256))
    codes = torch.cat([batch.codes for batch in batches]).numpy()
    assert np.array_equal(codes, columns.codes(whole.frame))
    numbers = torch.cat([batch.numbers for batch in batches]).numpy()
    assert np.array_equal(numbers, columns.numbers(whole.frame))
    assert np.array_equal(torch.cat([batch.labels for batch in batches]).numpy(), whole.labels)
    assert torch.cat([batch.weights for batch in batches]).eq(1).all()


def test_each_row_comes_once_in_a_round_and_in_another_order_in_the_next(source: Source) -> None:
    order, given = Order(3), source()
    first, second = (_round(given, order) for _ in range(2))
    everything = sorted(map(tuple, torch.cat([b.packed for b in given.ordered(64)]).tolist()))
    for batches in (first, second):
        assert len(batches) == -(-COUNT // BATCH)
        assert sorted(map(tuple, torch.cat(batches).tolist())) == everything
    assert not torch.equal(torch.cat(first), torch.cat(second))
    labels = torch.cat(first)[:, 2]
    assert abs(np.corrcoef(np.arange(COUNT), labels.numpy())[0, 1]) < 0.1


@pytest.mark.parametrize("done", [1, 6, 11, 12, 30, 32])
def test_a_round_is_taken_up_where_it_was_left(source: Source, done: int) -> None:
    order = Order(5)
    _round(source(), order)
    undisturbed = [_round(source(), order) for _ in range(2)]
    order = Order(5)
    _round(source(), order)
    left = source().shuffled(order, BATCH, _alone, Clock())
    for _ in range(done):
        next(left)
        order.done += 1
    again = Order(99)
    again.load_state_dict(order.state_dict())
    resumed = [_round(source(), again) for _ in range(2)]
    assert len(resumed[0]) == len(undisturbed[0]) - done
    for mine, expected in zip(resumed, (undisturbed[0][done:], undisturbed[1]), strict=True):
        assert all(torch.equal(a, b) for a, b in zip(mine, expected, strict=True))


def test_processes_share_each_batch(source: Source) -> None:
    alone = _round(source(), Order(5))
    mine, other = (_round(source(), Order(5), Gang(CPU, rank, 2).share) for rank in (0, 1))
    for whole, a, b in zip(alone, mine, other, strict=True):
        assert torch.equal(whole[::2], a)
        assert torch.equal(whole[1::2], b)


@pytest.mark.parametrize("size", [1, 7, 250, 2000], ids=["rows", "sevens", "quarters", "whole"])
def test_a_pass_over_parts_finds_what_all_rows_at_once_say(size: int) -> None:
    count = 2000 if size > 1 else 200
    whole = rows(count, 4, "regression", weighted=True)
    assert whole.weights is not None
    weights = whole.weights
    parts = (
        Rows(whole.frame.iloc[i : i + size], whole.labels[i : i + size], weights[i : i + size])
        for i in range(0, count, size)
    )
    found = scan(parts, CATEGORICAL, NUMERIC, limit=20, rare=5)
    expected = Encoder.fit(whole.frame, CATEGORICAL, NUMERIC, limit=20, rare=5)
    assert found.encoder.categories.keys() == expected.categories.keys()
    for column in CATEGORICAL:
        counts = whole.frame[column].value_counts()
        assert sorted(counts[found.encoder.categories[column]]) == sorted(counts[expected.categories[column]])
    assert found.encoder.flagged == expected.flagged == [False, True]
    np.testing.assert_allclose(found.encoder.means, expected.means, rtol=1e-12)
    np.testing.assert_allclose(found.encoder.scales, expected.scales, rtol=1e-12)
    mean = np.average(whole.labels, weights=weights)
    spread = np.sqrt(np.average((whole.labels - mean) ** 2, weights=weights))
    np.testing.assert_allclose([found.mean, found.scale], [mean, spread], rtol=1e-12)
    assert found.rows == count


def test_a_missing_category_has_a_code_of_its_own(columns: Columns) -> None:
    frame = rows(3, 1).frame.assign(city=["A", None, "Z"])
    assert columns.codes(frame)[:, 0].tolist() == [1, 6, 0]
    assert Columns(columns.encoder, missing_apart=False).codes(frame)[:, 0].tolist() == [1, 0, 0]
    assert columns.rows == [7, len(columns.encoder.categories["shop"]) + 2]
