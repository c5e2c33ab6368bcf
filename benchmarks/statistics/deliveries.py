"""Freshness and duplicates: alerts in a year of deliveries as they came, and faults that are caught.

Every delivery of the year goes through the platform's own checks. An alert is a table told of that was not at
the partition before.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np
from benchmarks.statistics.data import ROOT

from mlcycle.adapters.delivery.checking import Batch, Checker
from mlcycle.contract import Output
from mlcycle.demo.world_data import day_file
from mlcycle.domain import deliveries
from mlcycle.domain.partitions import Partition
from mlcycle.project import Project, Table
from mlcycle.project.file import load

YEAR, SEED, STARTS = 365, 20130101, 40
SHARE = 0.02
Fault = Callable[[list[str], np.random.Generator], list[str]]


def report(folder: Path, thorough: bool) -> None:
    """Print the table."""
    random = np.random.default_rng(SEED)
    print(f"{'project, table':20} {'what':32} {'freshness':>10} {'duplicates':>11}")
    for name in ("flights", "weather"):
        project = load(ROOT / "projects" / name / "project.yaml")
        for table, spec in project.source.tables.items():
            own = _Year(project, table, spec.model_copy(update={"expectations": []}))
            told = [own.told(at, batch) for at, batch in enumerate(own.batches)]
            rates = []
            for monitor in range(2):
                on = [each[monitor] for each in told]
                fresh = sum(now and not before for before, now in zip([False, *on], on, strict=False))
                rates.append(f"{fresh} ({np.mean(on):.2%})")
            print(f"{name + ' ' + table:20} {'alerts, deliveries told of':32} {rates[0]:>10} {rates[1]:>11}")
            last = len(own.batches)
            starts = random.integers(last // 4, last, STARTS * (4 if thorough else 1))
            for what, fault in own.faults():
                found = np.array([own.told(int(at), own.spoilt(int(at), fault, random)) for at in starts])
                shares = [f"{share:.2f}" for share in found.mean(axis=0)]
                print(f"{name + ' ' + table:20} {what:32} {shares[0]:>10} {shares[1]:>11}", flush=True)


class _Year:
    """A table's deliveries, checked."""

    def __init__(self, project: Project, table: str, spec: Table) -> None:
        self.project, self.table, self.checker = project, table, Checker(table, spec)
        self.columns, self.spec = list(spec.columns), spec
        first = Partition.parse(project.source.start, project.unit)
        count = YEAR if str(project.unit) == "day" else YEAR * 24
        self.files = {}
        for at in range(count):
            if data := day_file(project.name, table, (partition := first.shift(at)).key):
                self.files[partition] = data.decode().splitlines()
        self.partitions = list(self.files)
        self.batches = [self._checked(p, lines) for p, lines in self.files.items()]

    def _checked(self, partition: Partition, lines: list[str]) -> Batch:
        data = "\n".join([*lines, ""]).encode()
        batch = self.checker.read(partition, Output(uri="file:///x", digest="0" * 64), 1, data)
        self.checker.check([batch])
        batch.drop_rows()
        return batch

    def told(self, at: int, batch: Batch) -> tuple[bool, bool]:
        """Whether each monitor tells of a delivery, given those before."""
        partition = self.partitions[at]
        earlier = self.batches[max(0, at - (YEAR if str(self.project.unit) == "day" else YEAR * 24)) : at]
        found = (
            deliveries.freshness(
                self.table, partition, batch.slots or 0, [e.slots or 0 for e in earlier], batch.event_max
            ),
            deliveries.duplicates(self.table, _counted(batch), [_counted(e) for e in earlier]),
        )
        return tuple(each is not None and each.status != "ok" for each in found)  # type: ignore[return-value]

    def spoilt(self, at: int, fault: Fault, random: np.random.Generator) -> Batch:
        """The delivery with a fault."""
        header, *rows = self.files[self.partitions[at]]
        return self._checked(self.partitions[at], [header, *fault(rows, random)])

    def faults(self) -> list[tuple[str, Fault]]:
        """What is planted, by name."""
        time = self.columns.index(self.spec.event_time)
        key = self.columns.index(self.spec.key[0])
        value = next(at for at, c in reversed(list(enumerate(self.columns))) if c not in self.spec.key)

        def hours(low: int, high: int) -> Fault:
            return lambda rows, random: [r for r in rows if not low <= int(r.split(",")[time][11:13]) < high]

        def again(change: Callable[[list[str], int], None]) -> Fault:
            def fault(rows: list[str], random: np.random.Generator) -> list[str]:
                found = list(rows)
                for at in random.choice(len(rows), max(1, round(SHARE * len(rows))), replace=False):
                    cells = rows[at].split(",")
                    change(cells, int(at))
                    found.append(",".join(cells))
                return found

            return fault

        def other_key(cells: list[str], at: int) -> None:
            cells[key] = f"Z{at}"

        def other_value(cells: list[str], at: int) -> None:
            cells[value] = str(float(cells[value] or 0) + 1).removesuffix(".0")

        found = [
            ("2 % of rows twice", again(lambda cells, at: None)),
            ("2 % again, other content", again(other_value)),
            ("2 % again under another key", again(other_key)),
        ]
        if str(self.project.unit) == "day":
            for name, low, high in (
                ("the last 6 hours missing", 18, 24),
                ("the last 3 hours missing", 21, 24),
                ("an hour missing, 15:00", 15, 16),
            ):
                found.append((name, hours(low, high)))
        return found


def _counted(batch: Batch) -> tuple[int, int, int, int]:
    return batch.counts.rows, batch.counts.duplicates, batch.clashing, batch.repeated
