"""A registered model on the rows of a holdout: its files, checked, and the rows as it reads them."""

from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from mlcycle.adapters.datasets.point_in_time import joined_rows
from mlcycle.adapters.tracking import model_cache
from mlcycle.domain.dataset import Bounds, DatasetManifest
from mlcycle.domain.metrics import Array
from mlcycle.errors import ConfigError, InputError
from mlcycle.ledger import champion as champions
from mlcycle.ledger import models
from mlcycle.steps.context import StepContext

if TYPE_CHECKING:
    import pandas as pd

    from mlcycle.models.base import Card, Model
    from mlcycle.project import Project

Version = models.ModelVersion | models.ModelFiles | champions.Champion


@dataclass(frozen=True)
class Opened:
    """A model with its files and the holdout's rows as it reads them."""

    folder: Path
    model: "Model"
    rows: "pd.DataFrame"

    @property
    def bytes(self) -> int:
        """Of all its files."""
        return sum(path.stat().st_size for path in self.folder.rglob("*") if path.is_file())

    classes: int = 0  # of the project, where there are many
    quantiles: tuple[float, ...] = ()  # levels of the project, where it has any

    @property
    def predictions(self) -> Array:
        """What it says of the rows, (n,), or (n, classes): nought of a class that was named later.

        Where the project has quantiles, those at its levels (n, q, 2), whatever the model's own are.
        """
        from mlcycle.models.quantile_models import said as said_by

        said = said_by(self.model, self.rows, self.quantiles)
        return np.pad(said, ((0, 0), (0, self.classes - said.shape[1]))) if self.classes else said


def opened(
    context: StepContext,
    version: Version,
    holdout: "pd.DataFrame",
    manifest: DatasetManifest | None = None,
) -> Opened:
    """A model on the holdout's rows.

    With the ``manifest`` of their snapshot, inputs that the snapshot lacks are read from the warehouse: the
    project's were changed since the model was trained. Raises InputError where rows are no longer there.
    """
    from mlcycle.models import load

    folder = model_cache.fetch(
        context.settings, context.artifacts, version.model_uri, version.manifest, version.manifest_digest
    )
    model = load(folder)
    check_classes(context.project, model.card)
    inputs = model.card.inputs
    if manifest is not None and not set(inputs) <= set(holdout.columns):
        holdout = _as_read_by(context, model, holdout, manifest.splits["holdout"])
    label = context.project.label
    return Opened(folder, model, holdout, len(label.classes), tuple(label.quantiles))


def check_classes(project: "Project", card: "Card") -> None:
    """Raise ConfigError where a model of many classes has another order of them, or another task."""
    named = project.label.classes
    if not (named or card.classes):
        return
    if card.task != project.label.task:
        raise ConfigError(
            f"the model learnt a {card.task}, and label.task is {project.label.task}: what was served and "
            "judged is of another label, so give the project another name"
        )
    if card.classes != named[: len(card.classes)]:
        raise ConfigError(
            f"the model's classes are {', '.join(card.classes)}, label.classes begins otherwise: write them "
            "in that order, and new ones at the end"
        )


def blocks_of(times: Any, block: timedelta) -> Any:
    """(n,) number of the block of time that each row lies in, counted from 1970 UTC."""
    instants = times.to_numpy(dtype="datetime64[s]").astype(np.int64)
    return instants // int(block.total_seconds())


def _as_read_by(
    context: StepContext, model: "Model", holdout: "pd.DataFrame", bounds: Bounds
) -> "pd.DataFrame":
    """The holdout's rows with the inputs of a model from before the project's inputs were changed."""
    import pandas as pd

    project = context.project.reading(model.card.categorical, model.card.numeric, model.card.text)
    found = pd.concat(
        [
            chunk.to_pandas()
            for chunk in joined_rows(context.warehouse, project, bounds.start, bounds.end, labels=False)
        ]
    )
    key = ["entity_key", "event_time"]
    rows = (
        holdout[key]
        .astype({"entity_key": str})
        .merge(found, on=key, how="left", validate="1:1", indicator=True)
    )
    if missing := int((rows["_merge"] != "both").sum()):
        raise InputError(
            f"{missing} rows of the holdout are no longer in the warehouse, and the champion reads columns "
            "that the snapshot lacks: request a retrain, which makes a new snapshot"
        )
    return rows
