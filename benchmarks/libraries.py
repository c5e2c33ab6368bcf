"""CPU of a new process until a step has its library at work, as a container or pod pays it at each start.

Beside it the same library imported as its documentation says. Medians, the two sides in turn.
Run: python -m benchmarks.libraries [--runs 5]
"""

import argparse
import statistics
import subprocess
import sys

STEP = "import gc; gc.set_threshold(100_000, 20, 50)"  # as ``mlcycle step`` does
TELL = "import time; print(time.process_time())"
#: Which steps; how they load it; how its documentation says.
LIBRARIES = {
    "Great Expectations": (
        "validate",
        "from mlcycle.adapters.delivery.expectations import load_great_expectations as load; load()",
        "import great_expectations",
    ),
    "Feast": (
        "materialize",
        "from mlcycle.adapters.features.library import load_feast; load_feast()",
        "import feast",
    ),
    "Evidently": (
        "monitor",
        "import mlcycle.adapters.monitoring.reports; import evidently",
        "import evidently",
    ),
    "MLflow": (
        "register, promote",
        "import mlcycle.adapters.tracking.server; import mlflow",
        "import mlflow",
    ),
    "scikit-learn": (
        "train, evaluate",
        "import mlcycle.models.boosting; from sklearn.ensemble import HistGradientBoostingClassifier",
        "import sklearn.ensemble",
    ),
    "none": ("publish", "import mlcycle.steps.publish", "pass"),
}


def main() -> None:
    """Print a line for each library."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    given = parser.parse_args()
    for name, (steps, ours, plain) in LIBRARIES.items():
        pairs = [
            (cpu(f"{STEP}; import mlcycle.steps.main; {ours}"), cpu(f"{STEP}; {plain}"))
            for _ in range(given.runs)
        ]
        lean, whole = (statistics.median(side) for side in zip(*pairs, strict=True))
        print(f"{name:20} {lean:5.2f} s of CPU ({steps}); by itself {whole:5.2f} s, ratio {lean / whole:.2f}")


def cpu(code: str) -> float:
    """Seconds that a new Python spends on it."""
    done = subprocess.run(
        [sys.executable, "-c", f"{code}; {TELL}"], capture_output=True, text=True, check=True
    )
    return float(done.stdout.splitlines()[-1])


if __name__ == "__main__":
    main()
