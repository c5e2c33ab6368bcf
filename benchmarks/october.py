"""The candidates of docs/models.md on October, each with its intervals, compared in one MLflow experiment.

Trained on January to August; the best is chosen on September, which stopped LightGBM too; October is read
once for each and chooses nothing. Run: ``python -m benchmarks.october --state FOLDER --plot FILE``.
"""

import argparse
import json
import time
from pathlib import Path
from typing import Any

import mlflow
import numpy as np
from benchmarks.common import postgres, warehouse
from benchmarks.families import candidates
from benchmarks.honest_numbers import SPLIT, prepared
from tests.raw_data import FLIGHTS

from mlcycle import models
from mlcycle.adapters.artifacts.store import ArtifactStore
from mlcycle.adapters.datasets.training_data import columns_of, labels_of, read_split
from mlcycle.adapters.pages import plots
from mlcycle.domain.evaluation import of_classes
from mlcycle.domain.metrics import Array, measure
from mlcycle.domain.paired import paired_blocks
from mlcycle.project import Project
from mlcycle.steps.opening import blocks_of

GOAL = {"roc_auc": 0.6835, "log_loss": 0.4312}
SHOWN = ("roc_auc", "log_loss")


def main() -> None:
    """Print the table, and draw the candidates' gain in log loss over the best of September."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--state", type=Path, required=True, help="where MLflow's database is kept")
    parser.add_argument("--plot", type=Path, required=True, help="a PNG")
    given = parser.parse_args()
    given.state.mkdir(parents=True, exist_ok=True)
    mlflow.set_tracking_uri(f"sqlite:///{given.state.resolve()}/mlflow.db")
    mlflow.set_experiment("flights")
    project = Project.model_validate({**FLIGHTS.document(), "split": SPLIT, "candidates": candidates()})
    with postgres() as (server, folder):
        settings = warehouse(server, folder)
        job, _, manifest = prepared(project, settings, folder, given.threads)
        store = ArtifactStore(settings["train"].artifacts_url)
        columns = [*columns_of(project), "event_time"]
        october = read_split(store, manifest, "holdout", columns, folder / "october")
    labels = labels_of(october, "holdout", project.label.task)
    blocks = blocks_of(october["event_time"], project.gate.block)
    zero = np.full(len(labels), job.train.whole().labels.mean())
    said, before = {"zero_rule": zero}, {}
    print(
        "| candidate | September log loss | October AUC | October log loss | fit, CPU s |\n"
        + 5 * "|---"
        + "|"
    )
    for name, candidate in project.candidates.items():
        params = models.parse_params(candidate.family, candidate.params)
        began = time.process_time()
        model = models.family(candidate.family).fit(job, params, candidate.family)
        seconds = time.process_time() - began
        later = job.validation.whole()
        before[name] = measure(job.task, later.labels, model.predict(later.frame))["log_loss"]
        said[name] = model.predict(october)
        found = of_classes.of_rows(labels, said[name], blocks, threshold=project.value.threshold, k=100)
        with mlflow.start_run(run_name=name):
            mlflow.log_params({"family": candidate.family, **candidate.params})
            mlflow.log_metric("september_log_loss", before[name])
            for key in SHOWN:
                mlflow.log_metrics({f"october_{key}": found[key].value or 0.0, "fit_cpu_seconds": seconds})
        cells = " | ".join(f"{f.value:.4f} [{f.low:.4f}, {f.high:.4f}]" for f in map(found.get, SHOWN) if f)
        print(f"| {name} | {before[name]:.4f} | {cells} | {seconds:.1f} |", flush=True)
    best = min(before, key=before.__getitem__)
    print(f"best on September: {best}; goal {json.dumps(GOAL)}")
    given.plot.parent.mkdir(parents=True, exist_ok=True)
    title = f"Gain in log loss of {best} over each in October"
    given.plot.write_bytes(plots.intervals(_gains(labels, said, best, blocks), title))
    runs: Any = mlflow.search_runs(experiment_names=["flights"])
    print(f"MLflow's experiment holds {len(runs)} runs")


def _gains(
    labels: Array, said: dict[str, Array], best: str, blocks: Any
) -> list[tuple[str, float, float, float]]:
    found = []
    for name, other in said.items():
        paired = paired_blocks("log_loss", labels, other, said[best], blocks)
        if name != best and paired.spread is not None:
            low, high = paired.spread.interval(0.95)
            found.append((name, paired.gain, low, high))
            print(f"{best} over {name}: {paired.gain:+.4f} [{low:+.4f}, {high:+.4f}]")
    return found


if __name__ == "__main__":
    main()
