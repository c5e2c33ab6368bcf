"""The owner's page: what was served against acting as before, on what labels say."""

import pytest

from mlcycle.adapters.artifacts.store import ArtifactStore
from mlcycle.contract import Status
from mlcycle.project import Project
from mlcycle.steps.runtime import run_step
from tests.conftest import Platform
from tests.contract.test_brought import DOCUMENT
from tests.raw_data import request
from tests.reign import crown, featured

PRICED = {**DOCUMENT["value"], "prices": {"cpu_hour": 36.0}}
PROJECT = Project.model_validate({**DOCUMENT, "value": PRICED})


@pytest.fixture
def served(platform: Platform) -> Platform:
    """Two weeks of February, served and labelled."""
    featured(platform, PROJECT, "2013-02-20")
    settings = platform.settings()
    crown(platform, PROJECT, "2013-01-12", "2013-02-05")
    assert run_step(request("score", PROJECT, "2013-02-06", "2013-02-20"), settings).status is Status.OK
    assert run_step(request("labels", PROJECT, "2013-02-20"), settings).status is Status.OK
    return platform


def test_the_owner_reads_what_it_earns(served: Platform) -> None:
    for day in ("2013-02-13", "2013-02-20"):
        result = run_step(request("monitor", PROJECT, day, work=f"monitor-{day}"), served.settings())
        assert result.status is Status.OK, result.message
    ((details, words),) = served.owner().query(
        """select details, message from ledger.monitor_result
           where monitor = 'earnings' and partition = '2013-02-20'"""
    )
    assert result.links["earnings"] == details["link"]
    page = ArtifactStore(served.settings().artifacts_url).read(details["link"]).decode()
    ((gained, days, rows),) = served.owner().query(
        """select sum(case when p.prediction >= %s then case when l.label = 1 then 60 + 80 else -45 end else 0 end),
                  count(distinct p.partition), count(*)
           from serving.prediction p join serving.label l using (project, entity_key, event_time)
           where p.partition <= '2013-02-19'""",
        (PROJECT.value.threshold,),
    )
    assert f"{rows:,} predictions with a label" in page
    weekly = f"{7 * float(gained) / days:+,.0f} EUR a week over never acting"
    assert weekly in page, page[page.index("<ul") :][:900]
    assert words.startswith((weekly, "-", "+"))
    assert "Running it cost" in page
    assert "acting pays from a probability of 0.243" in page
    assert PROJECT.scope.goal in page
