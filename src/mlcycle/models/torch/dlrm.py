"""Factors that meet by dot products: for tables of many categories with many values each.

M. Naumov et al., "Deep Learning Recommendation Model for Personalization and Recommendation Systems" (2019).
"""

from typing import TYPE_CHECKING

from pydantic import Field

from mlcycle.models.torch.columns import Columns
from mlcycle.models.torch.family import TorchModel
from mlcycle.models.torch.params import TrainingParams

if TYPE_CHECKING:
    from torch import nn


class DLRMParams(TrainingParams):
    """``bottom`` are the numbers' layers before a last one of ``embedding``, ``layers`` those on top."""

    bottom: list[int] = Field([64], max_length=16)
    layers: list[int] = Field([128, 64], max_length=16)
    dropout: float = Field(0.1, ge=0, lt=1)
    embedding: int = Field(16, ge=1, le=512)  # the same for all: they are multiplied with each other


class DLRM(TorchModel):
    """A vector for each category and text, one for all numbers; their products go into an MLP with that."""

    Parameters = DLRMParams
    learns_quantiles = True

    @staticmethod
    def network(columns: Columns, params: DLRMParams, outputs: int = 0) -> "nn.Module":
        """Log odds, or the value in units of the labels' spread; with ``outputs`` so many of them."""
        import torch
        from torch import Tensor, nn

        from mlcycle.models.torch.blocks import Embeddings, Hidden

        width, vectors = params.embedding, len(columns.rows) + len(columns.texts) + 1

        class Network(nn.Module):  # type: ignore[misc]
            def __init__(self) -> None:
                super().__init__()
                self.embeddings = Embeddings(columns.rows, [width] * len(columns.rows), columns.texts, width)
                self.bottom = Hidden(columns.numeric, [*params.bottom, width], 0.0)
                left, right = torch.tril_indices(vectors, vectors, offset=-1)
                self.register_buffer("pairs", left * vectors + right, persistent=False)
                before = width + len(self.pairs)
                self.hidden = Hidden(before, params.layers, params.dropout)
                self.head = nn.Linear(self.hidden.width, outputs or 1)

            def forward(self, codes: Tensor, numbers: Tensor) -> Tensor:
                dense = self.bottom(numbers)
                every = torch.cat([dense, self.embeddings(codes).to(dense.dtype)], dim=1)
                every = every.reshape(-1, vectors, width)
                products = torch.bmm(every, every.transpose(1, 2)).flatten(1)
                met = products.index_select(1, self.pairs)
                out = self.head(self.hidden(torch.cat([dense, met], dim=1)))
                return out if outputs else out[:, 0]

        return Network()
