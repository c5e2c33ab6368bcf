"""Subjects with known truths."""

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pandas as pd

from mlcycle.domain.evaluation.subject import Subject
from mlcycle.domain.examples import Rows
from mlcycle.domain.tasks import task_of
from mlcycle.project import Value

PAYOFF = Value(currency="EUR", threshold=0.5, true_positive=60, false_positive=-45, false_negative=-80)
PER_UNIT = Value(currency="EUR", per_unit_error=-4)


@dataclass(frozen=True)
class Wishes:
    metric: str = "log_loss"
    k: int = 100
    slices: list[str] = field(default_factory=lambda: ["shop"])
    groups: list[str] = field(default_factory=lambda: ["shop"])
    must_not_matter: list[str] = field(default_factory=list)
    directions: dict[str, str] = field(default_factory=dict)


def frame_of(rows: int, seed: int) -> pd.DataFrame:
    """A number that matters, one that does not, a category that does; with gaps."""
    random = np.random.default_rng(seed)
    shop = random.choice(["a", "b", "c"], rows).astype(object)
    shop[random.random(rows) < 0.05] = None
    x = random.normal(0, 1, rows)
    x[random.random(rows) < 0.05] = np.nan
    return pd.DataFrame({"shop": pd.Categorical(shop), "x": x, "idle": random.normal(0, 1, rows)})


def probability(frame: Any) -> np.ndarray:
    """The model: it looks at ``x`` and ``shop`` alone."""
    x = np.nan_to_num(pd.to_numeric(frame["x"]).to_numpy(dtype=float))
    worse = (frame["shop"].astype(object) == "b").to_numpy()
    return 1 / (1 + np.exp(-(x - 1 + 0.5 * worse)))


def labels_of(frame: pd.DataFrame, seed: int) -> np.ndarray:
    return (np.random.default_rng(seed).random(len(frame)) < probability(frame)).astype(float)


def classes(rows: int = 1200, days: int = 12, **changes: Any) -> Subject:
    """A calibrated classifier; the truth is its own probability."""
    holdout, earlier = frame_of(rows, 1), frame_of(rows, 2)
    blocks = np.arange(rows) * days // rows
    known = Rows(earlier, labels_of(earlier, 4))
    subject = Subject(
        task=task_of("classification"),
        payoff=PAYOFF,
        wishes=Wishes(),
        categorical=["shop"],
        numeric=["x", "idle"],
        holdout=Rows(holdout, labels_of(holdout, 3)),
        predictions=probability(holdout),
        blocks=blocks,
        validation=known,
        before=probability(earlier),
        learnt=known.labels,
        predict=probability,
        others={"zero_rule": ("the zero rule", np.full(rows, known.labels.mean()))},
        train=lambda: [known],
        refit=lambda share: probability(holdout),
        cost={"fit_seconds": 1.5},
        earlier_blocks=blocks,
    )
    return replace(subject, **changes)


def numbers(rows: int = 1200, days: int = 12, **changes: Any) -> Subject:
    """A regression whose errors are standard normal."""
    subject = classes(rows, days)
    said = 10 * probability(subject.holdout.frame)
    random = np.random.default_rng(5)
    holdout = Rows(subject.holdout.frame, said + random.normal(0, 1, rows))
    known = Rows(subject.validation.frame, 10 * subject.before + random.normal(0, 1, rows))
    found = replace(
        subject,
        task=task_of("regression"),
        payoff=PER_UNIT,
        wishes=Wishes(metric="rmse"),
        holdout=holdout,
        predictions=said,
        validation=known,
        before=10 * subject.before,
        learnt=known.labels,
        predict=lambda frame: 10 * probability(frame),
        others={"zero_rule": ("the zero rule", np.full(rows, known.labels.mean()))},
        train=lambda: [known],
        refit=lambda share: said,
    )
    return replace(found, **changes)
