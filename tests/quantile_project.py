"""A made-up project of quantiles: minutes of parcels' ways, more spread the farther they go; always the same."""

import copy
from typing import Any

import numpy as np

from mlcycle.project import Project
from tests import many_classes

LEVELS = [0.1, 0.5, 0.9]
DAILY = 150
CANDIDATES = {
    "by_shop": {"family": "rate_table", "params": {"by": ["shop"], "smoothing": 5}},
    "boosting": {
        "family": "hist_gradient_boosting",
        "params": {"max_iter": 25, "max_leaf_nodes": 7, "min_samples_leaf": 40},
        "calibrate": "conformal",
    },
}


def document(**label: Any) -> dict[str, Any]:
    """The project's file, with changes of its label."""
    found = many_classes.project().document()
    found["source"]["tables"].pop("fates")
    found["source"]["tables"]["ways"] = {
        "columns": {"parcel": "text", "sent": "timestamp", "minutes": "double"},
        "key": ["parcel"],
        "event_time": "sent",
    }
    found["source"]["url"] = "{source}/ways"
    found |= {
        "name": "ways",
        "value": {"currency": "EUR", "per_unit_error": -0.1},
        "label": {
            "name": "minutes",
            "task": "regression",
            "table": "ways",
            "column": "minutes",
            "quantiles": LEVELS,
            "delay": "1 day",
            **label,
        },
        "candidates": copy.deepcopy(CANDIDATES),
        "split": {"holdout": "10 days", "validation": "10 days", "history": "60 days", "min_rows": 500},
        "evaluation": {"metric": "pinball", "heuristic": "by_shop", "slices": ["shop"]},
        "gate": {
            "min_rows": 500,
            "guardrails": {"figures": [{"path": "figures.coverage_80", "at_least": 0.6}]},
        },
    }
    if not found["label"]["quantiles"]:
        found["candidates"]["boosting"].pop("calibrate")
    return found


def project(**label: Any) -> Project:
    """Parcels, whose minutes are known a day later."""
    return Project.model_validate(document(**label))


def day(number: int) -> tuple[bytes, bytes]:
    """What is delivered of the January day: parcels, and the minutes of their ways."""
    draw = np.random.default_rng([18, number])
    shop, weight = draw.integers(0, 6, DAILY), draw.gamma(2.0, 1.5, DAILY)
    hour = draw.integers(6, 22, DAILY)
    minutes = 60 + 20 * shop + (4 + 6 * shop) * draw.standard_normal(DAILY) + 3 * weight
    parcels, ways = ["parcel,sent,shop,weight,hour"], ["parcel,sent,minutes"]
    for at in range(DAILY):
        key = f"p{number:02}-{at:03}"
        sent = f"2013-01-{number:02}T{hour[at]:02}:{at % 60:02}:00Z"
        parcels.append(f"{key},{sent},{'ABCDEF'[shop[at]]},{weight[at]:.3f},{hour[at]}")
        ways.append(f"{key},{sent},{minutes[at]:.3f}")
    return tuple("\n".join(lines).encode() + b"\n" for lines in (parcels, ways))  # type: ignore[return-value]
