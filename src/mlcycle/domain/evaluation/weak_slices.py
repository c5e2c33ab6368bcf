"""Where the model is worse than elsewhere: slices that a project names, and slices that are found.

Each value of a category and each fifth of a number is a slice, its mean loss set against that of all other
rows. Many are looked at, so that the worst of them is bad by luck alone: what is told of each holds for all
at once (max-T over whole blocks of time, as the gate's slices are judged). The search is that of Y. Chung et
al., "Slice Finder: automated data slicing for model validation", 2019.
"""

import itertools
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mlcycle.domain.evaluation.bootstrap import codes_of, sums
from mlcycle.domain.evaluation.coverage import numbers
from mlcycle.domain.evaluation.figure import plain
from mlcycle.domain.evaluation.groups import MISSING, largest, texts_of
from mlcycle.domain.evaluation.subject import LARGE, Subject
from mlcycle.domain.interval import MIN_BLOCKS
from mlcycle.domain.metrics import Array
from mlcycle.domain.slices import at_once, moderated, together

FIFTHS = 5
MOST_VALUES = 20  # of a column
MIN_ROWS = 30
SHOWN = 20


@dataclass(frozen=True)
class Found:
    """A slice: its mean loss less all others', and what that is no less than, all slices at once."""

    name: str
    named: bool
    rows: int
    loss: float
    apart: float
    shrunk: float
    least: float


def run(subject: Subject) -> dict[str, Any]:
    """The named slices and the worst of the found ones."""
    rows = subject.rows(LARGE)
    loss = subject.task.row_loss(subject.labels[rows], subject.predictions[rows])
    whole, frame = len(rows) == len(subject.predictions), subject.holdout.frame
    frame = frame if whole else frame.iloc[rows].reset_index(drop=True)
    named, found = set(subject.wishes.slices), list[tuple[str, bool, NDArray[np.bool_]]]()
    columns = list(dict.fromkeys([*subject.wishes.slices, *subject.categorical]))
    for column in columns:
        texts = texts_of(frame[column])
        for value in largest(texts, MOST_VALUES):
            found.append((f"{column}={value}", column in named, texts == value))
    for column in subject.numeric:
        if column not in columns:
            values = numbers(frame[column])
            found += [(f"{column} {words}", False, own) for words, own in fifths(values)]
    slices = judged(loss, subject.blocks[rows], found)
    worst = sorted(slices, key=lambda each: -each.least)
    shown = [each for each in worst if each.named] + [each for each in worst if not each.named][:SHOWN]
    return plain(  # type: ignore[no-any-return]
        {
            "rows": subject.shown_rows(LARGE),
            "loss": subject.task.loss_words,
            "mean": float(loss.mean()),
            "looked_at": len(slices),
            "surely_worse": sum(each.least > 0 for each in slices),
            "slices": [vars(each) for each in sorted(shown, key=lambda each: -each.least)],
        }
    )


def fifths(values: Array) -> list[tuple[str, NDArray[np.bool_]]]:
    """Rows of each fifth of the values (n,), and those without one."""
    known = np.isfinite(values)
    edges = (
        np.unique(np.quantile(values[known], np.linspace(0, 1, FIFTHS + 1))) if known.any() else np.empty(0)
    )
    found = [(MISSING, ~known)] if (~known).any() else []
    if len(edges) < 3:  # one value, or two that need no cut
        return [*found, *((f"= {edge:g}", values == edge) for edge in edges)]
    for at, (low, high) in enumerate(itertools.pairwise(edges)):
        last = at == len(edges) - 2
        rows = (values >= low) & ((values <= high) if last else (values < high))
        found.append((f"{low:.4g} to {high:.4g}", rows))
    return found


def judged(
    loss: Array, blocks: NDArray[np.int64], parts: list[tuple[str, bool, NDArray[np.bool_]]]
) -> list[Found]:
    """Each part of enough rows and blocks against all other rows, with bounds that hold for all at once."""
    codes, count = codes_of(blocks)
    held, by_block, noise, apart = (
        list[tuple[str, bool, int, float]](),
        list[Array](),
        list[float](),
        list[float](),
    )
    total, rows_in_all = float(loss.sum()), len(loss)
    for name, named, own in parts:
        rows = int(own.sum())
        if rows < MIN_ROWS or rows_in_all - rows < MIN_ROWS or len(np.unique(codes[own])) < MIN_BLOCKS:
            continue
        inside = float(loss[own].sum())
        means = inside / rows, (total - inside) / (rows_in_all - rows)
        share = np.where(own, (loss - means[0]) / rows, -(loss - means[1]) / (rows_in_all - rows))
        by_block.append(sums(share, codes, count))
        noise.append(float((share**2).sum()))
        held.append((name, named, rows, means[0]))
        apart.append(means[0] - means[1])
    if not held:
        return []
    spreads, gaps = np.array(by_block), np.array(apart)
    errors, freedom = moderated(spreads, np.array(noise))
    least = gaps - at_once(spreads, freedom) * errors
    drawn = together(gaps, errors)
    return [
        Found(*head, float(gap), float(near), float(bound))
        for head, gap, near, bound in zip(held, gaps, drawn, least, strict=True)
    ]
