"""A fit that died goes on where it was, and ends as if nothing had happened."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from mlcycle import models
from mlcycle.models import checkpoint
from mlcycle.models.base import Job, Model
from tests.table_job import PARAMS, losses_of
from tests.table_job import job as make_job

TASKS = ["classification", "regression"]


class Dies(Exception):
    """What a kill is in these tests."""


def _train(job: Job, task: str, report: Any, folder: Path | None, **changes: Any) -> Model:
    params = models.parse_params("deep_cross", {**PARAMS, "batch_size": 256, "epochs": 4, **changes})
    job = dataclasses.replace(job, report=report, checkpoints=folder)
    return models.family("deep_cross").fit(job, params, "deep_cross")


@pytest.fixture(params=TASKS)
def task(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def job(task: str) -> Job:
    return make_job(task)


@pytest.fixture(autouse=True)
def _every_round(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checkpoint, "EVERY", 0.0)


def test_a_retry_ends_with_the_losses_of_an_undisturbed_run(job: Job, task: str, tmp_path: Path) -> None:
    undisturbed: list[dict[str, float]] = []
    whole = _train(job, task, lambda _done, _of, losses: undisturbed.append(losses), None)
    seen: list[tuple[int, dict[str, float]]] = []

    def die_in_the_third(done: int, _of: int, losses: dict[str, float]) -> None:
        seen.append((done, losses))
        if done == 3:
            raise Dies

    with pytest.raises(Dies):
        _train(job, task, die_in_the_third, tmp_path)
    again: list[tuple[int, dict[str, float]]] = []
    resumed = _train(job, task, lambda done, _of, losses: again.append((done, losses)), tmp_path)
    assert [done for done, _ in again] == [3, 4]  # the third had not been kept
    assert [losses_of(losses) for _, losses in [*seen[:2], *again]] == [*map(losses_of, undisturbed)]
    rows = job.validation.whole().frame
    assert np.array_equal(whole.predict(rows), resumed.predict(rows))


@pytest.mark.parametrize("left", [b"", b"PK\x03\x04 half a file"], ids=["empty", "cut off"])
def test_a_broken_checkpoint_costs_time_only(job: Job, task: str, tmp_path: Path, left: bytes) -> None:
    (tmp_path / checkpoint.FILE).write_bytes(left)
    rounds: list[int] = []
    _train(job, task, lambda done, *_: rounds.append(done), tmp_path)
    assert rounds == [1, 2, 3, 4]


def test_a_checkpoint_of_other_parameters_is_not_taken(job: Job, task: str, tmp_path: Path) -> None:
    _train(job, task, lambda *_: None, tmp_path)
    rounds: list[int] = []
    _train(job, task, lambda done, *_: rounds.append(done), tmp_path, learning_rate=0.002)
    assert rounds == [1, 2, 3, 4]


def test_a_reporter_can_say_stop(job: Job, task: str) -> None:
    rounds: list[int] = []

    def enough(done: int, *_: object) -> bool:
        rounds.append(done)
        return done == 2

    model = _train(job, task, enough, None)
    assert rounds == [1, 2]
    assert np.isfinite(model.predict(job.validation.whole().frame)).all()
