"""FAULTS rows 1, 2 and 4: a step that is killed, or stopped and woken again, publishes exactly once.

Each step is a real process, forked by the step server as on a laptop. A failure names its seed:
``MLCYCLE_FAULT_SEED=... pytest ...`` repeats it, ``MLCYCLE_FAULT_RUNS=20`` tries each step twenty times.
"""

import os
import random
import signal
import time
from collections.abc import Iterator

import pytest

from mlcycle.contract import Result, Status
from mlcycle.project import Project
from mlcycle.project_file import load_named
from tests.conftest import ROOT, Platform, free_port
from tests.faults.lives import Life, Moment, Try, clone, fingerprint, live, publications, step_server
from tests.services import mlflow_server, world_server

RUNS = int(os.environ.get("MLCYCLE_FAULT_RUNS", "3"))
SEED = int(os.environ.get("MLCYCLE_FAULT_SEED", "0")) or random.SystemRandom().randrange(1, 2**31)
FIRST, LAST, DAY = "2013-01-01", "2013-02-10", "2013-02-11"
#: What one life holds; the steps of training come from one short training.
STEPS = [
    *(f"{step}-{table}" for step in ("extract", "validate", "publish") for table in ("flights", "weather")),
    *("features", "materialize", "dataset", "train-boosting", "evaluate", "register", "compare"),
    *("promote", "reconcile", "score", "labels", "monitor"),
]


def small() -> Project:
    document = load_named(ROOT / "projects", "flights").document()
    document["split"] |= {"holdout": "7 days", "validation": "7 days"}
    document["candidates"]["boosting"]["params"]["max_iter"] = 10
    del document["candidates"]["network"]
    return Project.model_validate(document)


@pytest.fixture(scope="module")
def module_world(module_platform: Platform) -> Iterator[str]:
    with world_server(module_platform.folder / "world", free_port()) as url:
        yield url


@pytest.fixture(scope="module")
def life(module_platform: Platform, module_world: str) -> Iterator[Life]:
    """One undisturbed life of the project, each step's moment kept."""
    folder = module_platform.folder
    with mlflow_server(folder / "mlflow", free_port()) as mlflow:
        stages = [
            ("ingest", {"first": FIRST, "last": LAST}),
            ("features", {"first": FIRST, "last": LAST}),
            ("train", {"last": LAST}),
            ("promote", {"last": LAST}),
            *((stage, {"last": DAY}) for stage in ("ingest", "features", "score", "monitor")),
        ]
        env = {"MLCYCLE_MLFLOW_URL": mlflow, "MLCYCLE_SOURCE_URL": module_world}
        yield live(module_platform, small(), stages, env)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with step_server(tmp_path_factory.mktemp("steps")) as socket:
        yield socket


def moment(life: Life, step: str) -> Moment:
    """The step's moment on the single day, where the life has one, else on the range."""
    return life.moments.get(f"{step}-again") or life.moments[step]


def check(trial: Platform, before: Moment, result: Result | None) -> None:
    """The warehouse holds what an undisturbed run leaves, published once."""
    assert result is not None
    assert result.status is before.result.status, result.message
    held, wanted = fingerprint(trial), before.after
    assert {k: v for k, v in held.items() if v != wanted[k]} == {}
    assert publications(trial, before.request.work) == before.publications


def retried(server: str, trial: Platform, life: Life, before: Moment) -> Result | None:
    for _ in range(3):
        result = Try(server, trial, life.env, before.request).end()
        if result is not None and not (result.error and result.error.retryable):
            return result
    return result


@pytest.mark.parametrize("step", STEPS)
def test_killed_at_a_random_moment_then_retried(life: Life, server: str, step: str) -> None:
    before, chance = moment(life, step), random.Random(f"{SEED}-{step}")
    for run in range(RUNS if before.seconds < 2 else max(3, RUNS // 5)):
        trial = clone(before.before, f"{before.before.database}_t")
        attempt = Try(server, trial, life.env, before.request)
        time.sleep(chance.uniform(0, before.seconds * 1.2))
        attempt.signal(signal.SIGKILL)
        attempt.end()
        try:
            check(trial, before, retried(server, trial, life, before))
        except AssertionError as error:
            raise AssertionError(f"seed {SEED}, step {step}, run {run}: {error}") from error


def test_killed_after_the_commit_before_the_result(life: Life, server: str) -> None:
    """The checker holds the attempts' table, so that a step stands still right behind its commit."""
    for step in ("publish-flights", "features", "score", "labels"):
        before = moment(life, step)
        trial = clone(before.before, f"{before.before.database}_t")
        for _ in range(10):
            attempt = _stand_behind_commit(server, trial, life, before)
            if attempt is not None:
                break
            trial = clone(before.before, f"{before.before.database}_t")
        assert attempt is not None, f"{step} could not be caught behind its commit"
        made = publications(trial, before.request.work)
        result = retried(server, trial, life, before)
        assert result is not None
        assert result.status is Status.OK, result.message
        assert publications(trial, before.request.work) == made
        check(trial, before, result)


def _stand_behind_commit(server: str, trial: Platform, life: Life, before: Moment) -> Try | None:
    """Kill a step that has committed and waits to close its attempt; None if it was too quick."""
    holder = trial.owner()
    attempt = Try(server, trial, life.env, before.request)
    deadline = time.monotonic() + 30
    while not holder.query("select 1 from ledger.attempt where work = %s", (before.request.work,)):
        assert time.monotonic() < deadline
    with holder.transaction() as cursor:
        cursor.execute("lock table ledger.attempt in share mode")
        while True:
            cursor.execute("select state from ledger.attempt where work = %s", (before.request.work,))
            if cursor.fetchone() != ("running",):
                attempt.end()
                return None
            cursor.execute("select pg_stat_clear_snapshot()")  # else a transaction sees one moment for good
            cursor.execute(
                """select count(*) from pg_stat_activity
                   where wait_event_type = 'Lock' and query like '%ledger.attempt set state%'
                     and datname = current_database()"""
            )
            if cursor.fetchone() == (1,):
                attempt.signal(signal.SIGKILL)
                attempt.end()
                return attempt
            assert time.monotonic() < deadline, "the step did not reach its end"
            time.sleep(0.002)


@pytest.mark.parametrize("step", ["publish-flights", "features", "score", "labels", "promote"])
def test_stopped_retried_then_woken_publishes_nothing(life: Life, server: str, step: str) -> None:
    before, chance = moment(life, step), random.Random(f"{SEED}-{step}-stop")
    for run in range(max(4, RUNS // 4)):
        trial = clone(before.before, f"{before.before.database}_t")
        with trial.owner().transaction() as cursor:  # what an administrator would set; 60 s by default
            cursor.execute(f"alter database {trial.database} set transaction_timeout = '1s'")
        old = Try(server, trial, life.env, before.request)
        time.sleep(chance.uniform(0.01, before.seconds))
        old.signal(signal.SIGSTOP)
        result = retried(server, trial, life, before)
        old.signal(signal.SIGCONT)
        woken = old.end()
        try:
            check(trial, before, result)
            assert woken is None or woken.status in (Status.OK, before.result.status, Status.FAILED)
        except AssertionError as error:
            raise AssertionError(f"seed {SEED}, step {step}, run {run}: {error}") from error
