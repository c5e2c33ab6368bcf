"""mlcycle in a notebook or a script: data as training sees it, trials, and models as they are served.

The platform is that of the folder ``.mlcycle`` here (or ``MLCYCLE_STATE``), else the one that the environment
names; project files are in ``projects`` (or ``MLCYCLE_PROJECTS``). Nothing here registers, serves or changes
anything, but :meth:`Trial.keep`, which leaves a note of a trial.
"""

import os
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mlcycle import kept_files
from mlcycle.domain.dataset import DatasetManifest
from mlcycle.errors import InputError
from mlcycle.project import Candidate, Project
from mlcycle.settings import Settings

if TYPE_CHECKING:
    import numpy as np
    import pandas as pd
    from numpy.typing import NDArray

    from mlcycle.models.base import Model as Fitted
    from mlcycle.steps.trial import Against, Tried


def dataset(project: str, digest: str = "") -> "Dataset":
    """The newest snapshot of a project, or the one whose digest begins so.

    Raises ConfigError for a project or a platform that is not there, InputError where there is no snapshot.
    """
    from mlcycle.steps.alone import alone, snapshot

    found, settings = _project(project), _settings()
    with alone(found, settings, "notebook") as context:
        return Dataset(found, snapshot(context, digest), settings)


def model(name: str) -> "Model":
    """A registered model: ``bike@champion``, or ``bike@7`` for version 7.

    Its files are checked against the ledger's digests before they are read. Raises InputError where there is
    no such version or no champion, IntegrityError for files that are not the registered ones.
    """
    from mlcycle.adapters.artifacts.store import ArtifactStore
    from mlcycle.adapters.tracking import model_cache
    from mlcycle.adapters.warehouse.connection import Warehouse
    from mlcycle.ledger import champion as champions
    from mlcycle.ledger import models
    from mlcycle.models import load

    project, _, wanted = name.partition("@")
    settings = _settings("serve")
    warehouse = Warehouse(settings, name="mlcycle:notebook")
    try:
        with warehouse.transaction() as cursor:
            if wanted == "champion":
                found: Any = champions.current(cursor, project)
                if found is None:
                    raise InputError(f"{project} has no champion yet: run its train and promote stages")
            elif wanted.isdecimal():
                found = models.get(cursor, project, int(wanted))
            else:
                raise InputError(f"{name!r}: say PROJECT@champion, or PROJECT@VERSION with a number")
    finally:
        warehouse.close()
    store = ArtifactStore(settings.artifacts_url)
    kept_files.use(settings.artifacts_url, settings.scratch)
    folder = model_cache.fetch(settings, store, found.model_uri, found.manifest, found.manifest_digest)
    return Model(project, found.version, found.candidate, load(folder))


def features(project: str, rows: "pd.DataFrame") -> "pd.DataFrame":
    """The project's features as they were known at each row's own moment.

    Args:
        project: whose views.
        rows: n rows with the views' entity columns and ``event_time``, a time with a zone.

    Returns:
        The same rows in the same order, with a column for each feature that the project's inputs name; null
        where nothing was known, or only values older than the view's ttl.

    Raises InputError for a column that is missing or times without a zone.
    """
    from mlcycle.adapters.datasets.given_rows import known_at
    from mlcycle.adapters.warehouse.connection import Warehouse

    found = _project(project)
    warehouse = Warehouse(_settings(), name="mlcycle:notebook")
    try:
        return known_at(warehouse, found, rows)
    finally:
        warehouse.close()


