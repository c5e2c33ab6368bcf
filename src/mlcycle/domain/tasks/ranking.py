"""An order of rows within lists; a label says how relevant a row is, a prediction is its score."""

from collections.abc import Mapping
from typing import TYPE_CHECKING

from mlcycle.domain.ranking_names import METRICS as NAMES
from mlcycle.domain.ranking_names import PARTS
from mlcycle.domain.tasks.base import Task
from mlcycle.errors import InputError

if TYPE_CHECKING:
    from mlcycle.domain.metrics import Array, Payoff, Reading

MOST_GRADE = 1000


class Ranking(Task):
    """``ranking`` in project files. Labels (n,) are grades, integers from 0 on, that carry their lists.

    What carries them is :class:`mlcycle.domain.listed.ListedLabels`: lists travel beside labels, so that
    metrics take what those of other tasks take. Predictions (n,) have no unit, and mean nothing across lists.
    """

    name = "ranking"
    metrics = NAMES
    loss = "rmse"  # of those fits that learn a row at a time
    loss_words = "1 - NDCG at 10"
    mean_loss_words = "RMSE"
    probabilities = False
    classifies = False
    lists = True
    label_types = ("double", "integer")
    constant_words = "one grade"
    fit_title = "Relevance by score"

    def check_labels(self, labels: "Array", split: str) -> None:
        """Raise InputError for a label that is missing, or no grade."""
        import numpy as np

        super().check_labels(labels, split)
        odd = (labels < 0) | (labels > MOST_GRADE) | (labels != np.floor(labels))
        if bad := int(np.count_nonzero(odd)):
            raise InputError(
                f"{bad} of {len(labels)} labels in the {split} split are no grades of relevance: integers "
                f"from 0 to {MOST_GRADE} are expected"
            )

    def readings(
        self, labels: "Array", predictions: "Array", weights: "Array | None" = None
    ) -> "dict[str, Reading]":
        """Every metric; rows are ranked once. Raises as other tasks do, and for labels without lists."""
        from mlcycle.domain import own_metrics
        from mlcycle.domain.metrics import METRICS, NotMeasured, check_rows
        from mlcycle.domain.ranking_metrics import NOTHING_RELEVANT, Ranked, mean_of

        check_rows(labels, predictions)
        ranked = Ranked.of(labels, predictions)
        found: dict[str, Reading] = {}
        for name, part in PARTS.items():
            value = mean_of(ranked, ranked.values(*part), weights)
            found[name] = NotMeasured(NOTHING_RELEVANT) if value is None else value
        for each in own_metrics.of_task(self.name):
            if each.name not in METRICS:
                found[each.name] = METRICS[each.name](labels, predictions, weights)
        return found

    def row_loss(self, labels: "Array", predictions: "Array") -> "Array":
        """(n,) one less the NDCG at 10 of each row's list, shared among its rows."""
        from mlcycle.domain.ranking_metrics import row_loss

        return row_loss(labels, predictions)

    def curve_loss(self, labels: "Array", predictions: "Array") -> float:
        """Mean squared error: what is told of a fit that learns a row at a time."""
        from mlcycle.domain.metrics import row_squared_error

        return float(row_squared_error(labels, predictions).mean())

    def value(
        self, payoff: "Payoff", labels: "Array", predictions: "Array", weights: "Array | None" = None
    ) -> float:
        """Nothing: an order has no price yet, and a project file cannot give one."""
        return 0.0

    def constants(self, learnt: "Array") -> Mapping[str, float]:
        """One score for every row, which is any order alike."""
        return {"any_order": 0.0}

    def at_random(self, learnt: "Array", rows: int, seed: int) -> "Array":
        """One order at random; the zero rule, one score for all rows, is the mean over all of them."""
        import numpy as np

        return np.random.default_rng(seed).random(rows)

    def outcomes(self, payoff: "Payoff", labels: "Array", predictions: "Array") -> dict[str, int]:
        """None: nothing is decided."""
        return {}

    def shown(self, mean: float) -> str:
        """The mean grade."""
        return f"{mean:.4g}"
