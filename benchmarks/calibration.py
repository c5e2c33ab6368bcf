"""What choosing a calibration curve on rows of its own does, on made-up models whose truth is known.

Run: ``python -m benchmarks.calibration`` (a minute); the table is docs/evaluation.md's.
"""

import numpy as np

from mlcycle.domain.evaluation.own_rows import choose
from mlcycle.domain.evaluation.recalibration import expected_error

DAYS, ROWS, TIMES = 30, 3000, 400


def made(random: np.random.Generator, too_sure: float, shared: float) -> tuple[np.ndarray, ...]:
    """Labels, what the model says and each row's day; ``shared`` is the spread of the days' own level."""
    day = np.arange(ROWS) * DAYS // ROWS
    known = random.normal(-1, 1, ROWS)
    hidden = random.normal(0, shared, DAYS)[day]
    labels = (random.random(ROWS) < 1 / (1 + np.exp(-known - hidden))).astype(float)
    return labels, 1 / (1 + np.exp(-too_sure * known)), day


def main() -> None:
    """Print the table."""
    print("| log odds times | spread of days | curve kept | ECE before | ECE after |\n|---|---|---|---|---|")
    for too_sure in (1.0, 1.3, 2.5, 0.5):
        for shared in (0.0, 0.3):
            random, kept, before, after = np.random.default_rng(11), 0, [], []
            for _ in range(TIMES):
                choice = choose(*made(random, too_sure, shared), "auto")
                labels, said, _ = made(random, too_sure, shared)
                kept += choice.calibrator is not None
                before.append(expected_error(labels, said))
                after.append(
                    expected_error(labels, said if choice.calibrator is None else choice.calibrator(said))
                )
            row = f"{kept / TIMES:.3f} | {np.mean(before):.4f} | {np.mean(after):.4f}"
            print(f"| {too_sure} | {shared} | {row} |", flush=True)


if __name__ == "__main__":
    main()
