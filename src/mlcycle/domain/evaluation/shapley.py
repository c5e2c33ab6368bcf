"""How much each input moves single answers away from the usual one: Shapley values, drawn, with their error.

An order of the inputs is drawn, and a row of the background; the row's own values replace the background's
one after the other, and each input is given what the answer moves by. Each order is also walked backwards
(antithetic), which makes the error smaller where inputs act together. A row's values add up to its answer
less the mean answer of the background rows that were drawn for it, by construction.

Source: E. Strumbelj and I. Kononenko, "Explaining prediction models and individual predictions with feature
contributions", Knowledge and Information Systems 41, 2014. Inputs that go together are taken apart: it asks
for rows that may not exist.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from mlcycle.domain.evaluation.figure import cell, plain
from mlcycle.domain.evaluation.subject import SEED, Subject
from mlcycle.domain.metrics import Array

PAIRS = 8  # orders drawn for a row, each walked both ways
ROWS = 60  # of the summary
WORST = 5  # single rows that are told of


@dataclass(frozen=True)
class Shapley:
    """``values`` and their standard ``errors`` are (rows, inputs); ``base`` and ``answers`` (rows,)."""

    values: Array
    errors: Array
    base: Array
    answers: Array


def sampled(
    predict: Callable[[Any], Array], rows: Any, background: Any, names: list[str], pairs: int, seed: int
) -> Shapley:
    """Shapley values of a model's answers for some rows.

    Args:
        predict: a frame with the inputs -> (rows,).
        rows: the frame of n rows to be explained.
        background: the frame that missing inputs are drawn from.
        names: the inputs.
        pairs: orders drawn for each row, two at least: their spread is the standard error.
        seed: the same gives the same values.

    Raises:
        ValueError: fewer than two pairs, or nothing to draw from.
    """
    if pairs < 2 or not len(background) or not len(rows):
        raise ValueError(f"{pairs} pairs, {len(background)} rows to draw from, {len(rows)} rows: too few")
    import pandas as pd

    random, count, inputs = np.random.default_rng(seed), len(rows), len(names)
    both = pd.concat([rows[names], background[names]], ignore_index=True)
    drawn = np.empty((pairs, count, inputs))
    base, answers = np.zeros(count), np.zeros(count)
    for pair in range(pairs):
        order = np.argsort(random.random((count, inputs)), axis=1)
        place = np.argsort(order, axis=1)  # when each input is replaced
        other = count + random.integers(0, len(background), count)
        walks = []
        for at in (place, inputs - 1 - place):
            # (steps, rows, inputs): which row of `both` a value comes from after so many replacements.
            own = at[None] < np.arange(inputs + 1)[:, None, None]
            source = np.where(own, np.arange(count)[None, :, None], other[None, :, None]).reshape(-1, inputs)
            asked = pd.DataFrame({name: both[name].take(source[:, j]).array for j, name in enumerate(names)})
            said = predict(asked).reshape(inputs + 1, count)
            moved = np.diff(said, axis=0)  # (inputs, rows) by step
            walks.append(np.take_along_axis(moved.T, at, axis=1))
        drawn[pair] = (walks[0] + walks[1]) / 2
        base, answers = base + said[0] / pairs, said[-1]
    return Shapley(drawn.mean(axis=0), drawn.std(axis=0, ddof=1) / np.sqrt(pairs), base, answers)


def run(subject: Subject) -> dict[str, Any]:
    """The summary over rows, by mean size, and the single rows with the greatest loss."""
    names = subject.inputs
    frame, labels = subject.sampled, subject.labels[subject.sample]
    losses = subject.task.row_loss(labels, subject.predictions[subject.sample])
    worst = np.argsort(-losses, kind="stable")[:WORST]
    spread = np.linspace(0, len(frame) - 1, min(len(frame), ROWS)).astype(int)
    at = np.concatenate([spread, worst])
    rows = frame.iloc[at].reset_index(drop=True)
    found = sampled(subject.predict, rows, frame, names, PAIRS, SEED)
    summary, single = found.values[: len(spread)], range(len(spread), len(at))
    size = np.abs(summary).mean(axis=0)
    error = np.sqrt((found.errors[: len(spread)] ** 2).sum(axis=0)) / len(spread)
    return plain(  # type: ignore[no-any-return]
        {
            "rows": f"mean over {len(spread):,} rows, {PAIRS} pairs of orders each",
            "columns": {
                names[j]: {"mean_size": size[j], "error": error[j]} for j in np.argsort(-size, kind="stable")
            },
            "worst": [
                {
                    "row": int(subject.sample[at[i]]),
                    "label": labels[at[i]],
                    "answer": found.answers[i],
                    "usual": found.base[i],
                    "inputs": {
                        names[j]: {
                            "is": cell(rows[names[j]].iloc[i]),
                            "value": found.values[i, j],
                            "error": found.errors[i, j],
                        }
                        for j in np.argsort(-np.abs(found.values[i]), kind="stable")
                    },
                }
                for i in single
            ],
        }
    )
