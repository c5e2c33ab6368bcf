"""Expectations: that they exist and take their arguments."""

from collections.abc import Iterator

from mlcycle.adapters.delivery.expectations import Suite
from mlcycle.errors import ConfigError
from mlcycle.project import Project
from mlcycle.project.misfit import Misfit


def check_expectations(project: Project) -> Iterator[Misfit]:
    """Each expectation that does not exist, or does not take its arguments."""
    for name, table in project.source.tables.items():
        for at, given in enumerate(table.expectations):
            try:
                Suite(name, [given])
            except ConfigError as error:
                yield Misfit(error.message, "source", "tables", name, "expectations", at)
