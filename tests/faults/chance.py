"""Chance from a seed that a failure names: ``MLCYCLE_FAULT_SEED=N pytest ...`` repeats what failed.

``MLCYCLE_FAULT_RUNS`` sets how often each case is tried, in place of the test's own number.
"""

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager

SEED = int(os.environ.get("MLCYCLE_FAULT_SEED", "0")) or random.SystemRandom().randrange(1, 2**31)


def runs(default: int = 20) -> range:
    """The runs of one case."""
    return range(int(os.environ.get("MLCYCLE_FAULT_RUNS", default)))


@contextmanager
def seeded(case: str, run: int) -> Iterator[random.Random]:
    """The chance of one run of a case. What fails under it tells how to get the same again."""
    try:
        yield random.Random(f"{SEED}-{case}-{run}")
    except Exception as error:
        raise AssertionError(f"MLCYCLE_FAULT_SEED={SEED}, {case}, run {run}: {error}") from error
