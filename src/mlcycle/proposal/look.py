"""A look at a file: its columns and what each is, the time it spans, the names that a project gives them."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import UTC, timedelta
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from mlcycle.domain import spelled
from mlcycle.domain.partitions import Partition, Unit
from mlcycle.errors import InputError
from mlcycle.proposal import cells, event_time, inputs, target
from mlcycle.proposal.cells import Column
from mlcycle.proposal.from_database import Origin
from mlcycle.proposal.leaks import telling
from mlcycle.proposal.past import Past, past
from mlcycle.proposal.structure import Structure, structure

if TYPE_CHECKING:
    import pandas as pd

DEALT_DAYS = 60
FEWEST = 60  # rows that a model can be learnt and judged on
COARSE = 24  # dates that must agree to be taken for those of weeks or months
HOURS_BELOW = timedelta(days=25)  # of data: partitions are hours


@dataclass
class Look:
    """All that a look at a file has found."""

    name: str  # of the project
    path: Path
    found: Structure
    columns: list[Column]
    spelling: cells.Spelling
    frame: "pd.DataFrame"  # texts, numbers as programs write them, missing ones None
    at: event_time.When | None
    goal: target.Target
    told: inputs.Key
    chosen: inputs.Inputs
    zone: str
    origin: Origin | None = None  # None: it is a file

    @property
    def table(self) -> str:
        """Name of the table."""
        return "rows"

    @property
    def key(self) -> list[str]:
        """Columns that, with the event time, tell rows apart."""
        if self.told.numbered:
            return [self.new("row")]
        return [self.names[name] for name in self.told.columns] or [self.new("series")]

    @cached_property
    def names(self) -> dict[str, str]:
        """The project's name of each delivered column."""
        taken: dict[str, str] = {}
        used: set[str] = set()
        for column in self.columns:
            plain = re.sub(r"[^a-z0-9]+", "_", _ascii(column.name).lower()).strip("_")
            plain = (plain if plain[:1].isalpha() else f"c_{plain}")[:26].rstrip("_") or "c"
            own, number = plain, 2
            while own in used or own == "event_timestamp":
                own, number = f"{plain}_{number}", number + 1
            used.add(own)
            taken[column.name] = own
        return taken

    def new(self, name: str) -> str:
        """A name for a column that is not delivered."""
        return name if name not in self.names.values() else f"{name}_of_row"

    @property
    def event_time(self) -> str:
        """The event time's column: a delivered one, or one that is made."""
        if self.at is not None and len(self.at.columns) == 1:
            return self.names[self.at.columns[0]]
        return self.new("at")

    @cached_property
    def span(self) -> "tuple[pd.Timestamp, pd.Timestamp]":
        """The first and the last moment, UTC."""
        import pandas as pd

        if self.at is None:
            first = pd.Timestamp("2000-01-01")
            return first, first + pd.Timedelta(days=DEALT_DAYS - 1)
        times = self.at.values.dropna()
        if self.zone != "UTC" and not self.at.zoned:
            times = times.dt.tz_localize(self.zone, ambiguous="NaT", nonexistent="NaT").dropna()
            times = times.dt.tz_convert("UTC").dt.tz_localize(None)
        return times.min(), times.max()

    @property
    def length(self) -> timedelta:
        """How long it is from the first moment to the last."""
        length: timedelta = (self.span[1] - self.span[0]).to_pytimedelta()
        return length

    @property
    def hourly(self) -> bool:
        """Whether partitions are hours: where there are few days."""
        return self.at is not None and not self.at.days and self.length < HOURS_BELOW

    @cached_property
    def unit(self) -> Unit:
        """What partitions are: hours of few days; weeks or months of dates that come no oftener."""
        if self.hourly:
            return Unit.HOUR
        if self.at is None or not self.at.days:
            return Unit.DAY
        dates = self.at.values.dropna().dt.normalize().drop_duplicates()
        if len(dates) < COARSE:
            return Unit.DAY
        if (dates.dt.day == 1).all() or dates.dt.is_month_end.all():
            return Unit.of("month", self._clocks)
        return Unit.of("week", self._clocks) if dates.dt.dayofweek.nunique() == 1 else Unit.DAY

    @property
    def _clocks(self) -> str:
        """The zone whose midnights the dates are."""
        return "UTC" if self.at is None or self.at.zoned else self.zone

    @property
    def partitions(self) -> tuple[Partition, Partition]:
        """The first and the last of them."""
        first, last = (moment.to_pydatetime().replace(tzinfo=UTC) for moment in self.span)
        return Partition.containing(first, self.unit), Partition.containing(last, self.unit)

    @cached_property
    def past(self) -> Past | None:
        """What can be made of the label's own past, where it is a number that comes in series."""
        if self.at is None or self.told.numbered or self.goal.task != "regression":
            return None
        inputs = {*self.chosen.numeric, *self.chosen.categorical}
        return past(
            self.frame,
            self.at.values,
            self.goal.column.name,
            self.told.columns,
            self.unit,
            alone=inputs <= set(self.told.columns),
        )

    @property
    def by_calendar(self) -> bool:
        """Whether the calendar makes features: where times are real, and rows have a key."""
        return self.at is not None and not self.told.numbered


