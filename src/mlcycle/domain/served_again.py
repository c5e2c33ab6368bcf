"""Rows that were served, scored again from today's warehouse: what differs, and whether anything explains it.

A row's inputs are those that were known at its time, so that the same model gives the same answer whenever it
is asked. Where it does not, a value was dated before it was known, something wrote into the past, or the
model's files or libraries are others. A partition that was delivered again since then explains a difference.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from mlcycle.domain.monitors import Level, Measurement

Array = NDArray[np.float64]
SHOWN = 5  # inputs named in a message


@dataclass(frozen=True)
class Again:
    """One partition's rows, served and again.

    ``inputs`` says by input how many rows differ; ``corrected`` and ``late`` are the deliveries since the
    scoring that its inputs can come from: given again, or for the first time though they were due before.
    """

    partition: str
    rows: int
    differ: int  # rows whose prediction is another one, or that are gone
    inputs: Mapping[str, int] = field(default_factory=dict)
    corrected: Sequence[str] = ()
    late: Sequence[str] = ()
    changed: Sequence[str] = ()  # feature views that were defined otherwise

    @property
    def explained(self) -> bool:
        """Whether a correction or another definition may be why."""
        return bool(self.corrected or self.changed)


def differing(before: Array, now: Array, tolerance: float) -> NDArray[np.bool_]:
    """Where predictions differ by more than rounding: ``tolerance`` of their size, or of their spread."""
    size = max(float(np.abs(before).mean()), float(before.std()), 1e-12) if len(before) else 1.0
    found: NDArray[np.bool_] = ~(np.abs(before - now) <= tolerance * size)
    return found


def measurement(found: Sequence[Again]) -> Measurement:
    """The finding: a page for what nothing explains, a warning for a late delivery and for inputs alone."""
    rows = sum(item.rows for item in found)
    open_ = [item for item in found if not item.explained and (item.differ or any(item.inputs.values()))]
    bad = [item for item in open_ if item.differ]
    share = sum(item.differ for item in bad) / rows if rows else 0.0
    level: Level = "ok"
    if open_:
        always = len(bad) == len(found) > 1  # one late delivery is bad luck, one every time a wrong lag
        level = "page" if always or any(not item.late for item in bad) else "warn"
    details = {
        "rows": rows,
        "partitions": [item.partition for item in found],
        "differ": {item.partition: item.differ for item in found},
        "inputs": _inputs(found),
        "corrected": sorted({name for item in found for name in item.corrected}),
        "late": sorted({name for item in found for name in item.late}),
    }
    return Measurement("served_again", level, _message(found, open_, rows), "", share, 0.0, details)


def _message(found: Sequence[Again], open_: Sequence[Again], rows: int) -> str:
    said = f"{rows} served rows of {', '.join(item.partition for item in found)} scored again"
    explained = [item for item in found if item.explained and (item.differ or any(item.inputs.values()))]
    why = sorted({name for item in explained for name in (*item.corrected, *item.changed)})
    aside = (
        f"; {sum(item.differ for item in explained)} differ after {', '.join(why)} changed"
        if explained
        else ""
    )
    if not open_ and explained:
        return f"{said}: the others give the served answer{aside}"
    if not open_:
        return f"{said}: all give the served answer"
    differ, inputs = sum(item.differ for item in open_), _inputs(open_)
    names = sorted(inputs, key=lambda name: (-inputs[name], name))
    which = ", ".join(f"{name} ({inputs[name]} rows)" for name in names[:SHOWN])
    which += f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    late = sorted({name for item in open_ for name in item.late})
    if late:
        came = ", ".join(late[:SHOWN])
        cause = f"{came} came after it was due, so rows were served without: is the table's lag too short?"
    elif which:
        cause = "a value is dated before it is known, or the past was written to: date it later, train anew"
    else:
        cause = "the model gives another answer to the same inputs: compare its image and libraries"
    return f"{said}: {differ} differ{f', in {which}' if which else ''}; {cause}{aside}"


def _inputs(found: Sequence[Again]) -> dict[str, int]:
    counts: dict[str, int] = {}
    for item in found:
        for name, count in item.inputs.items():
            if count:
                counts[name] = counts.get(name, 0) + count
    return counts
