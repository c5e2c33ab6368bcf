"""The network of two towers, and the sampled softmax that it learns by."""

import math
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from mlcycle.domain.examples import Rows
from mlcycle.models.torch.blocks import Embeddings, Hidden, embedding_widths
from mlcycle.models.torch.columns import Columns

if TYPE_CHECKING:
    from mlcycle.models.torch.two_tower import TwoTowerParams

HELD: Final = 2048  # rows whose scores against all negatives are held at a time
WATCHED: Final = 10_000  # most frequent items that the loss on later rows is over


class Tower(nn.Module):  # type: ignore[misc]
    """Some columns to a vector of length one: (n, width)."""

    def __init__(self, columns: Columns, names: list[str], params: "TwoTowerParams") -> None:
        super().__init__()
        every, numeric = list(columns.encoder.categories), columns.encoder.numeric
        self.codes = [every.index(name) for name in names if name in every]
        flagged = [name for name, flag in zip(numeric, columns.encoder.flagged, strict=True) if flag]
        places = [*numeric, *flagged]  # of the columns themselves, then of the flags
        self.numbers = [at for at, name in enumerate(places) if name in names]
        rows = [columns.rows[at] for at in self.codes]
        self.embeddings = Embeddings(rows, embedding_widths(rows, params.embedding))
        before = self.embeddings.width + len(self.numbers)
        self.hidden = Hidden(before, params.layers, params.dropout)
        self.out = nn.Linear(self.hidden.width, params.width)

    def forward(self, codes: Tensor, numbers: Tensor) -> Tensor:
        """The vectors of rows with all codes (n, categorical) and numbers (n, numeric)."""
        parts = [self.embeddings(codes[:, self.codes])] if self.codes else []
        parts += [numbers[:, self.numbers]] if self.numbers else []
        return functional.normalize(self.out(self.hidden(torch.cat(parts, dim=1))), dim=1)


class Towers(nn.Module):  # type: ignore[misc]
    """Both towers. Called with rows that were liked it says their losses (n,)."""

    def __init__(self, columns: Columns, params: "TwoTowerParams") -> None:
        super().__init__()
        self.params = params
        self.query, self.item = Tower(columns, params.query, params), Tower(columns, params.item, params)
        self.name = list(columns.encoder.categories).index(params.item[0])  # the column that names the item
        self.head = nn.Linear(1, 1)  # a line through the score; only two classes fit it
        with torch.no_grad():
            self.head.weight.fill_(1.0)
        self.head.requires_grad_(False)
        # Not in the weights: a resumed fit makes them again from the same rows.
        for name in ("item_names", "item_codes", "item_numbers", "seen"):
            self.register_buffer(name, torch.zeros(0), persistent=False)

    def catalogue(self, columns: Columns, learnt: Iterable[Rows]) -> None:
        """Hold the items of rows, the most frequent first, as they first appear, and how often each does."""
        count = columns.rows[self.name]
        seen = np.zeros(count)
        codes = np.zeros((count, len(columns.rows)), dtype=np.int64)
        numbers = np.zeros((count, columns.numeric), dtype=np.float32)
        for part in learnt:
            given, values = columns.codes(part.frame), columns.numbers(part.frame)
            names, first = np.unique(given[:, self.name], return_index=True)
            new = seen[names] == 0
            codes[names[new]], numbers[names[new]] = given[first[new]], values[first[new]]
            seen += np.bincount(given[:, self.name], minlength=count)
        known = np.arange(1, count - 1)  # neither the rare ones nor those that are missing: they are many
        known = known[seen[known] > 0]
        order = known[np.argsort(-seen[known], kind="stable")]
        self.item_names = torch.from_numpy(order)
        self.item_codes, self.item_numbers = torch.from_numpy(codes[order]), torch.from_numpy(numbers[order])
        self.seen = torch.from_numpy(seen)

    def forward(self, codes: Tensor, numbers: Tensor) -> Tensor:
        """(n,) the loss of each row: less the log of what the softmax gives to its item."""
        query, item, names = self.query(codes, numbers), self.item(codes, numbers), codes[:, self.name].long()
        if not self.training:
            against = self.items(WATCHED)
            return self._losses(query, item, names, against, self.item_names[:WATCHED], None)
        if self.params.negatives == "batch":
            shares = torch.log(self.seen.clamp(min=1.0) / self.seen.sum()).float()
            return self._losses(query, item, names, item, names, shares[names], shares[names])
        drawn = self._drawn(len(self.item_names))
        rank = torch.zeros(len(self.seen), dtype=torch.long, device=codes.device)
        rank[self.item_names] = torch.arange(len(self.item_names), device=codes.device)
        against = self.item(self.item_codes[drawn], self.item_numbers[drawn])
        own = self._log_uniform(rank[names])
        return self._losses(
            query, item, names, against, self.item_names[drawn], self._log_uniform(drawn), own
        )

    def items(self, most: int = 1 << 62) -> Tensor:
        """(items, width) the vectors of the items of the training, the most frequent first."""
        return self.item(self.item_codes[:most], self.item_numbers[:most])

    def _drawn(self, count: int) -> Tensor:
        """(sampled,) places of items, P(place) = log((place + 2) / (place + 1)) / log(count + 1)."""
        even = torch.rand(self.params.sampled, device=self.item_names.device, dtype=torch.float64)
        places = torch.exp(even * math.log(count + 1)).long() - 1
        return places.clamp(0, count - 1)

    def _log_uniform(self, places: Tensor) -> Tensor:
        """How often each place is drawn, in logs."""
        shares = torch.log1p(1 / (places + 1.0)) / math.log(len(self.item_names) + 1)
        return torch.log(shares * self.params.sampled)

    def _losses(
        self,
        query: Tensor,
        item: Tensor,
        names: Tensor,
        against: Tensor,
        other: Tensor,
        log_q: Tensor | None,
        own: Tensor | None = None,
    ) -> Tensor:
        """Cross entropy of each row's item among itself and all ``against`` it that are other items."""
        heat, corrects = self.params.temperature, self.params.log_q
        right = (query * item).sum(dim=1).float() / heat
        right = right - own if own is not None and corrects else right
        found = []
        for at in range(0, max(len(query), 1), HELD):
            rows = slice(at, at + HELD)
            wrong = (query[rows] @ against.T).float() / heat
            wrong = wrong - log_q if log_q is not None and corrects else wrong
            wrong = wrong.masked_fill(names[rows, None] == other[None], -math.inf)
            found.append(torch.logsumexp(torch.cat([right[rows, None], wrong], dim=1), dim=1))
        return torch.cat(found) - right

    def served(self) -> nn.Module:
        """What answers for rows: the score (n,), their cosine by the temperature, through the line."""
        return Score(self)


class Score(nn.Module):  # type: ignore[misc]
    """The score of rows (n,)."""

    def __init__(self, towers: Any) -> None:
        super().__init__()
        self.query, self.item, self.head = towers.query, towers.item, towers.head
        self.heat = towers.params.temperature

    def forward(self, codes: Tensor, numbers: Tensor) -> Tensor:
        """Through the line, which is the identity but of two classes."""
        product = (self.query(codes, numbers) * self.item(codes, numbers)).sum(dim=1, keepdim=True)
        return self.head(product / self.heat)[:, 0]
