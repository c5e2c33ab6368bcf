"""Rounds of scikit-learn's histogram boosting, told while the trees grow: a fit can be ended at each."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from mlcycle.models.base import Report


@dataclass
class Told:
    """Reports each round of a fit once, in order; ``stop`` once the reporter has said so.

    Args:
        report: the fit's reporter.
        last: rounds in all.
        unit: by which scikit-learn's scores are multiplied to be losses, but for their sign.
        early: whether the fit may end by its losses before the last round.
    """

    report: Report
    last: int
    unit: int
    early: bool
    rounds: int = 0
    stop: bool = False

    @contextmanager
    def as_they_end(self, estimator: Any) -> Iterator[None]:
        """While it is entered, each round of ``estimator.fit`` is reported when its losses are known.

        scikit-learn 1.9 has no callback: its check whether to stop early, which every round ends with, is
        followed by ours. Trees and losses are those of a fit without it. Under a version that has no such
        method rounds are told at the end of each stretch, by :meth:`all_of`.
        """
        check = getattr(estimator, "_check_early_stopping_loss", None)
        if check is None:
            yield
            return

        def checked(*given: Any, **named: Any) -> bool:
            ends = bool(check(*given, **named))
            self.all_of(estimator, ended=ends)
            return ends or self.stop

        estimator._check_early_stopping_loss = checked
        try:
            yield
        finally:
            del estimator._check_early_stopping_loss  # it is no part of the model

    def all_of(self, estimator: Any, *, ended: bool = False) -> None:
        """Report the rounds that have ended and are not told yet; the scores begin before the first tree."""
        scores = getattr(estimator, "validation_score_", [])
        done = len(scores) - 1
        for round_ in range(self.rounds + 1, done + 1):
            losses = {
                "train_loss": -self.unit * float(estimator.train_score_[round_]),
                "validation_loss": -self.unit * float(scores[round_]),
            }
            of = done if ended and self.early else self.last
            self.stop = bool(self.report(round_, of, losses)) or self.stop
            self.rounds = round_


class Together:
    """Rounds of several fits, one after the other, told as one, by the mean of their losses.

    While they run nothing is told and it is only asked whether to stop: the fits after that have one round.
    """

    def __init__(self, report: Report) -> None:
        self._report = report
        self._losses: list[dict[int, dict[str, float]]] = []
        self._stop = False

    def of(self, at: int, count: int) -> Report:
        """The reporter of fit ``at`` of ``count``."""
        self._losses.append({})
        own = self._losses[-1]

        def told(done: int, of: int, losses: dict[str, float]) -> bool:
            own[done] = losses
            self._stop = self._stop or bool(self._report(at * of + done, count * of, {}))
            return self._stop

        return told

    def tell(self) -> None:
        """Report every round; a fit that ended earlier counts with its last losses.

        A round that a dead attempt has told of a fit is known no more, and is left out.
        """
        if not all(self._losses):
            return
        most = max(map(max, self._losses))
        for at in range(1, most + 1):
            rounds = [own.get(min(at, max(own))) for own in self._losses]
            known = [each for each in rounds if each is not None]
            if len(known) == len(rounds):
                self._report(at, most, {name: sum(e[name] for e in known) / len(known) for name in known[0]})
