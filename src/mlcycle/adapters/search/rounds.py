"""What a fit of a trial reports of its rounds: told to MLflow and to the pruner, which may end it."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from mlcycle.adapters.search.alive import Alive
from mlcycle.adapters.search.study import Plan, Taken
from mlcycle.adapters.tracking.server import Tracking
from mlcycle.domain.search import rungs

FLUSH_SECONDS = 2.0
LOOK_SECONDS = 10.0  # between two looks whether a newer attempt has taken over


@dataclass
class Rounds:
    """A reporter: True says stop. ``stopped`` is the round, or the number of rows, after which the pruner
    ended the trial.

    A family that reports once all is over cannot be ended: its trial counts with the value it has.
    """

    taken: Taken
    alive: Alive
    tracking: Tracking
    run_id: str
    plan: Plan
    is_superseded: Callable[[], bool]
    stopped: int = 0
    superseded: bool = False
    _waiting: list[tuple[str, float, int]] = field(default_factory=list)
    _flushed: float = field(default_factory=time.monotonic)
    _looked: float = field(default_factory=time.monotonic)

    def __call__(self, done: int, of: int, losses: dict[str, float]) -> bool:
        """Take note of a round. True where the fit is to end."""
        if done > self.stopped:
            self.stopped = 0
        self._waiting += [(name, value, done) for name, value in losses.items()]
        if done == of or time.monotonic() - self._flushed > FLUSH_SECONDS:
            self.flush()
        return self.asks() or self._is_hopeless(done, of, losses.get("validation_loss"))

    def asks(self, *_: object) -> bool:
        """Whether the trial is to end because somebody else has it; a reporter that tells nothing."""
        if self.alive.gone:
            return True
        if time.monotonic() - self._looked > LOOK_SECONDS:
            self._looked = time.monotonic()
            self.superseded = self.is_superseded()
        return self.superseded

    @property
    def ended(self) -> bool:
        """Whether the trial ended before its time."""
        return bool(self.stopped or self.superseded or self.alive.gone)

    def judge(self, rows: int, step: int, value: float, *, last: bool) -> None:
        """Tell the pruner what fits on so many rows are worth; ``stopped`` once it says that this is enough.

        Args:
            rows: the fit's.
            step: how many times the fewest rows they are.
            value: the search's metric.
            last: whether these are all rows.
        """
        if not last:
            self.tracking.log(self.run_id, metrics=[(f"validation_{self.plan.metric}_by_rows", value, rows)])
        if self._prunes(value, step, last=last):
            self.stopped = rows

    def flush(self) -> None:
        """Send what is waiting."""
        if self._waiting:
            self.tracking.log(self.run_id, metrics=self._waiting)
        self._waiting, self._flushed = [], time.monotonic()

    def _is_hopeless(self, done: int, of: int, loss: float | None) -> bool:
        """Ask the pruner, at the rounds where it judges: by the loss, whatever the metric is."""
        plan = self.plan
        if plan.pruner == "none" or plan.fidelity != "rounds" or loss is None or done not in rungs(of):
            return False
        if self._prunes(-loss if plan.higher else loss, done, last=done >= of):
            self.stopped = done
        return self.ended

    def _prunes(self, value: float, step: int, *, last: bool) -> bool:
        from optuna.exceptions import UpdateFinishedTrialError

        try:
            self.taken.trial.report(value, step)
            return not last and bool(self.taken.trial.should_prune())
        except UpdateFinishedTrialError:
            self.alive.gone = True
            return False
