"""What freshness is worth on the flights: windows of January to August, all measured on September.

Run: ``python -m benchmarks.freshness [--candidate boosting] [--out FOLDER]``.
"""

import argparse
import shutil
from pathlib import Path

from benchmarks.common import postgres, warehouse
from benchmarks.honest_numbers import SPLIT, prepared
from tests.raw_data import FLIGHTS

from mlcycle.project import Project
from mlcycle.steps.freshness_report import here


def main() -> None:
    """Print the figures; with ``--out`` keep page and JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--candidate", default="boosting")
    parser.add_argument("--out", type=Path)
    said = parser.parse_args()
    project = Project.model_validate({**FLIGHTS.document(), "split": {**SPLIT, "min_rows": 10_000}})
    with postgres() as (server, folder):
        settings = warehouse(server, folder)
        prepared(project, settings, folder, 1)
        document, outputs = here(project, settings["train"], said.candidate)
        print("| age, days | rows | metric | fresh is better by | interval |\n|---|---|---|---|---|")
        for each in document["ages"]:
            gain = each["fresh_better_by"]
            span = f"{gain['low']:+.4f} to {gain['high']:+.4f}"
            print(
                f"| {each['days']:g} | {each['rows']} | {each['value']:.4f} | {gain['value']:+.4f} | {span} |"
            )
        for each in document["every"]:
            gain = each["worth"]
            print(f"every {each['days']:g}: {gain['value']:+.4f} ({gain['low']:+.4f} to {gain['high']:+.4f})")
        print(document["lengths"])
        if said.out:
            said.out.mkdir(parents=True, exist_ok=True)
            for name, output in outputs.items():
                shutil.copy(output.uri.removeprefix("file://"), said.out / f"freshness.{name}")


if __name__ == "__main__":
    main()
