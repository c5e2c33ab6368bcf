"""The rows that cost most, and what they have in common."""

from typing import Any

import numpy as np

from mlcycle.domain.evaluation.figure import cell, plain
from mlcycle.domain.evaluation.groups import largest, texts_of
from mlcycle.domain.evaluation.subject import LARGE, Subject

ROWS = 20
SHARE = 0.01  # of rows, whose values are compared with all others'
LEAST = 50
MOST_VALUES = 50
SHOWN = 10


def run(subject: Subject) -> dict[str, Any]:
    """The worst rows with their inputs, how much of all loss the worst hundredth has, and its values."""
    loss = subject.task.row_loss(subject.labels, subject.predictions)
    order = np.argsort(-loss, kind="stable")
    count = min(len(loss), max(LEAST, round(SHARE * len(loss))))
    top = np.zeros(len(loss), dtype=bool)
    top[order[:count]] = True
    frame, names = subject.holdout.frame, subject.inputs
    rows = [
        {
            **{name: cell(frame[name].iloc[at]) for name in ("entity_key", "event_time") if name in frame},
            "label": subject.labels[at],
            "prediction": subject.predictions[at],
            "loss": loss[at],
            **{name: cell(frame[name].iloc[at]) for name in names},
        }
        for at in order[:ROWS].tolist()
    ]
    return plain(  # type: ignore[no-any-return]
        {
            "rows": rows,
            "worst": count,
            "share_of_loss": float(loss[top].sum() / max(loss.sum(), 1e-300)),
            "values": _values(subject, top) if count < len(loss) else [],
        }
    )


def _values(subject: Subject, top: Any) -> list[dict[str, Any]]:
    """Categories that are more frequent among the worst than among all, by how much."""
    found, rows = list[dict[str, Any]](), subject.rows(LARGE)
    frame = subject.holdout.frame
    if len(rows) < len(top):  # all of the worst, and some of the others
        rows = np.union1d(rows[~top[rows]], np.flatnonzero(top))
        frame, top = frame.iloc[rows], top[rows]
    for name in subject.categorical:
        texts = texts_of(frame[name])
        for value in largest(texts, MOST_VALUES):
            own = texts == value
            among, usual = float(own[top].mean()), float(own.mean())
            found.append({"name": f"{name}={value}", "among_worst": among, "among_all": usual})
    return sorted(found, key=lambda each: each["among_all"] - each["among_worst"])[:SHOWN]
