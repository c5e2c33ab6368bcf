"""The platform in Prometheus's text format: a handful of series a project, out of the ledger.

Labels are names of projects, their tables, steps, stages and monitors, of which there are as many as
people wrote down: no partition, no run, no alert's key. Moments are seconds since 1970, so that a rule
says ``time() - ...`` and a scrape that stands still is seen.
"""

import threading
import time
from collections.abc import Iterable, Iterator, Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from psycopg2.extensions import cursor as Cursor

from mlcycle.contract import code_version
from mlcycle.cycle import LAST_STEP
from mlcycle.domain import gaps
from mlcycle.domain.partitions import Partition
from mlcycle.errors import InputError
from mlcycle.ledger import forgotten, overview
from mlcycle.ledger import metrics as ledger
from mlcycle.project import Project

if TYPE_CHECKING:
    from prometheus_client.core import GaugeMetricFamily

KEPT = 10.0  # seconds that an answer serves: several scrapers cost what one does
SEVERITIES = ("info", "warn", "page")


class Kept:
    """The last answer, made anew by one caller at a time once it is old."""

    def __init__(self, seconds: float = KEPT) -> None:
        self._lock, self._seconds = threading.Lock(), seconds
        self._made, self._text = -seconds, b""

    def get(self, make: Any) -> bytes:
        """The answer; what ``make`` raises is raised, and nothing is kept."""
        with self._lock:
            if time.monotonic() - self._made >= self._seconds:
                self._text = make()
                self._made = time.monotonic()
            return self._text


def exposition(cursor: Cursor, projects: Mapping[str, Project], now: datetime | None = None) -> bytes:
    """Every metric, as ``text/plain; version=0.0.4``.

    Args:
        cursor: of a transaction that reads the ledger.
        projects: those whose files could be read: when their deliveries are due.
        now: the moment; that of the clock by default.
    """
    from prometheus_client import CollectorRegistry, generate_latest

    began = time.perf_counter()
    found = list(_families(cursor, projects, now or datetime.now(UTC)))

    class Found:
        def collect(self) -> Iterable["GaugeMetricFamily"]:
            yield from found
            yield _gauge("mlcycle_scrape_seconds", "what this answer took", ((), time.perf_counter() - began))

    registry = CollectorRegistry(auto_describe=False)
    registry.register(Found())
    return generate_latest(registry)


def _families(
    cursor: Cursor, projects: Mapping[str, Project], now: datetime
) -> Iterator["GaugeMetricFamily"]:
    hidden = forgotten.names(cursor) - set(projects)

    def read(*asked: Any) -> list[ledger.Row]:
        return [row for row in ledger.rows(cursor, *asked) if row[0] not in hidden]

    tables = [table for table in overview.tables(cursor) if table[2] and table[0] not in hidden]
    names = sorted({row[0] for row in tables} | set(projects))
    yield _gauge("mlcycle_info", "the platform's version", ((code_version(),), 1.0), labels=("version",))
    yield _gauge(
        "mlcycle_project", "a project that there is", *(((n,), 1.0) for n in names), labels=("project",)
    )
    yield from _deliveries(tables, projects, now)
    yield _gauge(
        "mlcycle_gaps", "partitions that were not delivered",
        *(((project, table), count) for project, table, count in read(ledger.GAPS)),
        labels=("project", "table"),
    )  # fmt: skip
    yield from _alerts(read(ledger.ALERTS), read(ledger.PENDING), names)
    yield _gauge(
        "mlcycle_failures", "deliveries stopped and steps failed that are not mended",
        *(((project, kind), count) for project, kind, count in read(ledger.FAILURES)),
        labels=("project", "kind"),
    )  # fmt: skip
    stage_of = {step: stage for stage, step in LAST_STEP.items()}
    yield _gauge(
        "mlcycle_stage_finished_timestamp_seconds", "when the stage's last step ended well",
        *(((p, stage_of[step]), at) for p, step, at in read(ledger.FINISHED, names, list(stage_of))),
        labels=("project", "stage"),
    )  # fmt: skip
    yield from _steps(read(ledger.LAST_DAY), read(ledger.FAILED_LAST_DAY))
    champions = read(ledger.CHAMPIONS)
    yield _gauge(
        "mlcycle_champion_version", "the champion", *(((p,), v) for p, v, _ in champions), labels=("project",)
    )
    yield _gauge(
        "mlcycle_champion_timestamp_seconds", "since when it is the champion",
        *(((p,), at) for p, _, at in champions), labels=("project",),
    )  # fmt: skip
    measured = read(ledger.MEASURED, names)
    yield _gauge(
        "mlcycle_monitor_measured_timestamp_seconds", "when a monitor last measured",
        *(((p, monitor), at) for p, monitor, at, _ in measured), labels=("project", "monitor"),
    )  # fmt: skip
    yield _gauge(
        "mlcycle_value_per_day",
        "gained over acting as before in the last labelled window, a day, in the project's currency",
        *(((p,), value / _days(projects[p]))
          for p, _, _, value in measured if value is not None and p in projects),
        labels=("project",),
    )  # fmt: skip


