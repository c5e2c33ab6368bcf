"""Wide and deep: a linear model that remembers crosses of categories, beside a network that generalises.

H.-T. Cheng et al., "Wide & Deep Learning for Recommender Systems", DLRS 2016. The paper trains the wide part
by FTRL; here one optimizer trains both.
"""

from itertools import combinations
from typing import TYPE_CHECKING, Final

from pydantic import Field

from mlcycle.errors import ConfigError
from mlcycle.models.torch.columns import Columns
from mlcycle.models.torch.family import TorchModel
from mlcycle.models.torch.params import TrainingParams

if TYPE_CHECKING:
    from torch import nn

SPREAD: Final = (2_654_435_761, 40_503)  # D. E. Knuth's multipliers: neighbouring codes fall far apart


class WideAndDeepParams(TrainingParams):
    """``crosses`` are pairs of categorical columns, a weight for each combination; left out: all pairs.

    A pair of more than ``buckets`` combinations is hashed into as many.
    """

    layers: list[int] = Field([128, 64], max_length=16)
    dropout: float = Field(0.1, ge=0, lt=1)
    embedding: int = Field(32, ge=1, le=512)
    crosses: list[tuple[str, str]] | None = Field(None, max_length=256)
    buckets: int = Field(10_000, ge=2, le=10_000_000)


class WideAndDeep(TorchModel):
    """The sum of a linear model on categories and crosses, and of an MLP on embeddings and numbers."""

    Parameters = WideAndDeepParams
    learns_quantiles = True

    @staticmethod
    def network(columns: Columns, params: WideAndDeepParams, outputs: int = 0) -> "nn.Module":
        """Log odds, or the value in units of the labels' spread; with ``outputs`` so many of them.

        Raises ConfigError for an unknown column.
        """
        import torch
        from torch import Tensor, nn

        from mlcycle.models.torch.blocks import Embeddings, Hidden, embedding_widths

        pairs = _pairs(list(columns.encoder.categories), params.crosses)
        combined = [columns.rows[a] * columns.rows[b] for a, b in pairs]
        crosses = [min(number, params.buckets) for number in combined]

        class Network(nn.Module):  # type: ignore[misc]
            def __init__(self) -> None:
                super().__init__()
                widths = embedding_widths(columns.rows, params.embedding)
                self.embeddings = Embeddings(columns.rows, widths, columns.texts, params.embedding)
                before = self.embeddings.width + columns.numeric
                self.hidden = Hidden(before, params.layers, params.dropout)
                self.head = nn.Linear(self.hidden.width, outputs or 1)
                self.wide = nn.ModuleList(nn.Embedding(n, outputs or 1) for n in (*columns.rows, *crosses))
                for table in self.wide:
                    nn.init.zeros_(table.weight)

            def forward(self, codes: Tensor, numbers: Tensor) -> Tensor:
                deep = self.hidden(torch.cat([self.embeddings(codes), numbers], dim=1))
                said = self.head(deep)
                for table, chosen in zip(self.wide, self.chosen(codes.long()), strict=True):
                    said = said + table(chosen)
                return said if outputs else said[:, 0]

            def chosen(self, codes: Tensor) -> list[Tensor]:
                found = [codes[:, i] for i in range(len(columns.rows))]
                for (a, b), number, buckets in zip(pairs, combined, crosses, strict=True):
                    if number == buckets:
                        found.append(codes[:, a] * columns.rows[b] + codes[:, b])
                    else:
                        found.append((codes[:, a] * SPREAD[0] + codes[:, b] * SPREAD[1]) % buckets)
                return found

        return Network()


def _pairs(names: list[str], crosses: list[tuple[str, str]] | None) -> list[tuple[int, int]]:
    if crosses is None:
        return list(combinations(range(len(names)), 2))
    if unknown := [name for pair in crosses for name in pair if name not in names]:
        raise ConfigError(
            f"crosses names {unknown[0]!r}, which is no categorical input: there are {', '.join(names)}"
        )
    return [(names.index(a), names.index(b)) for a, b in crosses]