def look(
    name: str,
    path: Path,
    columns: list[str] | None = None,
    label: str | None = None,
    zone: str = "UTC",
    origin: Origin | None = None,
) -> Look:
    """Look at a file, or at rows of a database that lie in one.

    Raises InputError, one line, where no project can be made of it.
    """
    found = structure(path, columns)
    if origin is not None:
        found = replace(found, said=[origin.said])
    if len(found.cells) < FEWEST:
        raise InputError(
            f"{origin.said if origin else path} has {len(found.cells)} rows: a model is learnt and judged on "
            f"{FEWEST} at least"
        )
    plain = [name.strip() for name in found.cells.column_names]
    padded = plain != found.cells.column_names
    found = replace(found, cells=found.cells.rename_columns(plain))
    seen, spelling = cells.columns(found.cells)
    spelling = replace(spelling, trim=spelling.trim or padded)
    frame = _frame(found, seen, spelling)
    at = event_time.when(seen, frame)
    if origin is not None:
        at = origin.checked(at)
    goal = target.target(seen, frame, at.columns if at else (), label)
    told = inputs.key(seen, frame, at, goal.column.name)
    chosen = inputs.inputs(seen, frame, at, goal)
    chosen.known |= telling(frame, at, goal, told, chosen)
    return Look(name, path, found, seen, spelling, frame, at, goal, told, chosen, zone, origin)


def _frame(found: Structure, looked: Sequence[Column], spelling: cells.Spelling) -> "pd.DataFrame":
    """The cells as texts, numbers as programs write them, missing ones as None."""
    import pandas as pd
    import pyarrow as pa

    written = _spelled(spelling)
    out = {}
    for column in looked:
        values = found.cells.column(column.name)
        if not pa.types.is_string(values.type):
            values = values.cast(pa.string())
        kind = column.kind if column.kind in ("integer", "double") else "text"
        out[column.name] = spelled.read(values, kind, written)[0].to_pandas()
    return pd.DataFrame(out)


def _spelled(spelling: cells.Spelling) -> spelled.Spelling:
    return spelled.Spelling(
        trim=spelling.trim,
        nulls=spelling.nulls,
        decimal=spelling.numbers.decimal,
        thousands=spelling.numbers.thousands,
        true=tuple(spelling.booleans.true),
        false=tuple(spelling.booleans.false),
        formats=(),
        zone=UTC,
    )


def _ascii(text: str) -> str:
    import unicodedata

    for letter, plain in (
        ("ä", "ae"),
        ("ö", "oe"),
        ("ü", "ue"),
        ("ß", "ss"),
        ("Ä", "Ae"),
        ("Ö", "Oe"),
        ("Ü", "Ue"),
    ):
        text = text.replace(letter, plain)
    return unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode()
