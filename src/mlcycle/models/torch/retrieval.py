"""What two towers find among all items of their training, by brute force; and the line of their score."""

from typing import Final

import numpy as np
import torch

from mlcycle.domain.evaluation.calibrator import platt
from mlcycle.domain.examples import Examples
from mlcycle.models.torch.columns import Columns
from mlcycle.models.torch.towers import Towers

FIRST: Final = 10
HELD: Final = 1024  # queries that are set against all items at a time


def recalls(network: Towers, columns: Columns, liked: Examples, k: int = FIRST) -> dict[str, float]:
    """How often the item of a liked row is among the first ``k`` of all items, beside the ``k`` commonest.

    A row whose item no training row has counts as not found. No approximate index: every item is looked at.
    """
    network.eval()
    found = common = rows = 0
    with torch.no_grad():
        items = network.items()
        for part in liked.parts():
            codes, numbers = (torch.from_numpy(each(part.frame)) for each in (columns.codes, columns.numbers))
            for at in range(0, part.count, HELD):
                here = slice(at, at + HELD)
                asked = network.query(codes[here], numbers[here]) @ items.T
                first = network.item_names[asked.topk(min(k, len(items)), dim=1).indices]
                names = codes[here, network.name][:, None]
                found += int((first == names).any(dim=1).sum())
                common += int((network.item_names[None, :k] == names).any(dim=1).sum())
            rows += part.count
    return {f"retrieval_recall_at_{k}": found / rows, f"popularity_recall_at_{k}": common / rows}


def fit_line(network: Towers, columns: Columns, rows: Examples) -> None:
    """Let the sigmoid of the score be the share of ones: Platt's line on these rows, liked or not."""
    network.eval()
    with torch.no_grad():  # the loop sets it to the share of ones, which among liked rows is all
        network.head.weight.fill_(1.0)
        network.head.bias.fill_(0.0)
    score, scores, labels = network.served(), list[np.ndarray](), list[np.ndarray]()
    with torch.no_grad():
        for part in rows.parts():
            codes, numbers = torch.from_numpy(columns.codes(part.frame)), columns.numbers(part.frame)
            scores.append(score(codes, torch.from_numpy(numbers)).double().numpy())
            labels.append(np.asarray(part.labels))
        line = platt(np.concatenate(labels), 1 / (1 + np.exp(-np.concatenate(scores))))
        network.head.weight.fill_(line.slope)
        network.head.bias.fill_(line.intercept)
