"""One day's whole cycle through Airflow: ingest, features, score, labels, monitor, alerts.

    python -m benchmarks.day [--times 1 10 100] [--days 5]

A platform of its own on free ports takes the flights project through its first weeks and a first
champion, and then through some days, one by one. The day with 10 and 100 times the rows is the same
day with that many flights for each real one. There is no peer that does the same work: the day is
shown beside the same steps run one after the other in one process, without Airflow.
"""

import argparse
import contextlib
import csv
import io
import os
import re
import shutil
import statistics
import tempfile
import time
from pathlib import Path

import psycopg2
from benchmarks.common import free_ports

from mlcycle.airflow_api import AirflowApi
from mlcycle.contract import ExitCode
from mlcycle.demo import world_data
from mlcycle.domain.partitions import Partition, Unit
from mlcycle.local import commands
from mlcycle.local.config import Platform, airflow_login, configure, platform_env
from mlcycle.project.file import load
from mlcycle.stage_run import in_this_process, run_stage

ROOT = Path(__file__).parent.parent
HISTORY = ("2013-01-01", "2013-02-14")
FIRST_DAY = "2013-02-15"
STAGES = ("ingest", "features", "score", "monitor")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--times", nargs="+", type=int, default=[1, 10, 100])
    parser.add_argument("--days", type=int, default=5)
    options = parser.parse_args()
    days = _days(FIRST_DAY, options.days + 1)
    folder = Path(tempfile.mkdtemp(prefix="mlcycle-day-"))
    try:
        names = {times: _project(folder, times, days[-1]) for times in options.times}
        platform = configure(folder / "state", home=folder, ports=free_ports())
        commands.up(platform.state, say=lambda _: None)
        try:
            print(f"load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores; medians of {options.days} days")
            for times, name in names.items():
                _measure(platform, name, times, days)
        finally:
            commands.down(platform.state, say=lambda _: None)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _measure(platform: Platform, name: str, times: int, days: list[str]) -> None:
    with AirflowApi.from_env(airflow_login(platform.state)) as api:
        api.wait_for_dag(f"{name}_monitor", seconds=60)
        _first_champion(api, name)
        runs = [_day(api, name, day) for day in days[:-1]]
    wall = statistics.median(total for total, _ in runs)
    parts = {stage: statistics.median(taken[stage] for _, taken in runs) for stage in STAGES}
    alone = _without_airflow(platform, name, days[-1])
    rows = _rows(platform, name, days[-2])
    told = ", ".join(f"{stage} {seconds:.2f}" for stage, seconds in parts.items())
    print(f"x {times}: {rows} rows a day: {wall:.2f} s ({told}); steps alone, in one process: {alone:.2f} s")


def _first_champion(api: AirflowApi, name: str) -> None:
    first, last = HISTORY
    begun = api.trigger(f"{name}_ingest", partition=last, conf={"first": first})
    _good(api, f"{name}_ingest", begun)
    _good(api, f"{name}_features", api.wait_for_run(f"{name}_features", last))
    begun = api.trigger(f"{name}_retrain", partition=last, conf={"reason": "benchmark"})
    _good(api, f"{name}_retrain", begun)
    for stage in ("train", "promote"):
        _good(api, f"{name}_{stage}", api.wait_for_run(f"{name}_{stage}", last))


def _good(api: AirflowApi, dag: str, run_id: str) -> None:
    state = api.wait(dag, run_id, seconds=1800)
    if state != "success":
        raise SystemExit(f"run {run_id} of {dag} ended {state}")


def _day(api: AirflowApi, name: str, day: str) -> tuple[float, dict[str, float]]:
    """Wall seconds of a day from asking for it to the end of its monitoring, and of each stage's run."""
    began = time.perf_counter()
    ids = {"ingest": api.trigger(f"{name}_ingest", partition=day)}
    for stage in STAGES[1:]:
        ids[stage] = api.wait_for_run(f"{name}_{stage}", day)
    for stage, run_id in ids.items():
        _good(api, f"{name}_{stage}", run_id)
    wall = time.perf_counter() - began
    runs = {stage: api.run(f"{name}_{stage}", run_id) for stage, run_id in ids.items()}
    return wall, {stage: run["duration"] for stage, run in runs.items()}


def _without_airflow(platform: Platform, name: str, day: str) -> float:
    project = load(platform.home / "projects" / name / "project.yaml")
    execute = in_this_process(platform_env(platform.state))
    taken = []
    with open(os.devnull, "w") as nowhere, contextlib.redirect_stderr(nowhere):
        for _ in range(2):  # the first one imports the libraries
            began = time.perf_counter()
            for stage in STAGES:
                for step, result in run_stage(project, stage, execute, last=day):
                    assert result.exit_code is ExitCode.OK, f"{step}: {result.message}"
            taken.append(time.perf_counter() - began)
            day = Partition.parse(day, Unit.DAY).shift(1).key
    return taken[-1]


def _rows(platform: Platform, name: str, day: str) -> int:
    with psycopg2.connect(platform.dsn("mlcycle")) as connection, connection.cursor() as cursor:
        cursor.execute(
            "select count(*) from serving.prediction where project = %s and partition = %s", (name, day)
        )
        return int(cursor.fetchone()[0])


def _project(folder: Path, times: int, last: str) -> str:
    """A copy of the flights project with a source of its own, and the deliveries of that source."""
    name = f"flights_x{times}"
    for part in ("dags", "plugins", "feature_repo"):
        (folder / part).exists() or shutil.copytree(ROOT / part, folder / part)
    home = shutil.copytree(ROOT / "projects" / "flights", folder / "projects" / name)
    file, source = home / "project.yaml", folder / "source" / name
    text = re.sub(r"^name: flights$", f"name: {name}", file.read_text(), flags=re.MULTILINE)
    text = text.replace('"{source}/flights"', f'"file://{source}"')
    # One candidate: how long training takes is not the question.
    text = re.sub(r"^  network:\n(?:    .*\n)+", "", text, flags=re.MULTILINE)
    # Nor whether copies of flights make a good model.
    for rule, lenient in (
        ("max_slice_loss: 0.05", "10"),
        ("min_gain: -0.005", "-10"),
        ("confidence: 0.9", "0.51"),
    ):
        text = text.replace(rule, f"{rule.split()[0]} {lenient}")
    file.write_text(text)
    count = (Partition.parse(last, Unit.DAY).start - Partition.parse(HISTORY[0], Unit.DAY).start).days + 2
    for table in ("flights", "arrivals", "weather"):
        (source / table).mkdir(parents=True)
        for key in _days(HISTORY[0], count):
            data = world_data.day_file("flights", table, key) or b""
            (source / table / f"{key}.csv").write_bytes(data if table == "weather" else _more(data, times))
    return name


def _more(data: bytes, times: int) -> bytes:
    """Each flight as often, under flight numbers of its own."""
    if times == 1:
        return data
    header, *rows = csv.reader(io.StringIO(data.decode()))
    number = header.index("flight")
    out = io.StringIO()
    writer = csv.writer(out, lineterminator="\n")
    writer.writerow(header)
    for row in rows:
        for copy in range(times):
            writer.writerow([*row[:number], str(int(row[number]) + 10_000 * copy), *row[number + 1 :]])
    return out.getvalue().encode()


def _days(first: str, count: int) -> list[str]:
    return [Partition.parse(first, Unit.DAY).shift(number).key for number in range(count)]


if __name__ == "__main__":
    main()
