"""A made-up project of many classes: what becomes of parcels, by shop, weight and hour; the same each time."""

from typing import Any

import numpy as np

from mlcycle.project import Project
from mlcycle.project.file import load_named
from tests.conftest import ROOT

FATES = ["arrives", "is late", "comes back", "it's 100% lost"]
DAILY = 150
SHOPS = ["A", "B", "C", "D", "E", "F"]
CANDIDATES = {
    "by_shop": {"family": "rate_table", "params": {"by": ["shop"], "smoothing": 5}},
    "line": {"family": "linear", "params": {}},
    "boosting": {
        "family": "hist_gradient_boosting",
        "params": {"max_iter": 20, "max_leaf_nodes": 7, "min_samples_leaf": 30},
    },
}


def project(**changes: Any) -> Project:
    """Parcels, whose fate is known a day later."""
    document = load_named(ROOT / "projects", "flights").document()
    for key in ("features", "monitors", "steps", "approval", "alerts"):
        document.pop(key, None)
    document.update(
        name="parcels",
        value={"currency": "EUR", "right_class": 1, "wrong_class": -2},
        source={
            "url": "{source}/parcels",
            "partition": "day",
            "start": "2013-01-01",
            "live": False,
            "tables": {
                "parcels": {
                    "columns": {
                        "parcel": "text",
                        "sent": "timestamp",
                        "shop": "text",
                        "weight": "double",
                        "hour": "integer",
                    },
                    "key": ["parcel"],
                    "event_time": "sent",
                },
                "fates": {
                    "columns": {"parcel": "text", "sent": "timestamp", "fate": "text"},
                    "key": ["parcel"],
                    "event_time": "sent",
                },
            },
        },
        entity={"table": "parcels"},
        label={
            "name": "fate",
            "task": "multiclass",
            "table": "fates",
            "column": "fate",
            "classes": FATES,
            "delay": "1 day",
        },
        inputs={"categorical": ["shop"], "numeric": ["weight", "hour"]},
        split={"holdout": "10 days", "validation": "4 days", "history": "60 days", "min_rows": 500},
        candidates=CANDIDATES,
        evaluation={"metric": "log_loss", "heuristic": "by_shop", "slices": ["shop"]},
        gate={"min_rows": 500},
        monitors={"window": "3 days"},
        **changes,
    )
    return Project.model_validate(document)


def day(number: int) -> tuple[bytes, bytes]:
    """What is delivered of the January day: parcels, and their fates."""
    draw = np.random.default_rng([17, number])
    shop, weight = draw.integers(0, len(SHOPS), DAILY), draw.gamma(2.0, 1.5, DAILY)
    hour = draw.integers(6, 22, DAILY)
    scores = np.stack(
        [
            np.full(DAILY, 1.2),
            0.6 * (shop == 1) + 0.15 * (hour - 14),
            0.9 * (shop == 4) - 0.5 + 0.3 * weight,
            np.where(shop == 2, 0.8, -1.5),
        ],
        axis=1,
    )
    fate = (scores + draw.gumbel(size=scores.shape)).argmax(axis=1)
    parcels, fates = ["parcel,sent,shop,weight,hour"], ["parcel,sent,fate"]
    for at in range(DAILY):
        key = f"p{number:02}-{at:03}"
        sent = f"2013-01-{number:02}T{hour[at]:02}:{at % 60:02}:00Z"
        parcels.append(f"{key},{sent},{SHOPS[shop[at]]},{weight[at]:.3f},{hour[at]}")
        fates.append(f"{key},{sent},{FATES[fate[at]]}")
    return tuple("\n".join(lines).encode() + b"\n" for lines in (parcels, fates))  # type: ignore[return-value]
