"""Where a table's rows lie in a database, and how rows that changed since are found again."""

import re
from datetime import timedelta
from typing import Annotated, Self

from pydantic import Field, model_validator

from mlcycle.domain.durations import Duration
from mlcycle.project.part import Part
from mlcycle.project.written import Delivered

TABLE = re.compile(r'[^\x00-\x1f".]{1,63}(\.[^\x00-\x1f".]{1,63})?')


class Database(Part):
    """The table or query of a database that rows are read from; undeclared columns of it are extra ones.

    ``watermark`` is a column that says when a row was written last. Partitions behind a run's own that have
    rows newer than what was read are read again; ``look_back`` before that, for rows whose transaction was
    still open then.
    """

    table: Annotated[str, Field(min_length=1, max_length=130)] | None = None  # orders, sales.orders
    query: Annotated[str, Field(min_length=1, max_length=20_000)] | None = None  # one SELECT
    watermark: Delivered | None = None
    look_back: Duration = timedelta(hours=1)

    @model_validator(mode="after")
    def _one_of_both(self) -> Self:
        if (self.table is None) == (self.query is None):
            raise ValueError("say table or query, one of the two")
        if self.table is not None and not TABLE.fullmatch(self.table):
            raise ValueError(f"table {self.table!r} is not a name like orders or sales.orders")
        return self
