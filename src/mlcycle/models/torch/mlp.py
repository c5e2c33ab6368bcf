"""A multilayer perceptron on embedded categories and standardised numbers: the plainest network for tables.

C. Guo and F. Berkhahn, "Entity Embeddings of Categorical Variables" (2016).
"""

from typing import TYPE_CHECKING

from pydantic import Field

from mlcycle.models.torch.columns import Columns
from mlcycle.models.torch.family import TorchModel
from mlcycle.models.torch.params import TrainingParams

if TYPE_CHECKING:
    from torch import nn


class MLPParams(TrainingParams):
    """``embedding`` is the most that a column's vectors are wide; how wide follows from its cardinality."""

    layers: list[int] = Field([128, 64], max_length=16)
    dropout: float = Field(0.1, ge=0, lt=1)
    embedding: int = Field(32, ge=1, le=512)


class MLP(TorchModel):
    """Embeddings and numbers side by side, then hidden layers."""

    Parameters = MLPParams
    many_classes = True
    learns_quantiles = True

    @staticmethod
    def network(columns: Columns, params: MLPParams, outputs: int = 0) -> "nn.Module":
        """Log odds, or the value in units of the labels' spread; of many classes a score each,
        of quantiles a value each: so many ``outputs``.
        """
        import torch
        from torch import Tensor, nn

        from mlcycle.models.torch.blocks import Embeddings, Hidden, embedding_widths

        class Network(nn.Module):  # type: ignore[misc]
            def __init__(self) -> None:
                super().__init__()
                widths = embedding_widths(columns.rows, params.embedding)
                self.embeddings = Embeddings(columns.rows, widths, columns.texts, params.embedding)
                before = self.embeddings.width + columns.numeric
                self.hidden = Hidden(before, params.layers, params.dropout)
                self.head = nn.Linear(self.hidden.width, outputs or 1)

            def forward(self, codes: Tensor, numbers: Tensor) -> Tensor:
                given = torch.cat([self.embeddings(codes), numbers], dim=1)
                out = self.head(self.hidden(given))
                return out if outputs else out[:, 0]

        return Network()
