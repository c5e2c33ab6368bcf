"""Expectations: that they exist and take their arguments."""

from collections.abc import Iterator

from mlcycle.adapters.delivery import expectation_table
from mlcycle.errors import ConfigError
from mlcycle.project import Expectation, Project
from mlcycle.project.misfit import Misfit


def check_expectations(project: Project) -> Iterator[Misfit]:
    """Each expectation that does not exist, does not take its arguments or names no column of its table."""
    for name, table in project.source.tables.items():
        for at, given in enumerate(table.expectations):
            found = expectation_table.wrong(given)
            if found is None:
                found = _by_the_library(name, given)
            found += expectation_table.strange_columns(given, list(table.columns))
            for each in found:
                yield Misfit(str(each), "source", "tables", name, "expectations", at, *each.at)


def _by_the_library(table: str, given: Expectation) -> list[Misfit]:
    from mlcycle.adapters.delivery.expectations import Suite

    try:
        Suite(table, [given])
    except ConfigError as error:
        return [Misfit(error.message.removeprefix(f"table {table!r}: "))]
    return []
