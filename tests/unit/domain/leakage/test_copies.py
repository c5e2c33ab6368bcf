"""Rows under another key: copies are refused, coincidences of few values are not."""

import numpy as np
import pytest

from mlcycle.domain.leakage import copies
from mlcycle.domain.leakage.copies import Copies
from mlcycle.errors import LeakageError

RNG = np.random.default_rng(5)
TRAIN, LATER = 8000, 2000


def hashed(values: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(values, dtype=np.float64).view(np.uint64)


def judge(
    columns: dict[str, np.ndarray], label: np.ndarray, keys: np.ndarray, task: str = "classification"
) -> None:
    found = Copies(task)
    for rows, train in ((slice(0, TRAIN), True), (slice(TRAIN, None), False)):
        part = {name: hashed(values[rows]) for name, values in columns.items()}
        found.add(part, hashed(keys[rows]), label[rows], train=train)
    found.check()


def rows(continuous: bool, copied: int, *, labels: bool = True) -> tuple[dict[str, np.ndarray], np.ndarray]:
    count = TRAIN + LATER
    columns = {"c": RNG.integers(0, 4, count) * 1.0, "d": RNG.integers(0, 6, count) * 1.0}
    if continuous:
        columns |= {"x": RNG.normal(size=count), "y": RNG.normal(size=count).round(2)}
    label = (RNG.random(count) < 0.3).astype(float)
    source = RNG.choice(TRAIN, copied, replace=False)
    for values in [*columns.values(), *([label] if labels else [])]:
        values[TRAIN : TRAIN + copied] = values[source]
    return columns, label


KEYS = np.arange(TRAIN + LATER, dtype=float)


def test_training_rows_under_other_keys_are_refused() -> None:
    columns, label = rows(True, 60)
    with pytest.raises(
        LeakageError, match=r"^60 rows of validation and holdout are training rows under another key"
    ):
        judge(columns, label, KEYS)
    judge({**columns, "x": columns["x"] + 1e-9 * KEYS}, label, KEYS)


def test_the_same_entity_again_is_no_copy() -> None:
    columns, label = rows(True, 0)
    keys = np.arange(TRAIN + LATER) % LATER * 1.0
    again = {name: np.tile(values[:LATER], 5) for name, values in columns.items()}
    judge(again, np.tile(label[:LATER], 5), keys)


def test_few_values_coincide_honestly() -> None:
    judge(*rows(False, 0), KEYS)
    columns, _ = rows(False, 0)
    judge(columns, (columns["c"] > 1) * 1.0, KEYS)  # wholly determined


def test_the_same_inputs_with_labels_of_their_own_are_no_copies() -> None:
    judge(*rows(True, 60, labels=False), KEYS)


def test_a_project_without_inputs_has_no_copies() -> None:
    judge({}, np.ones(TRAIN + LATER), KEYS)


def test_too_few_to_matter_pass() -> None:
    judge(*rows(True, copies.MIN_COPIES - 1), KEYS)


def test_copies_of_a_value_are_refused() -> None:
    columns, _ = rows(True, 40)
    with pytest.raises(LeakageError, match=r"^40 rows"):
        judge(columns, columns["x"] * 2, KEYS, "regression")


def test_what_is_kept_is_bounded_and_still_tells(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(copies, "MOST_ROWS", 1500)
    columns, label = rows(True, 1000)
    found = Copies("classification")
    found.add(
        {n: hashed(v[:TRAIN]) for n, v in columns.items()}, hashed(KEYS[:TRAIN]), label[:TRAIN], train=True
    )
    found.add(
        {n: hashed(v[TRAIN:]) for n, v in columns.items()}, hashed(KEYS[TRAIN:]), label[TRAIN:], train=False
    )
    assert max(len(kept) for kept in found._rows) <= 1500
    with pytest.raises(LeakageError) as caught:
        found.check()
    assert 700 < int(caught.value.message.split()[0]) < 1300
