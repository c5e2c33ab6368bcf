"""Inputs that tell so much of the label that a training would be refused, by the platform's own checks."""

import re
from collections.abc import Iterator, Mapping
from typing import Any

from mlcycle.errors import LeakageError

CLASSES = 8  # the commonest, each against all others


def add_refused(columns: Mapping[str, Any], label: Any, task: str, found: dict[str, str]) -> None:
    """Add the inputs that are refused to ``found``, with what they tell, one after the other until none is.

    Args:
        columns: numbers (NaN is absent) or objects (None is absent), each (n,), in order of time.
        label: (n,) numbers.
        task: ``classification`` or ``regression``.
        found: those that are known already are looked at no more.
    """
    import numpy as np

    from mlcycle.adapters.datasets import quick_model
    from mlcycle.domain.leakage import sample

    count = len(label)
    nothing = np.full(count, np.nan)
    for _ in range(len(columns) + 1):
        look = sample.Sample(columns, label, task, nothing, np.arange(count), nothing, frozenset(found))
        try:
            sample.check(look, quick_model.scores)
        except LeakageError as error:
            named = [name for name in re.findall(r"'([^']+)'", error.message) if name in columns]
            fresh = [name for name in named if name not in found]
            if not fresh:
                return
            found[fresh[0]] = error.message.partition(";")[0]
        else:
            return


def one_by_one(codes: Any) -> Iterator[Any]:
    """Of many classes a label of 1 and 0 for each of the commonest: (n,) codes."""
    import numpy as np

    names, counts = np.unique(codes[codes >= 0], return_counts=True)
    for code in names[np.argsort(-counts, kind="stable")[:CLASSES]]:
        yield (codes == code).astype(float)
