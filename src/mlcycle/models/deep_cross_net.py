"""The network of :mod:`mlcycle.models.deep_cross`."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mlcycle.models.deep_cross_params import DeepCrossParams
from mlcycle.models.torch.blocks import Bags, Hidden


class Network(nn.Module):  # type: ignore[misc]
    """Logits (n,), or (n, outputs), out of codes (n, categorical) and standardised numbers (n, numeric).

    Args:
        rows: how many codes each categorical column has.
        numeric: width of the numbers.
        params: sizes.
        outputs: columns that are said; 0: none.
        texts: as of ``Bags``.
    """

    def __init__(
        self,
        rows: list[int],
        numeric: int,
        params: DeepCrossParams,
        outputs: int = 0,
        texts: Sequence[tuple[int, int]] = (),
    ) -> None:
        super().__init__()
        self.embeddings = nn.ModuleList(nn.Embedding(n, min(params.embedding, n)) for n in rows)
        self.bags = Bags(list(texts), params.embedding) if texts else None
        width = sum(e.embedding_dim for e in self.embeddings) + numeric
        width += self.bags.width if self.bags else 0
        self.crosses = nn.ModuleList(nn.Linear(width, width) for _ in range(params.cross_layers))
        # torch's own dropout: the same seed gives the weights that it gave before there were other networks
        self.deep = Hidden(width, params.layers, params.dropout, nn.Dropout)
        self.outputs = outputs
        self.head = nn.Linear(width + self.deep.width, outputs or 1)

    def forward(self, codes: Tensor, numbers: Tensor) -> Tensor:
        """Logits, or the value in units of the training labels' spread."""
        found = [e(codes[:, i]) for i, e in enumerate(self.embeddings)]
        if self.bags is not None:
            found.append(self.bags(codes[:, len(found) :]))
        x0 = torch.cat([*found, numbers], dim=1)
        crossed = x0
        for cross in self.crosses:
            crossed = x0 * cross(crossed) + crossed
        out = self.head(torch.cat([crossed, self.deep(x0)], dim=1))
        return out if self.outputs else out[:, 0]
