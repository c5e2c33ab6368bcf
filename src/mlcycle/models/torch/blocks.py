"""What networks for tables are made of."""

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from mlcycle.models.text import NOWHERE


class Embeddings(nn.Module):  # type: ignore[misc]
    """Codes (n, columns), and ids of texts' words after them, to one vector a column, side by side.

    The rows of codes without a category (0: rare or never seen; the last: missing) begin at nought and
    stay there where no training row has them: what nobody knows says nothing.

    Args:
        rows: how many codes each column has.
        widths: of each column's vectors.
        texts: as of ``Bags``; their vectors come last.
        bag: width of a text's vector.
    """

    def __init__(
        self, rows: list[int], widths: list[int], texts: Sequence[tuple[int, int]] = (), bag: int = 0
    ) -> None:
        super().__init__()
        self.bags = Bags(list(texts), bag) if texts else None
        self.tables = nn.ModuleList(nn.Embedding(n, width) for n, width in zip(rows, widths, strict=True))
        self.width = sum(widths) + (self.bags.width if self.bags else 0)
        with torch.no_grad():
            for table in self.tables:
                table.weight.mul_(table.embedding_dim**-0.5)
                table.weight[[0, -1]] = 0.0

    def forward(self, codes: Tensor) -> Tensor:
        """The vectors of each row."""
        found = [table(codes[:, i]) for i, table in enumerate(self.tables)]
        if self.bags is not None:
            found.append(self.bags(codes[:, len(found) :]))
        if not found:
            return codes.new_zeros((codes.shape[0], 0), dtype=torch.float32)
        return torch.cat(found, dim=1)


class Bags(nn.Module):  # type: ignore[misc]
    """Ids of texts' words (n, all lengths) to one vector a text, the mean of its words': (n, texts x width).

    What fastText does: A. Joulin et al., "Bag of Tricks for Efficient Text Classification", EACL 2017. All
    begin at nought, and buckets that no word of the training has stay there. Not torch's ``EmbeddingBag``,
    which ONNX can only say as a loop over the rows.

    Args:
        texts: of each how many ids there are and how many words it has at the most.
        width: of a vector.
    """

    def __init__(self, texts: list[tuple[int, int]], width: int) -> None:
        super().__init__()
        self.lengths = [length for _, length in texts]
        self.tables = nn.ModuleList(nn.Embedding(n, width, padding_idx=NOWHERE) for n, _ in texts)
        self.width = width * len(texts)
        for table in self.tables:
            nn.init.zeros_(table.weight)

    def forward(self, ids: Tensor) -> Tensor:
        """The vectors of each row."""
        found = []
        for table, own in zip(self.tables, ids.split(self.lengths, dim=1), strict=True):
            words = (own != NOWHERE).sum(dim=1, keepdim=True).clamp(min=1)
            found.append(table(own).sum(dim=1) / words)
        return torch.cat(found, dim=1)


class Dropout(nn.Module):  # type: ignore[misc]
    """As torch's own; on a CPU it draws 16 bits for a value where that draws 64 and took 38 % of an epoch.

    N. Srivastava et al., "Dropout: A Simple Way to Prevent Neural Networks from Overfitting" (2014).
    """

    def __init__(self, share: float) -> None:
        super().__init__()
        self.cut = round(share * 65536)

    def forward(self, x: Tensor) -> Tensor:
        """Each value times 0, or times what keeps the mean."""
        if not self.training or not self.cut:
            return x
        share = self.cut / 65536
        if x.device.type != "cpu":
            return nn.functional.dropout(x, share)
        drawn = torch.empty(-(-x.numel() // 4), dtype=torch.int64).random_(-(2**63), None)
        kept = drawn.view(torch.int16)[: x.numel()].view(x.shape) >= self.cut - 32768
        return x * kept.to(x.dtype).mul_(1 / (1 - share))


class Hidden(nn.Sequential):  # type: ignore[misc]
    """Layers of ReLU, (n, before) to (n, ``width``); without layers what came in."""

    def __init__(
        self, before: int, sizes: list[int], dropout: float, kind: type[nn.Module] = Dropout
    ) -> None:
        layers: list[nn.Module] = []
        width = before
        for size in sizes:
            layers += [nn.Linear(width, size), nn.ReLU(), kind(dropout)]
            width = size
        super().__init__(*layers)
        self.width = width


def embedding_widths(rows: list[int], most: int) -> list[int]:
    """A width for each column out of its cardinality: 1.6 n^0.56, ``most`` at the most.

    A rule of thumb out of J. Howard and S. Gugger, "fastai: a layered API for deep learning" (2020).
    """
    return [min(most, round(1.6 * n**0.56)) for n in rows]
