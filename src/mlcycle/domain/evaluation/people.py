"""What people, or the system of today, answered: a baseline that has no answer to some rows."""

from typing import Any

import numpy as np

from mlcycle.domain.metrics import Array
from mlcycle.domain.tasks import task_of
from mlcycle.errors import InputError


def answers(column: Any, name: str, task: str) -> Array:
    """(n,) as float64, NaN where nobody answered.

    Args:
        column: (n,) numbers, missing where there is none.
        name: of the column, for people.
        task: of the project.

    Raises:
        InputError: an answer is infinite, or none between 0 and 1 where a probability is asked for.
    """
    import pandas as pd

    found: Array = pd.to_numeric(column).to_numpy(dtype=np.float64, na_value=np.nan)
    if np.isinf(found).any():
        raise InputError(f"evaluation.human: column {name!r} holds an infinite number: mend it in the source")
    if task_of(task).probabilities and ((found < 0) | (found > 1)).any():
        odd = found[(found < 0) | (found > 1)][0]
        raise InputError(
            f"evaluation.human: column {name!r} holds {odd:g}, expected probabilities or decisions between 0 "
            "and 1: derive such a column in the source or a view, and name that"
        )
    return found
