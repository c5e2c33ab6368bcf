"""``table_job`` with a text beside, whose words tell far more of the label; the same each time."""

from typing import Any

import numpy as np

from mlcycle.domain.examples import Rows
from mlcycle.models.base import Job
from tests import table_job

GOOD, BAD = ["prompt", "kind", "clean", "fresh"], ["broken", "rude", "late", "torn"]
FILLERS = ["the", "parcel", "was", "and", "driver", "box", "again", "today", "it", "came", "very"]


def remarks(draw: np.random.Generator, moods: Any) -> list[str | None]:
    """A remark of some words for each mood, the greater the better; one in twenty is missing."""
    said: list[str | None] = []
    for mood in moods:
        words = list(draw.choice(FILLERS, draw.integers(3, 9)))
        for _ in range(3):
            good = draw.random() < 1 / (1 + np.exp(-2 * mood))
            words.insert(int(draw.integers(0, len(words) + 1)), str(draw.choice(GOOD if good else BAD)))
        said.append(None if draw.random() < 0.05 else " ".join(words).capitalize() + ".")
    return said


def rows(count: int, seed: int, task: str = "classification") -> Rows:
    """The label is mostly the mood that the remark says, a little of the city and the price."""
    draw = np.random.default_rng([29, seed])
    frame = table_job.rows(count, seed).frame
    mood = draw.normal(size=count)
    signal = 2.5 * mood + 0.4 * frame["price"].to_numpy() + draw.logistic(size=count)
    labels = 10 * signal + 50
    if task == "classification":
        labels = (signal > 0).astype(float)
    elif task == "multiclass":
        labels = np.digitize(signal, [-1.5, 1.0]).astype(float)
    return Rows(frame.assign(said=remarks(draw, mood)), labels)


def job(task: str = "classification", count: int = 800, **changes: Any) -> Job:
    """A fit on ``count`` rows that reads the remark."""
    given = {"train": rows(count, 1, task), "validation": rows(600, 2, task), "text": ["said"], **changes}
    return table_job.job(task, **given)
