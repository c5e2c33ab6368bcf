"""Every family of docs/models.md on the flights: what a fit costs, and what it reaches on validation.

Trained on January to August, validation is September; the holdout is not looked at. The candidates are those
of the page, through the platform's own feature tables, join and snapshot.
Run: ``python -m benchmarks.families``.
"""

import argparse
import tempfile
import time
from pathlib import Path

import yaml
from benchmarks.common import postgres, warehouse
from benchmarks.honest_numbers import SPLIT, prepared
from tests.raw_data import FLIGHTS

from mlcycle import models
from mlcycle.domain.metrics import measure
from mlcycle.project import Project

PAGE = Path(__file__).parents[1] / "docs" / "models.md"


def candidates() -> dict[str, dict[str, object]]:
    """The candidates that the page shows."""
    block = PAGE.read_text(encoding="utf-8").split("```yaml\n")[1].split("```")[0]
    found: dict[str, dict[str, object]] = yaml.safe_load(block)["candidates"]
    return found


def main() -> None:
    """Print the page's table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--threads", type=int, default=1)
    threads = parser.parse_args().threads
    document = {**FLIGHTS.document(), "split": SPLIT, "candidates": candidates()}
    project = Project.model_validate(document)
    with postgres() as (server, folder):
        job, _, _ = prepared(project, warehouse(server, folder), folder, threads)
    later = job.validation.whole()
    print(f"{job.train.count} rows, validation {later.count}, {threads} threads")
    print("| candidate | family | fit, CPU s | AUC | log loss | file, MiB |\n|---|---|---|---|---|---|")
    for name, candidate in project.candidates.items():
        params = models.parse_params(candidate.family, candidate.params)
        began = time.process_time()
        model = models.family(candidate.family).fit(job, params, candidate.family)
        seconds = time.process_time() - began
        found = measure(job.task, later.labels, model.predict(later.frame))
        with tempfile.TemporaryDirectory() as kept:
            models.save(model, Path(kept))
            size = sum(file.stat().st_size for file in Path(kept).rglob("*") if file.is_file()) / 2**20
        row = f"{seconds:.1f} | {found['roc_auc']:.4f} | {found['log_loss']:.4f} | {size:.2f} |"
        print(f"| {name} | `{candidate.family}` | {row}", flush=True)


if __name__ == "__main__":
    main()
