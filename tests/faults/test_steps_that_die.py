"""FAULTS rows 1, 2 and 4: a step that is killed, or stopped and woken again, publishes exactly once.

Each step is a real process, forked by the step server as on a laptop. Where chance is not the fault
itself, the step is caught at the very point: behind its commit, or before its publication.
"""

import signal
import time
from collections.abc import Callable

import pytest

from mlcycle.contract import Result, Status
from tests.conftest import Platform
from tests.faults.chance import runs, seeded
from tests.faults.lives import (
    Life,
    Moment,
    Try,
    allow_second_records,
    clone,
    fingerprint,
    gate_behind_commit,
    publications,
    published_by,
    wait_until,
    writers,
)

#: What one life holds; the steps of training come from one short training.
STEPS = [
    *(f"{step}-{table}" for step in ("extract", "validate", "publish") for table in ("flights", "weather")),
    *("features", "materialize", "dataset", "train-boosting", "evaluate", "register", "compare"),
    *("refit-boosting", "promote", "reconcile", "score", "labels", "monitor"),
]
#: Those that publish in the warehouse; the others only leave objects named by their content.
PUBLISHING = [step for step in STEPS if not step.startswith(("extract", "validate", "reconcile"))]


class Trial:
    """One step about to run on a database of its own."""

    def __init__(self, life: Life, server: str, step: str) -> None:
        # On the single day, where the life has one, else on the range.
        self.before: Moment = life.moments.get(f"{step}-again") or life.moments[step]
        self._life, self._server = life, server
        self.platform: Platform = clone(self.before.before, f"{self.before.before.database}_t")

    def attempt(self, *arranged: str) -> Try:
        """Begin an attempt."""
        return Try(self._server, self.platform, self._life.env, self.before.request, *arranged)

    def retried(self, *arranged: str) -> Result | None:
        """What Airflow does: again, as long as the error may pass."""
        for _ in range(3):
            result = self.attempt(*arranged).end()
            if result is not None and not (result.error and result.error.retryable):
                return result
        return result

    def publications(self) -> int:
        """How many there are of the work."""
        return publications(self.platform, self.before.request.work)

    def writers(self) -> list[int]:
        """Which attempts made them: 0 is the newest."""
        return writers(self.platform, self.before.request.work)

    def check(self, result: Result | None) -> None:
        """The warehouse holds what an undisturbed run leaves, published once, and the step says so."""
        assert result is not None, "no result"
        assert result.status is self.before.result.status, result.message
        assert self.publications() == self.before.publications, "published more or less than once"
        held, wanted = fingerprint(self.platform), self.before.after
        if (
            self.before.request.step == "refit"
        ):  # its run, and so its version, is the attempt's own: count them
            versions = "ledger.model_version"
            assert held.pop(versions)[0] == wanted[versions][0]
        assert {k: v for k, v in held.items() if v != wanted[k]} == {}

    def check_newest_wrote(self) -> None:
        """Everything there is was published by the newest attempt."""
        assert self.writers() == [0] * self.before.publications, "an old attempt has published"


# 1: killed at a random moment, then retried


@pytest.mark.parametrize("step", STEPS)
def test_killed_at_a_random_moment_then_retried(life: Life, server: str, step: str) -> None:
    for run in runs(3):
        with seeded(f"killed {step}", run) as chance:
            trial = Trial(life, server, step)
            attempt = trial.attempt()
            time.sleep(chance.uniform(0, trial.before.seconds * 1.2))
            attempt.signal(signal.SIGKILL)
            attempt.end()
            trial.check(trial.retried())


@pytest.mark.parametrize("step", PUBLISHING)
def test_killed_when_all_is_written_and_nothing_committed(life: Life, server: str, step: str) -> None:
    trial = Trial(life, server, step)
    assert trial.attempt("die_before_record").end() is None
    trial.check(trial.retried())


@pytest.mark.parametrize("step", ["compare", "promote"])
def test_the_checker_sees_a_publication_in_pieces(life: Life, server: str, step: str) -> None:
    """The guard off: were the writes and their record not one transaction, the test above would fail."""
    trial = Trial(life, server, step)
    assert trial.attempt("die_before_record", "without_transaction").end() is None
    with pytest.raises(AssertionError):
        trial.check(trial.retried())


# 2: killed after the commit, before the result


def kill_behind_commit(trial: Trial) -> None:
    """Kill a step that has published everything, and has neither closed its attempt nor left a result."""
    gate = gate_behind_commit(trial.platform)
    attempt = trial.attempt()
    wait_until(lambda: gate.waiting() == 1, "the step did not reach its end")
    attempt.signal(signal.SIGKILL)
    assert attempt.end() is None
    gate.open()
    trial.platform.owner().query("drop trigger wait on ledger.attempt")