def _deliveries(
    tables: Iterable[ledger.Row], projects: Mapping[str, Project], now: datetime
) -> Iterator["GaugeMetricFamily"]:
    """Rows and age of each table's newest partition, and how late the one after it is."""
    held, ends, late = [], [], []
    for name, table, key, rows in tables:
        held.append(((name, table), rows))
        project = projects.get(name)
        if project is None or table not in project.source.tables:
            continue
        try:
            newest = Partition.parse(key, project.unit)
        except InputError:  # of another unit, before its file was changed
            continue
        if project.source.tables[table].kind == "static":  # of no time, and never late
            continue
        ends.append(((name, table), newest.end.timestamp()))
        if project.source.live:
            due = gaps.due(newest.shift(1), project.source.tables[table].lag) + project.source.lateness
            late.append(((name, table), (now - due).total_seconds()))
    labels = ("project", "table")
    yield _gauge("mlcycle_partition_rows", "rows of the newest published partition", *held, labels=labels)
    yield _gauge("mlcycle_partition_end_timestamp_seconds", "its end", *ends, labels=labels)
    yield _gauge(
        "mlcycle_partition_late_seconds",
        "how long ago the next partition was due, its lateness allowed for; negative: in so long",
        *late, labels=labels,
    )  # fmt: skip


def _alerts(
    counts: Iterable[ledger.Row], pending: Iterable[ledger.Row], names: Iterable[str]
) -> Iterator["GaugeMetricFamily"]:
    counts, pending = list(counts), list(pending)
    there = {(project, severity): count for project, severity, count, _ in counts}
    every = {(name, severity): 0 for name in names for severity in SEVERITIES} | there
    yield _gauge("mlcycle_alerts_open", "open alerts", *every.items(), labels=("project", "severity"))
    yield _gauge(
        "mlcycle_page_opened_timestamp_seconds", "since when the oldest open page is open",
        *(((project,), oldest) for project, severity, _, oldest in counts if severity == "page"),
        labels=("project",),
    )  # fmt: skip
    yield _gauge(
        "mlcycle_deliveries_pending", "messages of alerts that no receiver has taken yet",
        *(((project,), count) for project, count, _ in pending), labels=("project",),
    )  # fmt: skip
    yield _gauge(
        "mlcycle_deliveries_pending_timestamp_seconds", "since when the oldest of them waits",
        *(((project,), oldest) for project, _, oldest in pending), labels=("project",),
    )  # fmt: skip


def _steps(of_all: Iterable[ledger.Row], failed: Iterable[ledger.Row]) -> Iterator["GaugeMetricFamily"]:
    of_all = list(of_all)
    well = [row for row in of_all if row[1] == "done"]
    yield _gauge(
        "mlcycle_attempts_last_day", "attempts of steps begun within a day, of all projects",
        *(((step, state), count) for step, state, count, *_ in of_all), labels=("step", "state"),
    )  # fmt: skip
    yield _gauge(
        "mlcycle_step_seconds_last_day", "what attempts took that ended well",
        *(((step, what), value) for step, _, _, total, most, median in well
          for what, value in (("sum", total), ("max", most), ("median", median))),
        labels=("step", "of"),
    )  # fmt: skip
    yield _gauge(
        "mlcycle_step_failures_last_day", "attempts that failed within a day",
        *(((project, step), count) for project, step, count in failed), labels=("project", "step"),
    )  # fmt: skip


def _days(project: Project) -> float:
    return max(project.monitors.window.total_seconds() / 86400, 1e-9)


def _gauge(
    name: str, about: str, *samples: tuple[tuple[str, ...], float], labels: tuple[str, ...] = ()
) -> "GaugeMetricFamily":
    from prometheus_client.core import GaugeMetricFamily

    family = GaugeMetricFamily(name, about, labels=labels)
    for values, value in samples:
        family.add_metric(values, float(value))
    return family
