"""A report on 300,000 rows beside what pandas does of it: describe, correlations and counts, no page."""

import time

import numpy as np
import pandas as pd

from mlcycle.adapters.exploring.rows import Explored
from mlcycle.adapters.pages import exploring_page
from mlcycle.domain.exploring.columns import Column
from mlcycle.project.file import load_named
from mlcycle.steps.exploring import document_of

ROWS, DAYS = 300_000, 180
NUMBERS, WORDS = 12, 8


def made() -> Explored:
    """Twelve numbers and eight columns of words, a number in ten missing; two of each matter."""
    rng = np.random.default_rng(0)
    numbers = rng.normal(size=(ROWS, NUMBERS))
    words = [rng.integers(0, 5 + 40 * at, ROWS) for at in range(WORDS)]
    odds = numbers[:, 0] + 0.5 * numbers[:, 1] + (words[0] == 1) - (words[1] % 3 == 0) - 1.5
    label = (rng.random(ROWS) < 1 / (1 + np.exp(-odds))).astype(float)
    numbers[rng.random(numbers.shape) < 0.1] = np.nan
    columns = [Column(f"n{at}", numbers[:, at]) for at in range(NUMBERS)]
    columns += [
        Column(f"w{at}", codes, [f"v{code}" for code in range(codes.max() + 1)])
        for at, codes in enumerate(words)
    ]
    return Explored(
        columns=columns,
        label=Column("late", label.astype(np.int64), ["not late", "late"]),
        target=label,
        partition=np.sort(rng.integers(0, DAYS, ROWS)),
        keys=[f"{day:04}" for day in range(DAYS)],
        entity=[""] * ROWS,
        unlabelled=0,
        share=1.0,
    )


def main() -> None:
    """Print both times and their ratio."""
    from pathlib import Path

    project, found = load_named(Path("projects"), "flights"), made()
    began = time.perf_counter()
    document = document_of(
        project, found, DAYS - 30, lambda line: print(f"{time.perf_counter() - began:6.1f} s {line}")
    )
    told = time.perf_counter() - began
    page = exploring_page.render(document)
    ours = time.perf_counter() - began
    frame = pd.DataFrame({each.name: each.values for each in found.columns if each.is_number})
    for each in found.columns:
        if each.words is not None:
            frame[each.name] = pd.Categorical.from_codes(each.values, each.words)
    began = time.perf_counter()
    frame.describe(include="all")
    frame.select_dtypes("number").corr("spearman")
    for name in frame.select_dtypes("category"):
        frame[name].value_counts()
    peer = time.perf_counter() - began
    said = f"document {told:.1f} s, page of {len(page) / 1e6:.1f} MB {ours - told:.1f} s"
    print(f"{ROWS:,} rows, {len(found.columns)} columns: {said}")
    print(f"pandas' describe, rank correlations and counts alone: {peer:.1f} s; ratio {ours / peer:.1f}")


if __name__ == "__main__":
    main()
