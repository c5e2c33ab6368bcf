"""The training loop: its options do what they say, and none changes what is learnt where it should not."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from mlcycle import models
from mlcycle.domain.metrics import log_loss
from mlcycle.errors import ConfigError, InputError
from mlcycle.models.torch import gang
from tests.table_job import fit, job, losses_of, said


def _told(family: str = "mlp", task: str = "classification", **changes: Any) -> list[dict[str, float]]:
    told: list[dict[str, float]] = []
    of = job(task, lambda _done, _of, figures: told.append(figures), weighted=changes.pop("weighted", False))
    fit(family, of, **changes)
    return told


def test_a_batch_in_pieces_is_the_same_batch() -> None:
    whole, pieces = (
        said(fit("mlp", job(weighted=True), dropout=0.0, accumulate=number), job()) for number in (1, 3)
    )
    np.testing.assert_allclose(pieces, whole, atol=1e-5)
    assert (pieces != whole).any()


def test_rows_from_the_disk_teach_as_much_as_rows_in_memory() -> None:
    of = job()
    resident, streamed = (said(fit("mlp", of, stream=stream), of) for stream in (False, True))
    labels = of.validation.labels
    assert log_loss(labels, streamed) == pytest.approx(log_loss(labels, resident), abs=0.01)
    assert log_loss(labels, streamed) < 0.9 * log_loss(labels, np.full(len(labels), labels.mean()))
    assert np.array_equal(said(fit("mlp", of, stream=True), of), streamed)


def test_the_learning_rate_rises_and_falls() -> None:
    rates = [told["learning_rate"] for told in _told(epochs=4, warmup=0.5, learning_rate=0.01)]
    assert rates[1] == pytest.approx(0.01, rel=0.01)
    assert rates[0] < rates[1] > rates[2] > rates[3]
    assert rates[3] < 1e-5
    falling = [told["learning_rate"] for told in _told(epochs=4, warmup=0.0, learning_rate=0.01)]
    assert sorted(falling, reverse=True) == falling
    assert falling[0] == pytest.approx(0.01 * (1 + np.cos(np.pi / 4)) / 2, rel=0.01)


def test_all_is_told_that_says_how_training_goes() -> None:
    (told, *_) = _told()
    assert set(told) == {
        "train_loss",
        "validation_loss",
        "learning_rate",
        "gradient_norm",
        "rows_per_second",
        "waiting_share",
        "memory_mib",
    }
    assert told["gradient_norm"] > 0
    assert told["rows_per_second"] > 0
    assert 0 <= told["waiting_share"] < 1
    assert told["memory_mib"] > 50


def test_a_gradient_is_clipped_to_what_was_said() -> None:
    """One step from the same weights: with plain SGD's kin the size of the step would tell; AdamW forgets it."""
    free, clipped, never = (_told(epochs=1, clip=clip) for clip in (None, 1e-3, 1e6))
    assert losses_of(free[0]) == losses_of(never[0])
    assert losses_of(free[0]) != losses_of(clipped[0])


def test_a_fit_ends_once_later_rows_are_predicted_no_better() -> None:
    many = _told(epochs=40, patience=2, learning_rate=0.05, weight_decay=0.0, layers=[64, 64])
    assert 3 <= len(many) < 40
    losses = [told["validation_loss"] for told in many]
    assert int(np.argmin(losses)) == len(losses) - 3


def test_the_weights_of_the_best_round_are_kept() -> None:
    told: list[float] = []
    of = job(report=lambda _done, _of, figures: told.append(figures["validation_loss"]))
    model = fit("mlp", of, epochs=12, learning_rate=0.05, layers=[64, 64])
    assert log_loss(of.validation.labels, said(model, of)) == pytest.approx(min(told), abs=1e-6)
    assert model.card.rounds == 1 + int(np.argmin(told)) < 12
    again = fit("mlp", replace(of, rounds=model.card.rounds), epochs=12, learning_rate=0.05, layers=[64, 64])
    assert np.array_equal(said(again, of), said(model, of))


def test_bf16_is_near_and_not_the_same() -> None:
    of = job()
    exact, low = (said(fit("mlp", of, precision=precision), of) for precision in ("fp32", "bf16"))
    assert np.array_equal(said(fit("mlp", of), of), exact)  # what auto is on a CPU
    assert 0 < np.abs(exact - low).max() < 0.1


def test_a_loss_that_is_no_number_ends_the_fit_in_one_line() -> None:
    of = job("regression")
    of.train.labels[7] = np.nan
    with pytest.raises(
        InputError, match=r"mlp diverged in epoch 1: choose a smaller learning_rate, or clip$"
    ):
        fit("mlp", of)


def test_more_pieces_than_rows_are_refused() -> None:
    with pytest.raises(ConfigError, match="accumulate: 9 pieces of a batch of 8 rows: say fewer"):
        models.parse_params("mlp", {"accumulate": 9, "batch_size": 8})


def test_trainings_of_one_machine_take_a_gpu_each_until_there_is_none(tmp_path: Path) -> None:
    names = ["GPU-1/a", "GPU-2/b"]
    with gang.taken(tmp_path, names) as first, gang.taken(tmp_path, names) as second:
        assert (first, second) == (0, 1)
        with gang.taken(tmp_path, names) as third:
            assert third == 0
    with gang.taken(tmp_path, names[1:] + names[:1]) as again, gang.taken(tmp_path, names) as other:
        assert (again, other) == (0, 0)  # by what it is, not by its number
    with gang.taken(None, names) as alone:
        assert alone == 0


def test_a_process_without_a_gpu_of_its_own_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 2)
    assert gang._of_rank(1, torch.cuda.device_count()) == 1
    with (
        pytest.raises(ConfigError, match="process 3 of this machine has no GPU of its own, 2 can be seen"),
        gang.joined("cuda", None, {"LOCAL_RANK": "2"}),
    ):
        pass
