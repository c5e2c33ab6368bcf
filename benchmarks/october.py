"""Candidates of a project on October, each with its intervals, compared in one MLflow experiment.

Of the flights those of docs/models.md, of the weather one of each kind. Trained on January to August; the
best is chosen on September, which stopped LightGBM too; October is read once for each and chooses nothing.
Run: ``python -m benchmarks.october --project weather --state FOLDER --plot FILE``.
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
from tests.conftest import ROOT

from mlcycle import models
from mlcycle.adapters.artifacts.store import ArtifactStore
from mlcycle.adapters.datasets.training_data import columns_of, labels_of, read_split
from mlcycle.adapters.pages import plots
from mlcycle.domain.evaluation import of_classes, of_numbers
from mlcycle.domain.evaluation.figure import Figure
from mlcycle.domain.metrics import Array, measure
from mlcycle.domain.paired import paired_blocks
from mlcycle.project import Project
from mlcycle.project.file import load_named
from mlcycle.steps.opening import blocks_of

GOAL = {"flights": {"roc_auc": 0.6835, "log_loss": 0.4312}}
SHOWN = {"flights": ("roc_auc", "log_loss"), "weather": ("rmse", "mae")}
#: First partition, and the one at whose end the last label of October is known.
REACH = {"flights": ("2013-01-01", "2013-11-01"), "weather": ("2013-01-01T06", "2013-11-01T06")}
BOOSTED = {"learning_rate": 0.06, "max_iter": 150, "max_leaf_nodes": 15, "min_samples_leaf": 20}
#: Of the weather, beside those of its project file.
MORE: dict[str, dict[str, Any]] = {
    "line": {"family": "linear", "params": {"l2": 1.0}},
    "forest": {"family": "random_forest", "params": {"n_estimators": 200, "min_samples_leaf": 5}},
    "lightgbm": {"family": "lightgbm", "params": {"num_iterations": 300, "learning_rate": 0.05}},
    "mlp": {"family": "mlp", "params": {"epochs": 30, "batch_size": 256, "layers": [64, 32], "rare": 5}},
    "bags": {
        "family": "bagging",
        "params": {"member": {"family": "hist_gradient_boosting", "params": BOOSTED}, "bags": 5},
    },
    "vote": {
        "family": "voting",
        "params": {
            "members": {
                "trees": {"family": "hist_gradient_boosting", "params": BOOSTED},
                "line": {"family": "linear", "params": {"l2": 1.0}},
            }
        },
    },
}


def main() -> None:
    """Print the table, and draw what the best of September gains over each candidate."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--project", choices=SHOWN, default="flights")
    parser.add_argument("--state", type=Path, required=True, help="where MLflow's database is kept")
    parser.add_argument("--plot", type=Path, required=True, help="a PNG")
    given = parser.parse_args()
    given.state.mkdir(parents=True, exist_ok=True)
    mlflow.set_tracking_uri(f"sqlite:///{given.state.resolve()}/mlflow.db")
    mlflow.set_experiment(given.project)
    document = load_named(ROOT / "projects", given.project).document()
    tried = candidates() if given.project == "flights" else {**document["candidates"], **MORE}
    split = {**SPLIT, "min_rows": 10_000}
    project = Project.model_validate({**document, "split": split, "candidates": tried})
    metric, shown = project.evaluation.metric, SHOWN[project.name]
    with postgres() as (server, folder):
        settings = warehouse(server, folder)
        job, _, manifest = prepared(project, settings, folder, given.threads, *REACH[project.name])
        store = ArtifactStore(settings["train"].artifacts_url)
        columns = [*columns_of(project), "event_time"]
        october = read_split(store, manifest, "holdout", columns, folder / "october")
    labels = labels_of(october, "holdout", project.label.task)
    blocks = blocks_of(october["event_time"], project.gate.block)
    zero = np.full(len(labels), job.train.whole().labels.mean())
    said, before = {"zero_rule": zero}, {}
    heads = "".join(f" October {each} |" for each in shown)
    print(f"| candidate | September {metric} |{heads} fit, CPU s |\n{5 * '|---'}|")
    for name, candidate in project.candidates.items():
        params = models.parse_params(candidate.family, candidate.params)
        began = time.process_time()
        model = models.family(candidate.family).fit(job, params, candidate.family)
        seconds = time.process_time() - began
        later = job.validation.whole()
        before[name] = measure(job.task, later.labels, model.predict(later.frame))[metric]
        said[name] = model.predict(october)
        found = _figures(project, labels, said[name], blocks)
        with mlflow.start_run(run_name=name):
            mlflow.log_params({"family": candidate.family, **candidate.params})
            mlflow.log_metric(f"september_{metric}", before[name])
            for key in shown:
                mlflow.log_metrics({f"october_{key}": found[key].value or 0.0, "fit_cpu_seconds": seconds})
        cells = " | ".join(f"{f.value:.4f} [{f.low:.4f}, {f.high:.4f}]" for f in map(found.get, shown) if f)
        print(f"| {name} | {before[name]:.4f} | {cells} | {seconds:.1f} |", flush=True)
    best = min(before, key=before.__getitem__)
    print(f"best on September: {best}; goal {json.dumps(GOAL.get(project.name))}")
    given.plot.parent.mkdir(parents=True, exist_ok=True)
    title = f"Gain in {metric} of {best} over each in October"
    given.plot.write_bytes(plots.intervals(_gains(metric, labels, said, best, blocks), title))
    runs: Any = mlflow.search_runs(experiment_names=[project.name])
    print(f"MLflow's experiment holds {len(runs)} runs")


def _figures(project: Project, labels: Array, said: Array, blocks: Any) -> dict[str, Figure]:
    if project.label.task == "regression":
        return of_numbers.of_rows(labels, said, blocks)
    return of_classes.of_rows(labels, said, blocks, threshold=project.value.threshold, k=100)


def _gains(
    metric: str, labels: Array, said: dict[str, Array], best: str, blocks: Any
) -> list[tuple[str, float, float, float]]:
    found = []
    for name, other in said.items():
        paired = paired_blocks(metric, labels, other, said[best], blocks)
        if name != best and paired.spread is not None:
            low, high = paired.spread.interval(0.95)
            found.append((name, paired.gain, low, high))
            print(f"{best} over {name}: {paired.gain:+.4f} [{low:+.4f}, {high:+.4f}]")
    return found


if __name__ == "__main__":
    main()
