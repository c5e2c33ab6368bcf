"""Inputs that tell so much of the label that a training would be refused, by the platform's own checks."""

from typing import TYPE_CHECKING, Any

from mlcycle.proposal.event_time import When
from mlcycle.proposal.inputs import Inputs, Key
from mlcycle.proposal.target import Target

if TYPE_CHECKING:
    import pandas as pd

ROWS = 20_000  # that are looked at
CLASSES = 8  # the commonest, each against all others


def telling(
    frame: "pd.DataFrame", at: When | None, label: Target, told: Key, chosen: Inputs
) -> dict[str, str]:
    """Inputs that a training would refuse unless they are declared as known, with what they tell."""
    import pandas as pd

    from mlcycle.adapters.exploring.telling import add_refused

    rows = frame[frame[label.column.name].notna()]
    if at is not None:
        rows = rows.loc[at.values.loc[rows.index].sort_values(kind="stable").index]
    elif not told.columns:
        rows = rows.sample(frac=1.0, random_state=1)  # dealt by chance, as their days are
    if len(rows) > ROWS:
        rows = rows.iloc[:: len(rows) // ROWS + 1]
    found: dict[str, str] = {}
    columns: dict[str, Any] = {name: rows[name].to_numpy(object) for name in chosen.categorical}
    columns |= {name: pd.to_numeric(rows[name], errors="coerce").to_numpy(float) for name in chosen.numeric}
    task = "classification" if label.task != "regression" else "regression"
    for values in _labels(rows[label.column.name], label):
        add_refused(columns, values, task, found)
    return found


def _labels(texts: "pd.Series[Any]", label: Target) -> "list[Any]":
    """The label as numbers; of many classes one for each of the commonest."""
    import pandas as pd

    if label.task == "multiclass":
        common = texts.value_counts().index[:CLASSES]
        return [(texts == each).to_numpy(float) for each in common]
    if label.positive is not None:
        return [(texts == label.positive).to_numpy(float)]
    numbers = pd.to_numeric(texts, errors="coerce")
    if label.at_least is not None:
        return [(numbers >= label.at_least).to_numpy(float)]
    if label.task == "classification":  # yes or no
        return [(texts == texts.iloc[0]).to_numpy(float)]
    return [numbers.to_numpy(float)]
