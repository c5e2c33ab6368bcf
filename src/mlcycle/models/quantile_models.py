"""What a model says as metrics take it: a point forecast, or the quantiles that its project asks for."""

from collections.abc import Sequence
from typing import Any

from mlcycle.domain.metrics import Array
from mlcycle.domain.quantiles import at_levels, middle, paired, rearranged
from mlcycle.models.base import Model


def said(model: Model, frame: Any, quantiles: Sequence[float] = ()) -> Array:
    """What the model predicts of a pandas frame with its inputs, in the form that the project asks for.

    Args:
        model: any.
        frame: n rows.
        quantiles: the project's levels; none: the model's own way.

    Returns:
        (n,) or (n, classes), as ``predict``; with ``quantiles`` (n, levels, 2). A model of other levels is
        asked between its own by a straight line, one without by its point forecast alone: a champion from
        before the project had quantiles.
    """
    if not quantiles:
        return model.predict(frame)
    known = model.card.quantiles
    own = paired(known, model.quantiles(frame)) if known else model.predict(frame)
    return at_levels(own, quantiles)


class QuantileModel(Model):
    """Base of families that learn quantiles where the job asks for them, all of one model."""

    learns_quantiles = True

    def quantiles(self, frame: Any) -> Array:
        """(n, q) in the order of the card's levels, ascending in each row."""
        return rearranged(self.raw(frame)) if self.card.quantiles else super().quantiles(frame)

    def raw(self, frame: Any) -> Array:
        """(n, q) as each level was learnt; those of two levels may cross."""
        raise NotImplementedError

    def median(self, frame: Any) -> Array:
        """(n,) the point forecast: the quantile at .5 of those that are said."""
        found: Array = self.quantiles(frame)[:, middle(self.card.quantiles)]
        return found
