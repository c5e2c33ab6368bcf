"""What the flights candidates really achieve: trained on January to August, measured on October.

The split is by time alone, September is for validation, and all goes through the platform's own feature
tables, point-in-time join, leakage checks and snapshot. Run: ``python -m benchmarks.honest_numbers``.
"""

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from benchmarks.common import postgres, warehouse
from tests.raw_data import FLIGHTS, deliver, request

from mlcycle import models
from mlcycle.adapters.artifacts.store import ArtifactStore
from mlcycle.adapters.datasets.training_data import columns_of, labels_of, read_manifest, read_split
from mlcycle.adapters.warehouse.connection import Warehouse
from mlcycle.domain.dataset import DatasetManifest, Split
from mlcycle.domain.examples import Rows
from mlcycle.domain.metrics import measure
from mlcycle.domain.value import constants, worth
from mlcycle.models.base import Job
from mlcycle.project import Project
from mlcycle.settings import Settings
from mlcycle.steps.cross_validated import plan_of
from mlcycle.steps.runtime import run_step

FIRST, LAST = "2013-01-01", "2013-11-01"  # on 1 November the arrivals of 31 October are known
SPLIT = {"holdout": "31 days", "validation": "30 days", "history": "365 days", "min_rows": 100_000}
AUC, LOG_LOSS = 0.68, 0.437


def main() -> None:
    """Print the table; exit with 1 where no candidate reaches the goal."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    threads = parser.parse_args().threads
    project = Project.model_validate({**FLIGHTS.document(), "split": SPLIT})
    with postgres() as (server, folder):
        reached = _measure(project, warehouse(server, folder), folder, threads)
    raise SystemExit(0 if reached else 1)


def prepared(
    project: Project,
    settings: dict[str, Settings],
    folder: Path,
    threads: int,
    first: str = FIRST,
    last: str = LAST,
) -> tuple[Job, Callable[[Split], Rows], DatasetManifest]:
    """A project's data through feature tables, join and snapshot: a fit's job, and the rows of each split."""
    print("loading January to October and computing features ...", flush=True)
    deliver(Warehouse(settings["ingest"]), project, first, last)
    for step in ("features", "dataset"):
        result = run_step(request(step, project, first, last), settings["train"])
        if result.exit_code:
            raise SystemExit(f"{step}: {result.message}")
        print(f"{step}: {result.message} ({result.seconds:.1f} s)", flush=True)
    store = ArtifactStore(settings["train"].artifacts_url)
    manifest = read_manifest(store, result.outputs["manifest"])

    def rows(split: Split) -> Rows:
        frame = read_split(store, manifest, split, columns_of(project), folder / "rows")
        return Rows(frame, labels_of(frame, split, project.label.task))

    inputs = project.inputs
    job = Job(
        project.label.task,
        *(inputs.categorical, inputs.numeric, rows("train"), rows("validation"), threads),
        lambda *_: None,
        folds=plan_of(project),
    )
    return job, rows, manifest


def _measure(project: Project, settings: dict[str, Settings], folder: Path, threads: int) -> bool:
    job, rows, manifest = prepared(project, settings, folder, threads)
    holdout = rows("holdout")
    for split, bounds in manifest.splits.items():
        print(f"{split:11}{bounds.start:%Y-%m-%d} to {bounds.end:%Y-%m-%d}{bounds.rows:9} rows")
    currency = f"gain, {project.value.currency}"  # over the constant answer that was best in training
    usual = constants(project.value, project.label.task, job.train.labels)
    print(f"\n{'October':22}{'AUC':>8}{'log loss':>10}{currency:>14}{'fit, s':>8}")
    reached = False
    for name in ("zero rule", *project.candidates):
        began = time.perf_counter()
        if name == "zero rule":
            predicted = np.full(len(holdout.labels), job.train.labels.mean())
        else:
            candidate = project.candidates[name]
            params = models.parse_params(candidate.family, candidate.params)
            model = models.family(candidate.family).fit(job, params, candidate.family)
            predicted = model.predict(holdout.frame)
        seconds = time.perf_counter() - began
        found = measure(project.label.task, holdout.labels, predicted)
        gained = worth(project.value, project.label.task, holdout.labels, predicted, usual).gain
        reached |= found["roc_auc"] >= AUC and found["log_loss"] <= LOG_LOSS
        print(f"{name:22}{found['roc_auc']:8.4f}{found['log_loss']:10.4f}{gained:+14,.0f}{seconds:8.1f}")
    verdict = "reached" if reached else "NOT reached"
    print(f"goal: AUC >= {AUC} and log loss <= {LOG_LOSS} for the better candidate: {verdict}")
    return reached


if __name__ == "__main__":
    main()
