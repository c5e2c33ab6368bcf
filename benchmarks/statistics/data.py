"""A project's year as its monitors and its gate see it: rows, labels, and what a champion would have said.

Everything goes through the platform's own feature tables and point-in-time join; it takes a minute or two
and is kept in a folder of the reader's, so that every other figure comes from the same rows.
"""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
from benchmarks.common import postgres, warehouse
from tests.raw_data import deliver, request

from mlcycle import models
from mlcycle.adapters.datasets.point_in_time import joined_rows
from mlcycle.adapters.warehouse.connection import Warehouse
from mlcycle.domain.examples import Rows
from mlcycle.domain.metrics import Array
from mlcycle.domain.partitions import Partition
from mlcycle.models.base import Job, Model
from mlcycle.project import Project
from mlcycle.project.file import load
from mlcycle.steps.runtime import run_step

ROOT = Path(__file__).parents[2]
LAST_DAY = "2013-12-30"
FOLDS = 6  # stretches of the year; each is predicted by a model that never saw it
CANDIDATE = "boosting"


@dataclass(frozen=True)
class Year:
    """One project's rows in order of their time: inputs, ``label``, ``prediction``, ``event_time``, ``day``.

    ``prediction`` is of a model that did not see the stretch of the year which the row is in.
    """

    project: Project
    rows: pd.DataFrame

    @property
    def days(self) -> Iterator[tuple[int, pd.DataFrame]]:
        """Each day's rows, by its number since 1970."""
        for day, rows in self.rows.groupby("day", sort=True):
            yield int(day), rows  # type: ignore[call-overload]


def year(name: str, folder: Path) -> Year:
    """The project's year, made once and kept in the folder."""
    project = load(ROOT / "projects" / name / "project.yaml")
    kept = folder / f"{name}.parquet"
    if not kept.exists():
        folder.mkdir(parents=True, exist_ok=True)
        rows = _predicted(project, _joined(project))
        partial = kept.with_suffix(".partial")
        rows.to_parquet(partial)
        partial.replace(kept)
    return Year(project, pq.read_table(kept).to_pandas())


def _joined(project: Project) -> pd.DataFrame:
    """A year's labelled rows with their features."""
    first = project.source.start
    last = LAST_DAY if project.source.partition == "day" else f"{LAST_DAY}T23"
    with postgres() as (server, folder):
        settings = warehouse(server, folder)
        print(f"{project.name}: loading a year and computing features ...", flush=True)
        deliver(Warehouse(settings["ingest"]), project, first, last)
        done = run_step(request("features", project, first, last), settings["train"])
        if done.exit_code:
            raise SystemExit(f"features: {done.message}")
        start, end = Partition.parse(first, project.unit).start, Partition.parse(last, project.unit).end
        chunks = list(joined_rows(Warehouse(settings["train"]), project, start, end, labels=True))
    rows = pa.concat_tables([chunk.replace_schema_metadata(None) for chunk in chunks]).to_pandas()
    rows["day"] = rows["event_time"].to_numpy(dtype="datetime64[D]").astype(np.int64)
    return rows.sort_values(["event_time", "entity_key"], ignore_index=True)


def _predicted(project: Project, rows: pd.DataFrame) -> pd.DataFrame:
    """The rows with what models say that were trained on the year's other stretches."""
    days = np.unique(rows["day"])
    prediction = np.empty(len(rows))
    for stretch in np.array_split(days, FOLDS):
        out = rows["day"].between(stretch[0], stretch[-1]).to_numpy()
        # A lag's or a window's reach beside the stretch is left out, too: nothing of it is in the training.
        near = rows["day"].between(stretch[0] - 28, stretch[-1] + 28).to_numpy()
        prediction[out] = fitted(project, rows[~near]).predict(rows[out])
    return rows.assign(prediction=prediction)


def fitted(project: Project, rows: pd.DataFrame, **params: object) -> Model:
    """The project's boosting candidate, trained on rows; the last tenth of them is its validation."""
    candidate = project.candidates[CANDIDATE]
    found = models.parse_params(candidate.family, {**candidate.params, **params})
    cut = len(rows) * 9 // 10
    train, validation = (
        Rows(part, part["label"].to_numpy(dtype=np.float64)) for part in (rows.iloc[:cut], rows.iloc[cut:])
    )
    job = Job(
        project.label.task,
        *(project.inputs.categorical, project.inputs.numeric, train, validation),
        len(os.sched_getaffinity(0)),
        lambda *_: None,
    )
    return models.family(candidate.family).fit(job, found, candidate.family)


def columns(project: Project, rows: pd.DataFrame) -> dict[str, Array]:
    """The numeric inputs of rows."""
    return {name: rows[name].to_numpy(dtype=np.float64) for name in project.inputs.numeric}
