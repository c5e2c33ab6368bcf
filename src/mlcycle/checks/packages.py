"""Packages that a project's candidates need and that are not installed where this runs."""

from collections.abc import Iterator
from importlib.util import find_spec

from mlcycle.models.registry import families
from mlcycle.project import Project

#: Beginning of a family's module -> the package that it trains with, which is also the name of our extra.
NEEDS = {
    "mlcycle.models.torch": "torch",
    "mlcycle.models.deep_cross": "torch",
    "mlcycle.models.lightgbm": "lightgbm",
}


def missing_packages(project: Project) -> Iterator[str]:
    """A line for each candidate that could not be trained here; a step elsewhere may have what it needs."""
    for name, candidate in project.candidates.items():
        module = families().get(candidate.family, "").partition(":")[0]
        wanted = {package for begin, package in NEEDS.items() if f"{module}.".startswith(f"{begin}.")}
        for package in sorted(wanted):
            if find_spec(package) is None:
                yield (
                    f"candidate {name!r} ({candidate.family}) trains with {package}, which is not installed "
                    f"here: pip install 'mlcycle[{package}]', or train where it is"
                )
