"""The parts of an evaluation by name, and running those that are asked for within a budget."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from mlcycle.domain.evaluation import (
    abstention,
    baselines,
    behaviour,
    coverage,
    groups,
    importance,
    learning_curve,
    morris,
    of_quantiles,
    recalibration,
    residuals,
    shapley,
    threshold,
    weak_slices,
    worst,
)
from mlcycle.domain.evaluation.figure import plain
from mlcycle.domain.evaluation.subject import Subject
from mlcycle.domain.examples import Rows
from mlcycle.errors import MlcycleError


@dataclass(frozen=True)
class Part:
    """``applies`` says why a part says nothing of a subject; empty where it does say something."""

    run: Callable[[Subject], dict[str, Any]]
    applies: Callable[[Subject], str] = lambda subject: ""


def _of_classes(subject: Subject) -> str:
    if why := _one_answer(subject):
        return why
    return "" if subject.task.probabilities else "a number is answered, no probability"


def _one_answer(subject: Subject) -> str:
    if subject.task.lists:
        return "a score orders the rows of a list, and has no unit of its own"
    return "probabilities of many classes are answered, not one number" if subject.task.many else ""


def _of_numbers(subject: Subject) -> str:
    if why := _one_answer(subject):
        return why
    return "" if not subject.task.probabilities else "a probability is answered, no number"


def _of_quantiles(subject: Subject) -> str:
    return "" if subject.said is not None else "label.quantiles names none"


def _groups_declared(subject: Subject) -> str:
    if why := _one_answer(subject):
        return why
    return "" if subject.wishes.groups else "evaluation.groups names no column"


def _cost(subject: Subject) -> dict[str, Any]:
    return plain(dict(subject.cost))  # type: ignore[no-any-return]


#: In the order in which they run: what costs most comes last, and is left out first.
PARTS: Final[dict[str, Part]] = {
    "figures": Part(baselines.figures),
    "baselines": Part(baselines.beside),
    "threshold": Part(threshold.run, _of_classes),
    "calibration": Part(recalibration.run, _of_classes),
    "quantiles": Part(of_quantiles.run, _of_quantiles),
    "abstention": Part(abstention.run, _of_classes),
    "residuals": Part(residuals.run, _of_numbers),
    "slices": Part(weak_slices.run),
    "errors": Part(worst.run, _one_answer),
    "fairness": Part(groups.run, _groups_declared),
    "cost": Part(_cost),
    "coverage": Part(coverage.run),
    "behaviour": Part(behaviour.run, _one_answer),
    "importance": Part(importance.run),
    "dependence": Part(importance.dependence, _one_answer),
    "morris": Part(morris.run, _one_answer),
    "shapley": Part(shapley.run, _one_answer),
    "learning_curve": Part(learning_curve.run),
}


def run(
    subject: Subject, asked: Sequence[str], budget: float, clock: Callable[[], float]
) -> dict[str, dict[str, Any]]:
    """Every part: what it found, or why it was left out.

    A part that has begun ends; none begins once ``budget`` seconds by ``clock`` are over, but for the
    figures, without which there is nothing to say.

    Returns:
        By name ``status`` (``done``, ``left out``, ``does not apply``, ``not measured``), ``why``,
        ``seconds`` and ``found``.
    """
    began, found = clock(), dict[str, dict[str, Any]]()
    for name, part in PARTS.items():
        if name not in asked:
            found[name] = _left("left out", "evaluation.parts does not name it")
        elif why := part.applies(subject):
            found[name] = _left("does not apply", why)
        elif name != "figures" and clock() - began > budget:
            found[name] = _left("left out", f"evaluation.budget of {budget:g} s was spent before it")
        else:
            start = clock()
            try:
                done = part.run(subject)
            except (MlcycleError, ValueError, ArithmeticError) as error:  # one part is no reason to lose all
                found[name] = _left("not measured", str(error) or type(error).__name__)
                continue
            found[name] = {"status": "done", "why": "", "seconds": clock() - start, "found": done}
    return found


def _left(status: str, why: str) -> dict[str, Any]:
    return {"status": status, "why": why, "seconds": 0.0, "found": {}}


def newest(rows: Rows, share: float) -> Rows:
    """The last ``share`` of rows in order of time, one at least."""
    first = rows.count - max(1, round(share * rows.count))
    weights = rows.weights
    frame = rows.frame.iloc[first:].reset_index(drop=True)
    return Rows(frame, rows.labels[first:], None if weights is None else weights[first:])
