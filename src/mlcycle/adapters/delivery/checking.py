"""Deliveries checked against what a table declares: bytes, header, cells, keys, expectations."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlcycle.adapters.delivery.commonest import commonest
from mlcycle.adapters.delivery.expectations import Finding, Suite, describe
from mlcycle.adapters.delivery.reader import Reader, Rows, render
from mlcycle.adapters.delivery.readers import reader_of
from mlcycle.contract import Output
from mlcycle.domain import deliveries
from mlcycle.domain.cures import of_header
from mlcycle.domain.delivery import Malformed, compare_header
from mlcycle.domain.failure_alerts import changed_columns
from mlcycle.domain.partitions import Partition
from mlcycle.domain.quarantine import Counts, Limits, stopped_because
from mlcycle.domain.row_checks import SECOND, Checked, Declared, check, not_of_type
from mlcycle.domain.typed_rows import MEANING
from mlcycle.ledger.batches import BadRow
from mlcycle.project import Table

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa

CHUNK_ROWS = 60_000
MAX_NEW = 50  # undeclared columns of one delivery that people are told of


@dataclass
class Batch:
    """One delivery on its way through the checks, and what came of it."""

    partition: Partition
    delivery: Output
    fetched: int
    text: Rows | None = None
    as_delivered: bool = False  # COPY can take the delivery's own bytes
    status: str = "accepted"  # or stopped, held
    reasons: list[str] = field(default_factory=list)  # why it was stopped
    notes: list[str] = field(default_factory=list)  # what people should know all the same
    counts: Counts = field(default_factory=Counts)
    bad: list[BadRow] = field(default_factory=list)
    warnings: Counter[str] = field(default_factory=Counter)  # rule -> rows
    violations: Counter[str] = field(default_factory=Counter)  # kind of reason -> rows
    event_min: datetime | None = None
    event_max: datetime | None = None
    slots: int | None = None  # parts of the partition that hold events, of good rows
    repeated: int = 0  # good rows that have the content of another key's
    changes: dict[str, str] = field(default_factory=dict)  # column -> how it differs from its declaration
    read: bool = False  # its header could be read: ``changes`` knows of every column
    kept: "np.ndarray[Any, Any] | None" = None  # which rows of ``text`` may be published

    @property
    def stopped(self) -> bool:
        """Whether nothing of it may be published."""
        return self.status != "accepted"

    @property
    def why(self) -> str:
        """Why it was stopped, on one line."""
        return "; ".join(self.reasons)

    @property
    def clashing(self) -> int:
        """Rows that were refused because their key had come before, with other content."""
        return self.violations[SECOND]

    @property
    def rows(self) -> int:
        """Rows in memory."""
        return len(self.text.numbers) if self.text else 0

    def stop(self, reason: str, status: str = "stopped") -> None:
        """Stop it whole."""
        self.status = status
        self.reasons.append(reason)

    def rendered(self) -> bytes | None:
        """The rows to publish as new bytes; None where the delivery itself can be published."""
        assert self.text is not None
        assert self.kept is not None
        if self.as_delivered and self.counts.accepted == self.counts.rows and not self.text.blank:
            return None
        import pyarrow as pa

        return render(self.text.cells.filter(pa.array(self.kept)))

    def drop_rows(self) -> None:
        """Let go of the rows; the counts stay."""
        self.text = self.kept = None
        del self.bad[1000:]  # for the report


class Checker:
    """The checks of one table, whatever the format its deliveries come in."""

    def __init__(self, name: str, table: Table, reader: Reader | None = None) -> None:
        self._reader = reader or reader_of(table)
        self._table = table
        self._columns = list(table.columns)
        self._delivered = [name for name in self._columns if not (table.stamped and name == table.event_time)]
        self._declared = Declared(dict(table.columns), table.key, table.event_time)
        self._name = name

    @cached_property
    def _suite(self) -> Suite | None:
        """Built when there are rows to check: loading Great Expectations takes seconds."""
        return Suite(self._name, self._table.expectations) if self._table.expectations else None

    @property
    def rules(self) -> list[tuple[str, str]]:
        """The expectations and own checks as people read them, with their severity."""
        own = [(each.check, each.severity) for each in self._table.checks]
        return [*((describe(given), given.severity) for given in self._table.expectations), *own]

    def read(self, partition: Partition, delivery: Output, fetched: int, data: bytes | Path) -> Batch:
        """Read one delivery; stopped at once where its bytes or header are not what was declared."""
        batch = Batch(partition, delivery, fetched)
        try:
            opened = self._reader.open(data)
            missing, extra = compare_header(opened.header, self._delivered)
            batch.read = True
            batch.changes = changed_columns(missing, extra[:MAX_NEW], {}, 0)
            if missing:
                batch.stop(f"column {', '.join(map(repr, missing))} is missing")
                if extra:
                    batch.reasons[-1] += f" (the header also has {', '.join(map(repr, extra[:10]))})"
                if cure := of_header(opened.header, self._columns):
                    batch.reasons[-1] += f": {cure}"
            elif extra and self._table.extra_columns == "hold":
                names = ", ".join(map(repr, extra[:10]))
                batch.stop(f"column {names} was added: declare it, or say extra_columns: ignore", "held")
            elif extra:
                batch.notes.append(f"undeclared columns left out: {', '.join(extra[:10])}")
            if not batch.stopped:
                batch.text = opened.rows(self._delivered)
                batch.as_delivered = not self._table.stamped and opened.loadable(self._columns)
                self._stamp(batch)
                if not extra and opened.header != self._delivered:
                    batch.notes.append("columns came in another order; each was taken by its name")
        except Malformed as error:
            batch.stop(str(error))
        return batch

    def _stamp(self, batch: Batch) -> None:
        """Write the time of rows that have none of their own."""
        if not self._table.stamped or batch.text is None:
            return
        import pyarrow as pa

        moment = pa.scalar(self._table.stamp(batch.partition), pa.timestamp("us", tz="UTC"))
        times = pa.repeat(moment, len(batch.text.cells))
        cells = batch.text.cells.append_column(self._table.event_time, times)
        batch.text.cells = cells.select(self._columns)

    def check(self, batches: list[Batch]) -> None:
        """Check the rows of several batches and settle what becomes of each."""
        import numpy as np
        import pyarrow as pa

        open_ = [batch for batch in batches if batch.text is not None]
        texts = [batch.text for batch in open_ if batch.text is not None]
        if not texts:
            return
        owner = np.repeat(np.arange(len(texts)), [len(text.numbers) for text in texts])
        cells = pa.concat_tables([text.cells for text in texts])
        checked = check(cells, owner, [batch.partition for batch in open_], self._declared)
        findings = self._expect(checked, owner, open_)
        edges = np.concatenate(([0], np.cumsum([len(text.numbers) for text in texts])))
        good = checked.good
        content = [name for name in self._columns if name not in self._declared.identity]
        repeated = deliveries.repeated(cells.select(content), owner, good, len(open_))
        for number, batch in enumerate(open_):
            rows = slice(int(edges[number]), int(edges[number + 1]))
            batch.repeated = int(repeated[number])
            self._settle(batch, number, rows, cells, checked, good[rows], findings)

    def _expect(self, checked: Checked, owner: "np.ndarray[Any, Any]", batches: list[Batch]) -> list[Finding]:
        """Run suite and own checks on the rows that are whole; failed critical rows get their reason."""
        if not checked.good.any() or not (self._table.expectations or self._table.checks):
            return []
        import numpy as np
        import pyarrow as pa

        whole = np.flatnonzero(checked.good)
        frame = checked.typed.take(pa.array(whole)).to_pandas()
        findings = self._suite.run(frame, owner[whole]) if self._suite else []
        if self._table.checks:
            from mlcycle.adapters.delivery import own_checks

            findings += own_checks.run(self._table.checks, frame, owner[whole])
        for finding in findings:
            for number, positions in finding.rows.items():
                if finding.severity == "warning":
                    batches[number].warnings[finding.rule] += len(positions)
                    continue
                for at in positions:
                    checked.reasons.add(int(whole[at]), finding.rule, f"fails {finding.rule}")
        return findings

    def _settle(
        self,
        batch: Batch,
        number: int,
        rows: slice,
        cells: "pa.Table",
        checked: Checked,
        good: "np.ndarray[Any, Any]",
        findings: list[Finding],
    ) -> None:
        text = batch.text
        assert text is not None
        own = cells.slice(rows.start, rows.stop - rows.start)
        text.cells = checked.loads.slice(rows.start, rows.stop - rows.start)
        batch.kept = good
        batch.bad = _bad_rows(text, own, rows.start, checked)
        for at in range(rows.start, rows.stop) if checked.reasons.by_row else ():
            batch.violations.update(list(checked.reasons.by_row.get(at, ())))
        for misfit in text.misfits.values():
            batch.violations.update(list(misfit.reasons))
        misfits = {
            name: batch.violations[not_of_type(name, kind)]
            for name, kind in self._declared.columns.items()
            if kind in MEANING  # any value is text
        }
        batch.changes |= changed_columns((), (), misfits, text.count)
        duplicates = int(checked.duplicates[rows].sum())
        batch.counts = Counts(text.count, int(good.sum()), len(batch.bad), duplicates)
        if good.any():
            times = checked.event_us[rows][good]
            batch.event_min, batch.event_max = _moment(times.min()), _moment(times.max())
            batch.slots = deliveries.slots(times, batch.partition)
        if text.blank:
            batch.notes.append(f"{text.blank} blank lines left out")
        empty = [
            name
            for name in self._columns
            if len(own) and name not in self._table.sparse and own.column(name).null_count == len(own)
        ]
        limits = Limits(self._table.min_rows, self._table.max_bad_rows)
        worst = commonest(batch.violations, text, own, checked.reasons.by_row, rows.start, self._declared)
        for reason in stopped_because(batch.counts, limits, empty, worst):
            batch.stop(reason)
        for finding in findings:
            if number in finding.batches and finding.severity == "critical":
                batch.stop(finding.batches[number])
            elif number in finding.batches:
                batch.warnings[finding.rule] += 1
            if number in finding.nothing:
                batch.notes.append(f"no value to check: {finding.rule}")


def _bad_rows(text: Rows, cells: "pa.Table", start: int, checked: Checked) -> list[BadRow]:
    """A batch's bad rows, in the order they came. ``cells`` are its rows, from position ``start``."""
    bad = [BadRow(row, list(misfit.reasons.values()), misfit.data) for row, misfit in text.misfits.items()]
    found = checked.reasons.by_row
    for at in range(start, start + len(cells)) if found else ():
        if at in found:
            (row,) = cells.slice(at - start, 1).to_pylist()
            data = {name: value if value is None else str(value) for name, value in row.items()}
            bad.append(BadRow(int(text.numbers[at - start]), list(found[at].values()), data))
    return sorted(bad, key=lambda row: row.number)


def _moment(microseconds: Any) -> datetime:
    return datetime.fromtimestamp(int(microseconds) / 1e6, tz=UTC)