@pytest.mark.parametrize("step", PUBLISHING)
def test_killed_after_the_commit_before_the_result(life: Life, server: str, step: str) -> None:
    trial = Trial(life, server, step)
    allow_second_records(trial.platform)
    kill_behind_commit(trial)
    assert trial.publications() == trial.before.publications
    trial.check(trial.retried())
    assert set(trial.writers()) == {1}, "the retry saw the commit and wrote nothing"


@pytest.mark.parametrize("step", ["publish-flights", "features", "dataset", "compare", "score", "monitor"])
def test_the_checker_sees_a_retry_that_does_not_look(life: Life, server: str, step: str) -> None:
    """The guard off: a retry that takes no notice of what is published doubles it."""
    trial = Trial(life, server, step)
    allow_second_records(trial.platform)
    kill_behind_commit(trial)
    result = trial.retried("without_replay")
    assert trial.publications() > trial.before.publications
    with pytest.raises(AssertionError, match="published more or less than once"):
        trial.check(result)


# 4: stopped, retried, woken


@pytest.mark.parametrize("step", ["publish-flights", "features", "score", "labels", "promote"])
def test_stopped_retried_then_woken_publishes_nothing(life: Life, server: str, step: str) -> None:
    """Stopped anywhere, so also inside a transaction, which the server then ends."""
    for run in runs(4):
        with seeded(f"stopped {step}", run) as chance:
            trial = Trial(life, server, step)
            # What an administrator would set; 30 min by default.
            name = trial.platform.database
            trial.platform.owner().query(f"alter database {name} set transaction_timeout = '1s'")
            old = trial.attempt()
            time.sleep(chance.uniform(0.01, trial.before.seconds))
            old.signal(signal.SIGSTOP)
            # The retry's own may take as long as they like: a busy machine takes more than a second.
            trial.platform.owner().query(f"alter database {name} reset transaction_timeout")
            result = trial.retried()
            # By token: one that was stopped before it had opened its attempt is the newest once it is woken.
            held = published_by(trial.platform, trial.before.request.work)
            old.signal(signal.SIGCONT)
            woken = old.end()
            trial.check(result)
            now = published_by(trial.platform, trial.before.request.work)
            assert now == held, "an old attempt has published"
            assert woken is None or woken.status in (Status.OK, trial.before.result.status, Status.FAILED)


def woken_after_its_retry(trial: Trial, *arranged: str) -> tuple[Result | None, Result | None]:
    """An attempt that stands before its publication until the retry is through: its result, the retry's."""
    old = trial.attempt("stop_before_publication", *arranged)
    old.until_stopped()
    result = trial.retried()
    old.signal(signal.SIGCONT)
    return old.end(), result


def woken_beside_its_retry(trial: Trial, *arranged: str) -> tuple[Result | None, Result | None]:
    """One that goes on while the retry has begun and not published yet."""
    old = trial.attempt("stop_before_publication", *arranged)
    old.until_stopped()
    newer = trial.attempt("stop_before_publication")
    newer.until_stopped()
    old.signal(signal.SIGCONT)
    woken = old.end()
    newer.signal(signal.SIGCONT)
    return woken, newer.end()


Wake = Callable[..., tuple[Result | None, Result | None]]
FEW = ["publish-flights", "features", "score", "labels"]


@pytest.mark.parametrize(
    ("step", "wake"),
    [
        *(pytest.param(step, woken_after_its_retry, id=f"{step}-after") for step in PUBLISHING),
        *(pytest.param(step, woken_beside_its_retry, id=f"{step}-beside") for step in [*FEW, "promote"]),
    ],
)
def test_stopped_before_its_publication_is_refused(life: Life, server: str, step: str, wake: Wake) -> None:
    trial = Trial(life, server, step)
    allow_second_records(trial.platform)
    woken, result = wake(trial)
    trial.check(result)
    trial.check_newest_wrote()
    assert woken is not None
    assert woken.error is not None
    assert woken.error.kind == "superseded"


@pytest.mark.parametrize("wake", [woken_after_its_retry, woken_beside_its_retry], ids=["after", "beside"])
@pytest.mark.parametrize("step", FEW)
def test_the_checker_sees_an_old_attempt_publish(life: Life, server: str, step: str, wake: Wake) -> None:
    """The fencing token off: the old attempt publishes, and nothing else would have stopped it."""
    trial = Trial(life, server, step)
    allow_second_records(trial.platform)
    wake(trial, "without_fencing")
    assert max(trial.writers()) > 0
    with pytest.raises(AssertionError, match="an old attempt has published"):
        trial.check_newest_wrote()
