"""``evaluation.json``: all that is known of one model, in one versioned document.

A figure is found by its path in it: ``figures.roc_auc``, ``threshold.gain``, ``calibration.ece``,
``fairness.columns.origin.groups.JFK.accuracy``, ``cost.model_mib``. The first word is a part, what follows
stands in what the part found.
"""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from mlcycle.domain.evaluation.figure import Figure
from mlcycle.errors import InputError

VERSION = "mlcycle.evaluation/1"


class PartFound(BaseModel):
    """One part: what it found, or why it found nothing."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    status: Literal["done", "left out", "does not apply", "not measured"]
    why: str = ""
    seconds: float = 0.0
    found: dict[str, Any] = {}


class Document(BaseModel):
    """One model on one holdout. Unknown fields of a newer writer are left out."""

    model_config = ConfigDict(frozen=True, extra="ignore")

    version: Literal["mlcycle.evaluation/1"] = "mlcycle.evaluation/1"
    project: str
    candidate: str
    family: str
    task: str
    run_id: str
    dataset_digest: str
    start: datetime  # of the holdout, in event time
    end: datetime
    rows: int
    blocks: int  # of time, by which intervals are made
    currency: str
    k: int = 100  # rows of the figures at k
    parts: dict[str, PartFound]

    def found(self, part: str) -> dict[str, Any]:
        """What a part found; empty where it did not run."""
        return self.parts[part].found if part in self.parts else {}


def parse(data: bytes) -> Document:
    """Read a document. Raises InputError, one line, for anything else."""
    try:
        return Document.model_validate_json(data)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(map(str, first["loc"])) or "document"
        raise InputError(f"this is no evaluation: {where}: {first['msg']}") from None


def figure_at(document: Document, path: str) -> Figure:
    """The figure at a path; with ``why`` and without a value where there is none.

    A plain number is a figure without an interval; true and false are 1 and 0.
    """
    name, *keys = path.split(".")
    part = document.parts.get(name)
    if part is None:
        return Figure(None, why=f"there is no part {name!r}: there are {', '.join(document.parts)}")
    if part.status != "done":
        return Figure(None, why=f"part {name!r} is {part.status}: {part.why}")
    at: Any = part.found
    for depth, key in enumerate(keys):
        if not isinstance(at, Mapping) or key not in at:
            known = ", ".join(map(str, at)) if isinstance(at, Mapping) else "nothing"
            where = ".".join([name, *keys[:depth]])
            return Figure(None, why=f"{where} has no {key!r}: there is {known or 'nothing'}")
        at = at[key]
    if isinstance(at, Mapping) and {"value", "low", "high"} <= at.keys():
        return Figure(at["value"], at["low"], at["high"], str(at.get("why", "")))
    if isinstance(at, bool | int | float):
        return Figure(float(at))
    return Figure(None, why=f"{path} is not measured" if at is None else f"{path} is no number")