@dataclass(frozen=True)
class Dataset:
    """An immutable snapshot: rows as they could be predicted, split by time."""

    project: Project
    manifest: DatasetManifest
    _settings: Settings = field(repr=False)

    @property
    def digest(self) -> str:
        """SHA-256 of its content."""
        return self.manifest.digest

    def frame(self, split: Literal["train", "validation", "holdout"] = "train") -> "pd.DataFrame":
        """Rows of a split: entity_key, event_time, the inputs, and ``label`` as number.

        The holdout is what the gate judges on: whoever chooses by it flatters what is chosen.
        """
        from mlcycle.adapters.datasets.training_data import measured_columns, read_split
        from mlcycle.steps.alone import alone

        columns = ["entity_key", "event_time", *self.project.inputs.all, *measured_columns(self.project)]
        with alone(self.project, self._settings, "notebook") as context:
            return read_split(context.artifacts, self.manifest, split, columns, context.scratch)

    def train(self, recipe: Any, **params: Any) -> "Trial":
        """Fit a candidate on the train rows and measure it beside the champion on the validation rows.

        Args:
            recipe: a candidate of the project by its name, a family (``random_forest``,
                ``sklearn.svm.SVC``, ``models:Mine``), or a class that can be imported.
            params: of the family; beside a candidate's own, those that are to be others.

        Raises ConfigError for a family or parameter that there is not, one line.
        """
        from mlcycle.steps.alone import alone
        from mlcycle.steps.trial import tried

        candidate = _candidate(self.project, recipe, params)
        with alone(self.project, self._settings, "notebook") as context:
            return Trial(self.project, self._settings, tried(context, candidate, self.manifest))


@dataclass(frozen=True)
class Trial:
    """A candidate that was fitted and measured; it is registered nowhere."""

    project: Project
    _settings: Settings = field(repr=False)
    result: "Tried" = field(repr=False)

    @property
    def metrics(self) -> dict[str, float]:
        """On the validation rows, by name."""
        return self.result.metrics

    @property
    def against(self) -> "Against | None":
        """The champion on the same rows; None where ``result.why_not`` says why."""
        return self.result.against

    def predict(self, frame: "pd.DataFrame") -> "NDArray[np.float64]":
        """Predictions (n,) or (n, classes) of rows with the inputs."""
        return self.result.model.predict(frame)

    def keep(self, name: str) -> str:
        """Keep the recipe under a name, for ``mlcycle adopt PROJECT NAME``; returns where it is."""
        from mlcycle.adapters.artifacts.store import ArtifactStore
        from mlcycle.project.part import NAME
        from mlcycle.steps.trial import keep

        if not NAME.fullmatch(name):
            raise InputError(f"{name!r} is no name: small letters, digits and _, 30 at most")
        return keep(ArtifactStore(self._settings.artifacts_url), self.project.name, name, self.result)

    def __str__(self) -> str:
        shown = ", ".join(f"{name} {value:.5g}" for name, value in self.metrics.items())
        family = self.result.candidate.family
        return f"{family}: {shown}; {self.against or self.result.why_not} ({self.result.seconds:.1f} s)"


@dataclass(frozen=True)
class Model:
    """A registered version, as it is served."""

    project: str
    version: int
    candidate: str
    _fitted: "Fitted" = field(repr=False)

    @cached_property
    def inputs(self) -> list[str]:
        """The columns that it reads."""
        return self._fitted.card.inputs

    def predict(self, frame: "pd.DataFrame") -> "NDArray[np.float64]":
        """Predictions of n rows: (n,) probabilities or values, (n, classes) of many classes.

        Raises InputError for an input that is missing or not of its kind.
        """
        return self._fitted.predict(frame)

    def quantiles(self, frame: "pd.DataFrame") -> "NDArray[np.float64]":
        """Quantiles (n, q) where it has learnt them. Raises InputError where not."""
        return self._fitted.quantiles(frame)


def _candidate(project: Project, recipe: Any, params: dict[str, Any]) -> Candidate:
    if isinstance(recipe, type):
        if recipe.__module__ == "__main__":
            raise InputError(
                f"class {recipe.__name__} lives in this notebook alone: put it into a file beside the "
                f"project's and say 'FILE:{recipe.__name__}'"
            )
        recipe = f"{recipe.__module__}.{recipe.__qualname__}"
    own = project.candidates.get(recipe)
    if own is not None:
        return own.model_copy(update={"params": {**own.params, **params}})
    return Candidate.model_validate({"family": recipe, "params": params})


def _project(name: str) -> Project:
    from mlcycle.project.file import load_named

    return load_named(Path(os.environ.get("MLCYCLE_PROJECTS") or "projects"), name)


def _settings(role: str = "train") -> Settings:
    from mlcycle.cli.reaching import platform_env
    from mlcycle.settings import step_env

    state = Path(os.environ.get("MLCYCLE_STATE") or ".mlcycle")
    return Settings.from_env(step_env(platform_env(state), role))
