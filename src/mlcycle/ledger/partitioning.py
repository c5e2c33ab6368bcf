"""Tables that are partitioned by month: the month is made by whoever writes into it first.

Steps may make no tables in these schemas; ``ledger.ensure_month`` may, for the three tables it knows.
A month that is there costs a look at the catalogue.
"""

from datetime import datetime
from typing import Literal

from psycopg2.extensions import cursor as Cursor

Table = Literal["serving.prediction_log", "serving.label", "ledger.monitor_result"]


def ensure(cursor: Cursor, table: Table, start: datetime, end: datetime) -> None:
    """Make the months of ``[start, end)`` (UTC) where they are missing; several writers may at once."""
    cursor.execute(
        """select ledger.ensure_month(%(table)s, month::date)
           from generate_series(date_trunc('month', %(start)s at time zone 'UTC'),
                                %(end)s at time zone 'UTC' - interval '1 microsecond', '1 month') month""",
        {"table": table, "start": start, "end": end},
    )
