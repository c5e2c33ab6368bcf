"""A project's year, day by day, as its DAGs would run it: what paged, what was retrained, what that brought.

    python -m benchmarks.year [flights|weather] [--picture FILE] [--until 2013-12-30]

A throw-away warehouse and MLflow. Two months arrive at once and give the first champion; then every day is
ingested, scored, labelled and watched, and on the first of every month somebody asks for a retrain. The steps
are those of the DAGs, with their requests, one after the other in one process: no scheduler between them.
"""

import argparse
import os
import resource
import statistics
import time
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from benchmarks.common import environment, free_ports, postgres, run
from benchmarks.year.picture import draw
from benchmarks.year.told import Told
from tests.conftest import Platform
from tests.services import mlflow_server

from mlcycle.contract import Result, Status
from mlcycle.cycle import ALL_ROLES
from mlcycle.demo.world_data import day_file, partitions
from mlcycle.domain.partitions import Partition
from mlcycle.ledger.migrate import migrate
from mlcycle.project import Project
from mlcycle.project.file import load

ROOT = Path(__file__).parent.parent.parent
BEGIN, HISTORY = date(2013, 1, 1), 59
DATABASE = "year"


def main() -> None:
    """Live the year and tell it."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("project", nargs="?", default="flights", choices=["flights", "weather"])
    parser.add_argument("--picture", type=Path, help="write it here")
    parser.add_argument("--until", type=date.fromisoformat, default=date(2013, 12, 30))
    options = parser.parse_args()
    with postgres() as (server, folder):
        server.create_database(DATABASE)
        passwords = dict.fromkeys(ALL_ROLES, "benchmark")
        migrate(server.dsn(DATABASE), passwords)
        with mlflow_server(folder, free_ports()["mlflow"] or 0) as url:
            year = Year(Platform(server, DATABASE, passwords, folder), _project(options.project), url)
            year.live(options.until)
            told = Told.of(year.platform, year.project)
            print(told)
            early, late = year.memory[len(year.memory) // 10], year.memory[-1]
            print(
                f"{len(year.seconds)} daily cycles, median {statistics.median(year.seconds):.2f} s, "
                f"{sum(year.seconds):.0f} s in all; load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; "
                f"memory {early:.0f} MiB after a tenth of them, {late:.0f} at the end"
            )
            if options.picture:
                options.picture.write_bytes(draw(told, year.project.name))


def _project(name: str) -> Project:
    return load(ROOT / "projects" / name / "project.yaml")


@dataclass
class Year:
    """A project, its source and its warehouse."""

    platform: Platform
    project: Project
    mlflow: str
    seconds: list[float] = field(default_factory=list)  # of each daily cycle
    memory: list[float] = field(default_factory=list)  # MiB after each of them

    def live(self, until: date) -> None:
        """The history, a first champion, and every day to the last."""
        self._deliver()
        first, began = BEGIN + timedelta(days=HISTORY), time.perf_counter()
        for stage in ("ingest", "features"):
            self._run(stage, BEGIN, first - timedelta(days=1))
        self._train(first - timedelta(days=1), "the first model")
        print(f"{HISTORY} days and a first champion: {time.perf_counter() - began:.0f} s", flush=True)
        for number in range((until - first).days + 1):
            day, started = first + timedelta(days=number), time.perf_counter()
            for stage in ("ingest", "features", "score"):
                self._run(stage, day, day)
            if self._asked(day):
                self._train_and_promote(day)
            self.seconds.append(time.perf_counter() - started)
            if (day + timedelta(days=1)).day == 1:
                self._train(day, "a month has passed")
                print(f"{day}: {time.perf_counter() - began:.0f} s", flush=True)
            self.memory.append(_resident())

    def _deliver(self) -> None:
        for table in self.project.source.tables:
            target = self.platform.folder / "source" / self.project.name / table
            target.mkdir(parents=True, exist_ok=True)
            for key in partitions(self.project.name, table):
                data = day_file(self.project.name, table, key)
                assert data is not None
                (target / f"{key}.csv").write_bytes(data)

    def _asked(self, day: date) -> bool:
        """Watch a day; whether a retrain was granted to a monitor or, where it wants one, to its shadow."""
        granted = self._run("monitor", day, day)["request_retrain"].status is Status.OK
        if granted and self.project.retrain.asks == "shadow":
            found = self._run("shadow", day, day).get("request_retrain")
            return found is not None and found.status is Status.OK
        return granted

    def _train(self, day: date, reason: str) -> None:
        self._run("retrain", day, day, {"reason": reason})
        self._train_and_promote(day)

    def _train_and_promote(self, day: date) -> None:
        self._run("train", day, day)
        self._run("promote", day, day)

    def _run(
        self, stage: str, first: date, last: date, params: dict[str, Any] | None = None
    ) -> dict[str, Result]:
        """A stage for some days; a step that failed ends the benchmark."""
        return run(self.project, stage, self._env, *self._keys(first, last), params=params or {})

    def _keys(self, first: date, last: date) -> tuple[str, str]:
        """The partitions of some days; the source begins within the first one."""
        start, end = (datetime(day.year, day.month, day.day, tzinfo=UTC) for day in (first, last))
        unit = self.project.unit
        begin = max(Partition.containing(start, unit), Partition.parse(self.project.source.start, unit))
        return begin.key, Partition.containing(end + timedelta(days=1), unit).shift(-1).key

    @property
    def _env(self) -> dict[str, str]:
        return environment(self.platform.settings, mlflow_url=self.mlflow, threads=os.cpu_count() or 1)


def _resident() -> float:
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * resource.getpagesize() / (1 << 20)


if __name__ == "__main__":
    main()
