"""A made-up project of lists: offers shown in searches of a shop, and how much they were liked; the same each time."""

from typing import Any

import numpy as np

from mlcycle.project import Project
from mlcycle.project.file import load_named
from tests.conftest import ROOT

SEARCHES, SHOWN = 30, 8  # a day's searches, and offers in each
ITEMS, SHOPPERS = 40, 12
CANDIDATES = {
    "by_item": {"family": "rate_table", "params": {"by": ["item"], "smoothing": 20}},
    "line": {"family": "linear", "params": {}},
    "trees": {
        "family": "lightgbm",
        "params": {"num_iterations": 40, "num_leaves": 7, "learning_rate": 0.1, "min_data_in_leaf": 30},
    },
}
#: Of docs/ranking.md's figures, beside the candidates.
TOWERS = {
    "family": "two_tower",
    "params": {"query": ["shopper"], "item": ["item"], "epochs": 8, "learning_rate": 0.02, "width": 8},
}


def project(**changes: Any) -> Project:
    """Offers, whose grade is known a day later: 0 not looked at, 1 looked at, 2 bought."""
    document = load_named(ROOT / "projects", "flights").document()
    for key in ("features", "monitors", "steps", "approval", "alerts"):
        document.pop(key, None)
    document.update(
        name="searches",
        value={"currency": "EUR"},
        source={
            "url": "{source}/searches",
            "partition": "day",
            "start": "2013-01-01",
            "live": False,
            "tables": {
                "offers": {
                    "columns": {
                        "offer": "text",
                        "shown": "timestamp",
                        "search": "text",
                        "shopper": "text",
                        "item": "text",
                        "price": "double",
                        "match": "double",
                    },
                    "key": ["offer"],
                    "event_time": "shown",
                },
                "likes": {
                    "columns": {"offer": "text", "shown": "timestamp", "grade": "integer"},
                    "key": ["offer"],
                    "event_time": "shown",
                },
            },
        },
        entity={"table": "offers"},
        label={
            "name": "grade",
            "task": "ranking",
            "table": "likes",
            "column": "grade",
            "group": ["search"],
            "delay": "1 day",
        },
        inputs={"categorical": ["item", "shopper"], "numeric": ["price", "match"]},
        split={"holdout": "10 days", "validation": "4 days", "history": "60 days", "min_rows": 500},
        candidates=CANDIDATES,
        evaluation={"metric": "ndcg_at_10", "heuristic": "by_item", "slices": ["item"], "k": 3},
        gate={"min_rows": 500},
        monitors={"window": "3 days"},
    )
    document.update(changes)
    return Project.model_validate(document)


def day(number: int) -> tuple[bytes, bytes]:
    """What is delivered of the January day: offers, and how they were liked.

    Who buys what depends on the item, how the shopper likes it, its price against the others of the list, and
    how it matches; how readily anything is bought on the search alone, which says nothing of the order.
    """
    draw = np.random.default_rng([23, number])
    offers, likes = ["offer,shown,search,shopper,item,price,match"], ["offer,shown,grade"]
    for search in range(SEARCHES):
        item, shopper = draw.choice(ITEMS, SHOWN, replace=False), draw.integers(SHOPPERS)
        price, match = draw.gamma(3.0, 10.0, SHOWN), draw.random(SHOWN)
        liking = (
            0.8 * np.sin(item)
            + np.cos(item * shopper)
            + 3 * match
            - 0.03 * price
            + draw.gumbel(size=SHOWN)
            + draw.normal()
        )
        grades = np.zeros(SHOWN, dtype=int)
        best = np.argsort(-liking)
        grades[best[0]] = 2 * (liking[best[0]] > 2)
        grades[best[1:3]] = liking[best[1:3]] > 1
        for at in range(SHOWN):
            key = f"o{number:02}-{search:02}-{at}"
            shown = f"2013-01-{number:02}T{search % 24:02}:{search // 24:02}:00Z"
            who = f"s{number:02}-{search:02},h{shopper}"
            offers.append(f"{key},{shown},{who},i{item[at]},{price[at]:.2f},{match[at]:.4f}")
            likes.append(f"{key},{shown},{grades[at]}")
    return tuple("\n".join(lines).encode() + b"\n" for lines in (offers, likes))  # type: ignore[return-value]
