"""How long Airflow takes to parse the DAGs of many projects, against as many empty DAGs.

Each side is a process of its own, after Airflow's imports, medians of several runs.
Run: python benchmarks/parse_time.py [--projects 50] [--runs 5]
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).parent.parent
EMPTY = """from airflow.sdk import DAG
for i in range({dags}):
    globals()["dag_%d" % i] = DAG("dag_%d" % i, schedule=None)
"""
MEASURE = """
import json, sys, time
import airflow.providers.standard.operators.hitl
from airflow.dag_processing.dagbag import DagBag
import mlcycle.orchestration.factory
begin, cpu = time.perf_counter(), time.process_time()
bag = DagBag(sys.argv[1])
print(json.dumps([time.perf_counter() - begin, time.process_time() - cpu, len(bag.dags), bag.import_errors]))
"""


def main() -> None:
    """Print both sides and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--projects", type=int, default=50)
    parser.add_argument("--runs", type=int, default=5)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        folder = Path(scratch)
        for i in range(given.projects):
            name = f"p{i:03}"
            shutil.copytree(ROOT / "projects" / "flights", folder / "projects" / name)
            file = folder / "projects" / name / "project.yaml"
            file.write_text(file.read_text().replace("name: flights", f"name: {name}", 1))
        ours = [measure(ROOT / "dags" / "mlcycle_dags.py", folder) for _ in range(given.runs)]
        dags = ours[0][2]
        empty = folder / "empty_dags.py"
        empty.write_text(EMPTY.format(dags=dags))
        bare = [measure(empty, folder) for _ in range(given.runs)]
    wall, cpu = (statistics.median(run[i] for run in ours) for i in (0, 1))
    bare_wall, bare_cpu = (statistics.median(run[i] for run in bare) for i in (0, 1))
    print(f"{given.projects} projects, {dags} DAGs: {wall:.2f} s ({cpu:.2f} s of CPU)")
    print(f"{dags} empty DAGs:            {bare_wall:.2f} s ({bare_cpu:.2f} s of CPU)")
    print(f"ratio {wall / bare_wall:.1f}; {1000 * wall / given.projects:.0f} ms a project")


def measure(dags: Path, folder: Path) -> tuple[float, float, int]:
    """Wall seconds, CPU seconds and number of DAGs of one parse."""
    env = {
        **os.environ,
        "AIRFLOW_HOME": str(folder / "airflow"),
        "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
        "AIRFLOW__LOGGING__LOGGING_LEVEL": "ERROR",
        "MLCYCLE_PROJECTS": str(folder / "projects"),
    }
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, str(dags)], env=env, capture_output=True, text=True, check=True
    )
    wall, cpu, count, errors = json.loads(done.stdout.splitlines()[-1])
    if errors or not count:
        raise SystemExit(f"the parse failed: {errors}")
    return wall, cpu, count


if __name__ == "__main__":
    main()
