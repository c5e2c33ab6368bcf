"""The network of :mod:`mlcycle.models.deep_cross`."""

import torch
from torch import Tensor, nn

from mlcycle.models.deep_cross_params import DeepCrossParams
from mlcycle.models.torch.blocks import Hidden


class Network(nn.Module):  # type: ignore[misc]
    """Logits (n,), or (n, outputs), out of codes (n, categorical) and standardised numbers (n, numeric).

    Args:
        rows: how many codes each categorical column has.
        numeric: width of the numbers.
        params: sizes.
        outputs: columns that are said; 0: none.
    """

    def __init__(self, rows: list[int], numeric: int, params: DeepCrossParams, outputs: int = 0) -> None:
        super().__init__()
        self.embeddings = nn.ModuleList(nn.Embedding(n, min(params.embedding, n)) for n in rows)
        width = sum(e.embedding_dim for e in self.embeddings) + numeric
        self.crosses = nn.ModuleList(nn.Linear(width, width) for _ in range(params.cross_layers))
        # torch's own dropout: the same seed gives the weights that it gave before there were other networks
        self.deep = Hidden(width, params.layers, params.dropout, nn.Dropout)
        self.outputs = outputs
        self.head = nn.Linear(width + self.deep.width, outputs or 1)

    def forward(self, codes: Tensor, numbers: Tensor) -> Tensor:
        """Logits, or the value in units of the training labels' spread."""
        x0 = torch.cat([e(codes[:, i]) for i, e in enumerate(self.embeddings)] + [numbers], dim=1)
        crossed = x0
        for cross in self.crosses:
            crossed = x0 * cross(crossed) + crossed
        out = self.head(torch.cat([crossed, self.deep(x0)], dim=1))
        return out if self.outputs else out[:, 0]
