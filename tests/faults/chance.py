"""Chance from a seed, the same in every run of the tests, so that whoever changed nothing sees nothing fail.

``MLCYCLE_FAULT_SEED=random`` looks for what nobody has seen yet; what fails names its seed, and
``MLCYCLE_FAULT_SEED=N pytest ...`` repeats it. ``MLCYCLE_FAULT_RUNS`` sets how often each case is tried, in
place of the test's own number.
"""

import os
import random
from collections.abc import Iterator
from contextlib import contextmanager

_asked = os.environ.get("MLCYCLE_FAULT_SEED", "2013")
SEED = random.SystemRandom().randrange(1, 2**31) if _asked == "random" else int(_asked)


def runs(default: int = 20) -> range:
    """The runs of one case."""
    return range(int(os.environ.get("MLCYCLE_FAULT_RUNS", default)))


@contextmanager
def seeded(case: str, run: int) -> Iterator[random.Random]:
    """The chance of one run of a case. What fails under it tells how to get the same again."""
    # Told where an assertion fails too: a caller's does not come by here where it loops over a generator.
    print(f"MLCYCLE_FAULT_SEED={SEED}, {case}, run {run}")
    try:
        yield random.Random(f"{SEED}-{case}-{run}")
    except Exception as error:
        raise AssertionError(f"MLCYCLE_FAULT_SEED={SEED}, {case}, run {run}: {error}") from error
