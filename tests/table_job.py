"""A small made-up table to learn from: categories, numbers with gaps, weights where wanted; the same each time."""

from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from mlcycle import models
from mlcycle.domain.examples import Rows
from mlcycle.models.base import Job, Model

CLASSES = ("low", "usual", "high")
CATEGORICAL, NUMERIC = ["city", "shop"], ["price", "age"]


def rows(count: int, seed: int, task: str = "classification", *, weighted: bool = False) -> Rows:
    """Labels depend on the city, the shop, the price and on whether the shop is known."""
    draw = np.random.default_rng(seed)
    city, shop = draw.integers(0, 5, count), draw.integers(0, 30, count)
    price, age = draw.normal(size=count), draw.normal(40, 10, count)
    known = draw.random(count) > 0.1
    signal = 0.8 * (city - 2) + 0.7 * np.sin(shop) * known + price - 1.5 * ~known
    label = signal + draw.logistic(size=count)
    frame = pd.DataFrame(
        {
            "city": np.array(["A", "B", "C", "D", "E"], dtype=object)[city],
            "shop": np.where(known, np.char.add("s", shop.astype(str)).astype(object), None),
            "price": price,
            "age": np.where(draw.random(count) < 0.05, np.nan, age),
        }
    )
    labels = 10 * label + 50
    if task == "classification":
        labels = (label > 0).astype(float)
    elif task == "multiclass":
        labels = np.digitize(label, [-1.5, 1.0]).astype(float)
    stands = draw.uniform(0.5, 1.5, count)
    return Rows(frame, labels, stands / stands.mean() if weighted else None)


def job(
    task: str = "classification", report: Any = lambda *_: None, count: int = 2000, **changes: Any
) -> Job:
    """A fit on ``count`` rows."""
    weighted = changes.pop("weighted", False)
    given = {
        "task": task,
        "categorical": CATEGORICAL,
        "numeric": NUMERIC,
        "train": rows(count, 1, task, weighted=weighted),
        "validation": rows(1000, 2, task, weighted=weighted),
        "threads": 1,
        "report": report,
        "checkpoints": None,
        "classes": CLASSES if task == "multiclass" else (),
    }
    return Job(**{**given, **changes})


PARAMS: dict[str, Any] = {"epochs": 3, "batch_size": 64, "learning_rate": 0.02, "rare": 5, "layers": [16]}


def fit(family: str, on: Job, **changes: Any) -> Model:
    """A fit with small parameters."""
    params = models.parse_params(family, {**PARAMS, **changes})
    return models.family(family).fit(on, params, family)


def losses_of(told: dict[str, float]) -> tuple[float, float]:
    """What two runs of one fit must agree on: how fast they were they need not."""
    return told["train_loss"], told["validation_loss"]


def said(model: Model, of: Job) -> Any:
    """Predictions for the validation rows."""
    return model.predict(of.validation.whole().frame)


def folder(path: Path) -> Path:
    """A folder of a work among those of a machine."""
    path.mkdir(parents=True, exist_ok=True)
    return path
