"""Rows that nobody wrote a time on, a heap a week: learnt from, served, and watched heap by heap."""

from datetime import timedelta
from pathlib import Path

import numpy as np

from mlcycle.contract import Result
from mlcycle.domain.partitions import Partition
from mlcycle.project import Project
from mlcycle.steps.runtime import run_step
from tests.conftest import Platform
from tests.contract.ingest import FLIGHTS, Ingest
from tests.raw_data import request
from tests.snapshots import Trained

START, HEAPS, ROWS = "2012-W10", 70, 90
MOVED = 50.0  # by what the last heap's incomes are higher


def project() -> Project:
    """Who repays; richer people do more often."""
    document = FLIGHTS.document()
    document |= {"name": "loans", "features": {}}
    table = {
        "delivers": "rows",
        "columns": {"applicant": "integer", "income": "double", "town": "text", "repaid": "boolean"},
        "key": ["applicant"],
    }
    document["source"] |= {"tables": {"applications": table}, "url": "{source}/loans", "live": False}
    document["source"] |= {"partition": "week", "start": START}
    document["entity"] = {"table": "applications"}
    document["label"] = {
        **{"name": "repays", "task": "classification", "table": "applications", "column": "repaid"},
        **{"delay": "0 hours"},
    }
    document["inputs"] = {"categorical": ["town"], "numeric": ["income"]}
    document["split"] = {
        "holdout": "6 weeks",
        "validation": "4 weeks",
        "history": "52 weeks",
        "min_rows": 100,
    }
    document["candidates"] = {
        "towns": {"family": "rate_table", "params": {"by": ["town"]}},
        "line": {"family": "linear"},
    }
    document["evaluation"] = {"metric": "log_loss", "heuristic": "towns", "parts": ["figures", "baselines"]}
    document["gate"], document["value"] = {}, {"currency": "EUR"}
    document["monitors"] = {"window": "1 week"}
    return Project.model_validate(document)


def heap(number: int) -> str:
    """Rows of one delivery, without a time."""
    rng = np.random.default_rng(number)
    income = rng.normal(30 + (MOVED if number == HEAPS - 1 else 0), 10, ROWS)
    repaid = rng.random(ROWS) < 1 / (1 + np.exp(-(income - 30) / 5))
    rows = [
        f"{number * ROWS + at},{income[at]:.2f},town{at % 3},{str(bool(repaid[at])).lower()}"
        for at in range(ROWS)
    ]
    return "\n".join(["applicant,income,town,repaid", *rows]) + "\n"


def test_heaps_without_a_time_are_learnt_from_served_and_compared(
    platform: Platform, mlflow_url: str
) -> None:
    spec = project()
    first = Partition.parse(START, spec.unit)
    weeks = list(first.to(first.shift(HEAPS - 1)))
    folder: Path = platform.folder / "source" / "loans" / "applications"
    folder.mkdir(parents=True)
    for number, week in enumerate(weeks):
        (folder / f"{week.key}.csv").write_text(heap(number))
    ingest = Ingest(platform, spec, "applications")
    assert ingest.run(weeks[0].key, weeks[-1].key)["publish"].values["published"] == HEAPS
    times = platform.owner().query("select distinct delivered from raw.loans__applications order by 1")
    assert [moment for (moment,) in times] == [week.end - timedelta(microseconds=1) for week in weeks]
    # Delivered again, corrected: a version of the same week.
    (folder / f"{weeks[2].key}.csv").write_text(heap(2).replace("town0", "town1", 1))
    assert ingest.run(weeks[2].key)["publish"].values["published"] == 1

    trained = Trained(platform, spec, mlflow_url)

    def run(step: str, begin: str, end: str = "") -> Result:
        return trained.ok(run_step(request(step, spec, begin, end), trained.settings()))

    dataset = run("dataset", weeks[-3].key).handover
    trained.register(dataset, "line")
    assert "is champion number 1" in trained.ok(trained.promote()).message
    run("score", weeks[-16].key, weeks[-1].key)
    served = trained.rows(
        "select partition, count(*) from serving.prediction where project = %s group by 1 order by 1"
    )
    assert served == [(week.key, ROWS) for week in weeks[-16:]]
    for week in weeks[-2:]:
        run("monitor", week.key)
    noted = trained.rows(
        """select partition, status from ledger.monitor_result
           where project = %s and monitor = 'drift' and subject = 'income' order by 1"""
    )
    assert noted == [(weeks[-2].key, "ok"), (weeks[-1].key, "warn")]
