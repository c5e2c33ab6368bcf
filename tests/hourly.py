"""A small project whose source is alive: hours up to now, three rows each, made up as they are asked for."""

from datetime import UTC, datetime, timedelta
from typing import Any

from mlcycle.contract import Request, Result
from mlcycle.domain.partitions import Partition, Unit
from mlcycle.project import Project
from mlcycle.project.file import load
from mlcycle.stage_run import run_stage
from mlcycle.steps.runtime import run_step
from tests.conftest import ROOT, Platform
from tests.contract.ingest import Ingest

WEATHER = load(ROOT / "projects" / "weather" / "project.yaml")
COLUMNS = list(WEATHER.source.tables["weather"].columns)


def now_hour() -> Partition:
    """The hour that is over now."""
    return Partition.containing(datetime.now(UTC), Unit.HOUR).shift(-1)


def project(**source: Any) -> Project:
    """The weather project as if it lived: its source delivers as time goes by."""
    document = WEATHER.document()
    document["source"] |= {"live": True, **source}
    document["alerts"] = {"channels": [{"kind": "log"}]}
    return Project.model_validate(document)


def rows(hour: Partition) -> bytes:
    """A delivery of an hour."""
    lines = [",".join(COLUMNS)]
    for number, origin in enumerate(("EWR", "JFK", "LGA")):
        observed = (hour.start + timedelta(minutes=number)).strftime("%Y-%m-%dT%H:%M:%SZ")
        cells = {"origin": origin, "observed": observed, "temp": "41.0", "pressure": "1012.0"}
        lines.append(",".join(cells.get(name, "1.0") for name in COLUMNS))
    return ("\n".join(lines) + "\n").encode()


class Hourly(Ingest):
    """Ingest of the living project as its DAG would run it, one hour after the other."""

    def __init__(self, platform: Platform, **source: Any) -> None:
        super().__init__(platform, project(**source), "weather")

    def come(self, *hours: Partition) -> None:
        """The source delivers these hours."""
        for hour in hours:
            self.deliver(hour.key, rows(hour))

    def tick(self, hour: Partition, work: str = "", **params: Any) -> dict[str, Result]:
        """One run of the ingest stage for an hour, all of its steps; ``work`` names one that goes on."""
        found: dict[str, Result] = {}

        def execute(request: Request) -> Result:
            if work:
                request = request.model_copy(update={"work": f"{work}/{request.step}"})
            role = "train" if request.step == "alert" else "ingest"
            return run_step(request, self.platform.settings(role))

        for name, result in run_stage(self.project, "ingest", execute, last=hour.key, params=params):
            found[name.partition(".")[0]] = result
        return found

    def held(self) -> list[str]:
        """Hours that are published, in the order in which they were."""
        query = "select partition from ledger.batch where current and rows > 0 order by batch_id"
        return [key for (key,) in self.platform.owner().query(query)]

    def gaps(self) -> dict[str, str]:
        """Every gap's state."""
        return dict(self.platform.owner().query("select partition, state from ledger.gap order by 1"))

    def alerts(self) -> list[tuple[str, str]]:
        """Every alert's key and state, in order."""
        return self.platform.owner().query("select key, state from ledger.alert order by alert_id")  # type: ignore[return-value]

    def deliveries(self) -> list[tuple[str, int]]:
        """Every delivery of an alert, not of its end: its state, and how often it was tried."""
        query = "select state, tries from ledger.delivery where what = 'open' order by alert_id"
        return self.platform.owner().query(query)  # type: ignore[return-value]
