"""``python -m mlcycle.local.launch MODULE ARGUMENT...``: a service's program, with a patient collector.

Airflow, MLflow and Evidently make hundreds of thousands of objects while they start, and hardly any
garbage: with Python's defaults the cyclic collector takes a quarter of their start. A task is a fork
of the scheduler: its collector would look at, and so copy, every page of what it inherited.
"""

import gc
import os
import runpy
import sys

THRESHOLD = (100_000, 20, 50)  # new objects, collections of the young, collections of the middle


def main() -> None:
    """Run the module as ``python -m`` would."""
    gc.set_threshold(*THRESHOLD)
    os.register_at_fork(after_in_child=gc.freeze)
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    main()
