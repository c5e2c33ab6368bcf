"""How the model answers where inputs are changed on purpose.

Noise in a number must not turn answers over; a column that must not matter must not; where a project says
that more of a number means more (or less), no row may answer the other way. Source: M. Ribeiro et al.,
"Beyond accuracy: behavioral testing of NLP models with CheckList", 2020 (invariance, directions).
"""

from typing import Any

import numpy as np

from mlcycle.domain.evaluation.coverage import numbers
from mlcycle.domain.evaluation.figure import plain
from mlcycle.domain.evaluation.subject import SEED, Subject
from mlcycle.domain.metrics import Array

NOISE = 0.1  # standard deviations of the column
STEP = 0.5
SAME = 1e-9


def run(subject: Subject) -> dict[str, Any]:
    """Answers of the sample under each change, in the unit of predictions."""
    frame = subject.sampled
    base, labels = subject.predict(frame), subject.labels[subject.sample]
    random = np.random.default_rng(SEED)
    noisy = {}
    for name in subject.numeric:
        values = numbers(frame[name])
        spread = float(np.nanstd(values)) if np.isfinite(values).any() else 0.0
        moved = subject.predict(
            frame.assign(**{name: values + random.normal(0, NOISE * spread, len(values))})
        )
        noisy[name] = {
            "moved": float(np.abs(moved - base).mean()),
            "most": float(np.abs(moved - base).max()),
            "loss": _loss(subject, labels, moved) - _loss(subject, labels, base),
        }
    return plain(  # type: ignore[no-any-return]
        {
            "rows": subject.shown_sample,
            "noise": NOISE,
            "by_noise": noisy,
            "must_not_matter": {
                name: _unmoved(subject, frame, base, name, random) for name in subject.wishes.must_not_matter
            },
            "directions": {
                name: _direction(subject, frame, base, name, str(way))
                for name, way in subject.wishes.directions.items()
            },
        }
    )


def _loss(subject: Subject, labels: Array, predictions: Array) -> float:
    return float(subject.task.row_loss(labels, predictions).mean())


def _unmoved(
    subject: Subject, frame: Any, base: Array, name: str, random: np.random.Generator
) -> dict[str, Any]:
    """The column's values are dealt out anew."""
    dealt = frame[name].iloc[random.permutation(len(frame))].reset_index(drop=True)
    moved = np.abs(subject.predict(frame.assign(**{name: dealt})) - base)
    changed = float((moved > SAME).mean())
    return {"rows_moved": changed, "most": float(moved.max()), "kept": changed == 0}


def _direction(subject: Subject, frame: Any, base: Array, name: str, way: str) -> dict[str, Any]:
    """The number raised by half a standard deviation: how many rows answer against the declared way."""
    values = numbers(frame[name])
    known = np.isfinite(values)
    step = STEP * float(np.nanstd(values)) if known.any() else 0.0
    moved = (subject.predict(frame.assign(**{name: values + step})) - base)[known]
    against = moved < -SAME if way == "up" else moved > SAME
    share = float(against.mean()) if len(moved) else 0.0
    return {
        "way": way,
        "step": step,
        "against": share,
        "mean": float(moved.mean()) if len(moved) else 0.0,
        "kept": share == 0,
    }
