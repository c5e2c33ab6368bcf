"""Whether predictions say how often they come true, and whether a curve says it better.

Curves are fitted on the earlier half of the validation rows; ``kept`` is what their later half says of them,
which neither a weight nor the curve was learnt from (``own_rows``), ``better`` what the holdout says.
"""

from typing import Any

from mlcycle.domain.evaluation.figure import SURE, Figure, plain
from mlcycle.domain.evaluation.own_rows import choose
from mlcycle.domain.evaluation.subject import Subject
from mlcycle.domain.guardrails import calibration as guard
from mlcycle.domain.metrics import Array, calibration, log_loss
from mlcycle.domain.paired import paired_blocks

BINS = 10


def expected_error(labels: Array, predictions: Array, bins: int = BINS) -> float:
    """Expected calibration error: the mean distance of mean prediction and mean label over equal bins.

    Above nought by chance alone; ``guardrails.calibration.error`` is the one that luck cancels from.
    """
    groups = calibration(labels, predictions, bins)
    return float(sum(rows * abs(said - seen) for said, seen, rows in groups) / len(labels))


def run(subject: Subject) -> dict[str, Any]:
    """Reliability as it is, and after either curve: with error, log loss, and whether it is surely better."""
    chosen = choose(
        subject.validation.labels, subject.before, subject.earlier_blocks, "auto", subject.validation.weights
    )
    found = {}
    for name, curve in chosen.curves.items():
        changed = curve(subject.predictions)
        paired = paired_blocks("log_loss", subject.labels, subject.predictions, changed, subject.blocks)
        gain = (
            Figure(paired.gain, why="too few blocks of time for an interval")
            if paired.spread is None
            else Figure(paired.gain, *paired.spread.interval(SURE))
        )
        found[name] = {
            **_as_it_is(subject, changed),
            "gain": plain(gain),
            "better": gain.low is not None and gain.low > 0,
            "gain_on_own_rows": plain(chosen.gains[name]),
            "kept": chosen.calibrator is curve,
        }
    rows = {"fitted": chosen.fitted, "judged": chosen.judged}
    return {
        **_as_it_is(subject, subject.predictions),
        "served": subject.served_curve,
        "curves": found,
        "why": chosen.why,
        "own_rows": rows,
    }


def _as_it_is(subject: Subject, predictions: Array) -> dict[str, Any]:
    spread = guard.error(subject.labels, predictions, subject.blocks)
    if spread is None:
        why = "too few blocks of time for an interval"
        error = Figure(expected_error(subject.labels, predictions), why=why)
    else:
        low, high = spread.interval(SURE)
        error = Figure(max(spread.gain, 0.0), max(low, 0.0), max(high, 0.0))
    return {
        "ece": plain(error),
        "ece_plain": expected_error(subject.labels, predictions),
        "log_loss": log_loss(subject.labels, predictions, subject.holdout.weights),
        "reliability": plain(calibration(subject.labels, predictions, BINS)),
    }
