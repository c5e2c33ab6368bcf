"""A deep and cross network for tables: embeddings, explicit feature crosses, and a small MLP.

R. Wang et al., "DCN V2: Improved Deep & Cross Network and Practical Lessons for Web-scale Learning
to Rank Systems", WWW 2021: the parallel structure with full-rank cross layers.
"""

from typing import TYPE_CHECKING

from mlcycle.models.deep_cross_params import DeepCrossParams
from mlcycle.models.torch.columns import Columns
from mlcycle.models.torch.family import TorchModel

if TYPE_CHECKING:
    from torch import nn


class DeepCross(TorchModel):
    """Cross layers beside hidden ones. Of the first families: rare, unseen and missing share an embedding."""

    Parameters = DeepCrossParams
    missing_apart = False
    learns_quantiles = True

    @staticmethod
    def network(columns: Columns, params: DeepCrossParams, outputs: int = 0) -> "nn.Module":
        """Log odds, or the value in units of the labels' spread; with ``outputs`` so many of them."""
        from mlcycle.models.deep_cross_net import Network

        return Network(columns.rows, columns.numeric, params, outputs, columns.texts)
