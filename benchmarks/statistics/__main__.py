"""Prints the tables of docs/statistics.md: ``python -m benchmarks.statistics [PART ...] [--thorough]``."""

import argparse
import importlib
import pkgutil
import time
from pathlib import Path

import benchmarks.statistics as package

NOT_PARTS = ("__main__", "data")


def main() -> None:
    """Each part is a module with ``report(folder, thorough)``, which prints its tables."""
    parts = [module.name for module in pkgutil.iter_modules(package.__path__) if module.name not in NOT_PARTS]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("parts", nargs="*", help=f"of {', '.join(parts)}; all of them without a name")
    parser.add_argument("--thorough", action="store_true", help="more repetitions: an hour or more")
    parser.add_argument(
        "--data", type=Path, default=Path(".mlcycle/statistics"), help="where the years are kept"
    )
    given = parser.parse_args()
    if unknown := [name for name in given.parts if name not in parts]:
        parser.error(f"no part {unknown[0]!r}: there are {', '.join(parts)}")
    for name in given.parts or parts:
        began = time.monotonic()
        importlib.import_module(f"{package.__name__}.{name}").report(given.data, given.thorough)
        print(f"({name}: {time.monotonic() - began:.0f} s)\n", flush=True)


if __name__ == "__main__":
    main()
