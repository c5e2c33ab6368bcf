"""A step of a project's own: its function, called with what it may see of the project.

It publishes nothing of the platform's. A retry calls it again: whatever it does elsewhere it does by
``work``, which is the same for all tries of a task.
"""

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from psycopg2 import sql
from pydantic import JsonValue

from mlcycle.adapters.warehouse.arrow import arrow_type, read_table
from mlcycle.adapters.warehouse.connection import raw_table
from mlcycle.adapters.warehouse.predictions import in_force
from mlcycle.contract import not_finite
from mlcycle.domain.step_secrets import secret_variable
from mlcycle.errors import ConfigError, InputError
from mlcycle.project_code import resolve
from mlcycle.steps.context import Outcome, StepContext

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True)
class OwnStep:
    """What a function of a project's own is given."""

    _context: StepContext
    name: str
    params: Mapping[str, JsonValue]
    #: What the step before handed over: its values, one mapping for each table or candidate of it.
    before: Sequence[Mapping[str, JsonValue]]

    @property
    def project(self) -> str:
        """The project's name."""
        return self._context.project.name

    @property
    def work(self) -> str:
        """Names this piece of work, the same for all its tries: a key by which a receiver knows a
        repetition.
        """
        return self._context.request.work

    @property
    def partitions(self) -> list[str]:
        """Keys of the partitions, in order; none in a stage that has none."""
        return [each.key for each in self._context.partitions] if self._context.request.partitions else []

    def secret(self, word: str) -> str:
        """A secret that the step's declaration names. Raises ConfigError where it does not, or it is not
        set.
        """
        if word not in self._context.project.code.steps[self.name].secrets:
            raise ConfigError(f"code.steps.{self.name}.secrets does not name {word!r}: add it")
        variable = secret_variable(self.project, word)
        if not os.environ.get(variable):
            raise ConfigError(f"{variable} is not set: give it to who starts steps (docs/operations.md)")
        return os.environ[variable]

    def progress(self, text: str) -> None:
        """Tell people what is going on, in the task's log."""
        self._context.progress(text)

    def rows(self, table: str) -> "pd.DataFrame":
        """Rows of one of the project's tables in the partitions. Raises InputError for another table."""
        project = self._context.project
        if table not in project.source.tables:
            raise InputError(f"no table {table!r}: there are {', '.join(project.source.tables)}")
        import pyarrow as pa

        declared, span = project.source.tables[table], self._context.partitions
        schema = pa.schema([(name, arrow_type(kind)) for name, kind in declared.columns.items()])
        query = sql.SQL(
            "select {} from {} where {time} >= %(start)s and {time} < %(end)s order by {time}"
        ).format(
            sql.SQL(", ").join(map(sql.Identifier, schema.names)),
            raw_table(project.name, table),
            time=sql.Identifier(declared.event_time),
        )
        window = {"start": span[0].start, "end": span[-1].end}
        with self._context.warehouse.reading() as cursor:
            found: pd.DataFrame = read_table(cursor, query, window, schema).to_pandas()
        return found

    def predictions(self) -> "Iterator[tuple[str, pd.DataFrame]]":
        """Predictions in force, a partition after the other: its key and a frame of event_time, entity_key,
        prediction, acted and class.
        """
        for partition in self._context.partitions:
            with self._context.warehouse.reading() as cursor:
                found = in_force(cursor, self.project, partition)
            yield partition.key, found.to_pandas()

    def put(self, name: str, data: bytes) -> str:
        """Keep a file beside the project's reports; returns its address."""
        if not name or set(name) & set("/\\") or name.startswith("."):
            raise ConfigError(f"{name!r} is no file's name")
        last = f"{self.partitions[-1]}-" if self.partitions else ""
        path = f"reports/{self.project}/own/{self.name}/{last}{name}"
        return self._context.artifacts.put(path, data).uri


def run(context: StepContext) -> Outcome:
    """Call the function that the request names."""
    name, steps = str(context.param("own", "")), context.project.code.steps
    if name not in steps:
        raise InputError(f"the project has no step {name!r} of its own: it has {', '.join(steps) or 'none'}")
    declared = steps[name]
    before = [entry.values for entry in context.request.inputs.get(declared.after, [])]
    found = resolve(declared.run)(OwnStep(context, name, declared.params, before))
    if found is None:
        found = {}
    if not isinstance(found, dict) or (problem := not_finite(found)):
        what = problem if isinstance(found, dict) else f"it is {type(found).__name__}"
        raise ConfigError(
            f"{declared.run} returns what cannot be handed on: {what}: say a dict of JSON, or nothing"
        )
    outcome = Outcome(message=str(found.get("message", f"{name} done")), values=found)
    with context.publication() as publication:
        publication.outcome = outcome
    return outcome
