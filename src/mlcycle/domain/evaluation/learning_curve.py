"""Whether more rows would help: the same model fitted on the newest tenth, quarter and half of the rows.

The newest, because that is what a shorter history would be. Where the loss still falls from half to all, more
history (or more rows a day) is worth asking for.
"""

from typing import Any

from mlcycle.domain.evaluation.baselines import _gain
from mlcycle.domain.evaluation.figure import plain
from mlcycle.domain.evaluation.subject import Subject
from mlcycle.errors import InputError

SHARES = (0.1, 0.25, 0.5)


def run(subject: Subject) -> dict[str, Any]:
    """The metric of each fit on the holdout, and how much better all rows are than that."""
    if subject.refit is None:
        raise InputError("this model cannot be fitted again here")
    metric, points = subject.wishes.metric, list[dict[str, Any]]()
    for share in SHARES:
        answers = subject.refit(share)
        readings = subject.task.readings(subject.labels, answers, subject.holdout.weights)
        gain = _gain(subject, metric, answers)
        points.append({"share": share, "metric": readings[metric], "all_rows_better_by": gain})
    whole = subject.task.readings(subject.labels, subject.judged, subject.holdout.weights)[metric]
    points.append({"share": 1.0, "metric": whole, "all_rows_better_by": None})
    for point in points:
        if not isinstance(point["metric"], float):
            point["metric"] = None
    return plain({"metric": metric, "points": points})  # type: ignore[no-any-return]
