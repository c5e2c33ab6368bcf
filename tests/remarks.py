"""A made-up project whose text tells most: parcels with what the customer wrote; the same each time."""

import csv
import io
from datetime import date, timedelta
from typing import Any

import numpy as np

from mlcycle.project import Project
from mlcycle.project.file import load_named
from tests.conftest import ROOT
from tests.spoken import remarks

DAILY = 60
FIRST = date(2013, 1, 1)
SHOPS = ["A", "B", "C"]
CANDIDATES = {
    "by_shop": {"family": "rate_table", "params": {"by": ["shop"], "smoothing": 5}},
    "line": {"family": "linear", "params": {}, "start": "champion"},
    "boosting": {"family": "hist_gradient_boosting", "params": {"max_iter": 25, "max_leaf_nodes": 7}},
    "network": {
        "family": "mlp",
        "params": {"epochs": 4, "batch_size": 64, "learning_rate": 0.02, "rare": 5, "layers": [16]},
        "export": {"onnx": True},
    },
}


def project(watch: dict[str, Any], **changes: Any) -> Project:
    """Parcels, of which it is known a day later whether they come back."""
    document = load_named(ROOT / "projects", "flights").document()
    for key in ("features", "monitors", "steps", "approval", "alerts"):
        document.pop(key, None)
    document.update(
        name="remarks",
        source={
            "url": "{source}/remarks",
            "partition": "day",
            "start": FIRST.isoformat(),
            "live": False,
            "tables": {
                "parcels": {
                    "columns": {
                        **{"parcel": "text", "sent": "timestamp", "shop": "text"},
                        **{"weight": "double", "remark": "text"},
                    },
                    "key": ["parcel"],
                    "event_time": "sent",
                },
                "fates": {
                    "columns": {"parcel": "text", "sent": "timestamp", "back": "boolean"},
                    "key": ["parcel"],
                    "event_time": "sent",
                },
            },
        },
        entity={"table": "parcels"},
        label={
            **{"name": "back", "task": "classification", "table": "fates", "column": "back"},
            "delay": "1 day",
        },
        inputs={"categorical": ["shop"], "numeric": ["weight"], "text": ["remark"]},
        split={"holdout": "5 days", "validation": "3 days", "history": "60 days", "min_rows": 500},
        candidates=CANDIDATES,
        evaluation={
            **{"metric": "roc_auc", "heuristic": "by_shop", "slices": ["shop"]},
            "must_not_matter": ["remark"],
        },
        gate={"min_rows": 200},
        monitors={"window": "1 day", "reference": "training", "watch": watch},
        **changes,
    )
    return Project.model_validate(document)


def key(number: int) -> str:
    """The partition of a day, from 1 on."""
    return (FIRST + timedelta(days=number - 1)).isoformat()


def day(number: int) -> tuple[bytes, bytes]:
    """What is delivered of a day: parcels, and whether they came back."""
    draw = np.random.default_rng([31, number])
    mood, weight = draw.normal(size=DAILY), draw.gamma(2.0, 1.5, DAILY)
    shop, said = draw.integers(0, len(SHOPS), DAILY), remarks(draw, mood)
    back = 2.5 * mood + 0.2 * (weight - 3) + draw.logistic(size=DAILY) < 0
    parcels, fates = io.StringIO(newline=""), io.StringIO(newline="")
    one, other = csv.writer(parcels), csv.writer(fates)
    one.writerow(["parcel", "sent", "shop", "weight", "remark"])
    other.writerow(["parcel", "sent", "back"])
    for at in range(DAILY):
        name, sent = f"p{number:02}-{at:03}", f"{key(number)}T{at % 24:02}:{at % 60:02}:00Z"
        one.writerow([name, sent, SHOPS[shop[at]], f"{weight[at]:.3f}", said[at] or ""])
        other.writerow([name, sent, "true" if back[at] else "false"])
    return parcels.getvalue().encode(), fates.getvalue().encode()
