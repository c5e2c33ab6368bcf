"""Labels out of functions that err and abstain: what most of them mean, as far as they can be trusted."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

import numpy as np
from numpy.typing import NDArray

from mlcycle.domain.labelling.weak import ABSTAINS, estimate
from mlcycle.domain.partitions import Partition
from mlcycle.errors import ConfigError, InputError
from mlcycle.ledger.labelling import Asked
from mlcycle.project_code import resolve, said
from mlcycle.steps.context import StepContext
from mlcycle.steps.label_requests import asked_row, rows_to_label

if TYPE_CHECKING:
    import pandas as pd

BY: Final = "functions"  # in whose name
LEAST: Final = 3  # functions: of fewer nothing tells who errs


@dataclass(frozen=True)
class Weak:
    """Rows with their labels, and of each function its name, accuracy and coverage."""

    rows: list[tuple[Asked, str]]
    functions: list[tuple[str, float, float]]
    out_of: int


def weak_labels(
    context: StepContext, references: Sequence[str], first: Partition, last: Partition, sure: float
) -> Weak:
    """Ask the functions of rows that nobody was asked about.

    Args:
        context: of :func:`mlcycle.steps.alone.alone`.
        references: at least three functions: a frame of n rows with the inputs to n answers, None where one
            says nothing.
        first: of the partitions.
        last: of the partitions.
        sure: probability from which a row is labelled.

    Raises InputError for too few functions or a label that has no classes, ConfigError for a function that
    fails.
    """
    project = context.project
    kind = project.source.tables[project.label.table].columns[project.label.column]
    choices = project.label.choices(kind)
    if not choices:
        raise InputError("functions say classes: this label is a number")
    if len(references) < LEAST:
        raise InputError(f"{len(references)} functions: three are needed to tell which of them err")
    rows = rows_to_label(context, first, last)
    frame = rows[project.inputs.all]
    answers = np.stack([_answers(name, frame, choices) for name in references], axis=1)
    found = estimate(answers, len(choices))
    spoken = (answers != ABSTAINS).any(axis=1)
    best, certain = found.labels.argmax(axis=1), found.labels.max(axis=1)
    labelled = [
        (asked_row(project, rows, int(at), "import", math.nan), choices[int(best[at])])
        for at in np.flatnonzero(spoken & (certain >= sure))
    ]
    coverage = (answers != ABSTAINS).mean(axis=0)
    told = list(zip(references, found.accuracies.tolist(), coverage.tolist(), strict=True))
    return Weak(labelled, told, len(rows))


def _answers(reference: str, frame: "pd.DataFrame", choices: Sequence[str]) -> NDArray[np.int64]:
    """(n,) classes by number. Raises ConfigError."""
    function = resolve(reference)
    try:
        given = list(function(frame))
    except Exception as error:  # noqa: BLE001 - whatever somebody's function raises
        raise ConfigError(f"{reference}: {said(error)}") from None
    if len(given) != len(frame):
        raise ConfigError(f"{reference} returns {len(given)} answers for {len(frame)} rows")
    numbers = {choice: number for number, choice in enumerate(choices)}
    found = np.full(len(given), ABSTAINS, dtype=np.int64)
    for at, each in enumerate(given):
        if each is None or each != each:
            continue
        text = str(each).lower() if isinstance(each, bool | np.bool_) else str(each)
        if text not in numbers:
            raise ConfigError(
                f"{reference} answers {text[:60]!r}, which is none of {', '.join(choices[:20])}"
            )
        found[at] = numbers[text]
    return found
