"""What the retrain in force brought, on the days that neither champion learnt from."""

import pytest

from mlcycle.contract import Status
from mlcycle.project import Project
from mlcycle.steps.runtime import run_step
from tests.conftest import Platform
from tests.raw_data import request, short_flights
from tests.reign import crown, featured

DOCUMENT = short_flights()
DOCUMENT["monitors"]["watch"] = {name: {"enabled": False} for name in ("report", "served_again")}
PROJECT = Project.model_validate(DOCUMENT)
FIRST, SECOND = ("2013-01-12", "2013-01-20"), ("2013-01-12", "2013-02-10")


@pytest.fixture
def retrained(platform: Platform) -> Platform:
    """A champion of nine days of January, and the one of thirty days that took its place."""
    featured(platform, PROJECT, "2013-02-28")
    crown(platform, PROJECT, *FIRST)
    return platform


def watch(platform: Platform, day: str) -> dict[str, tuple[str, str, dict[str, object]]]:
    """By subject the status, words and details of a day, after the step has run for it."""
    result = run_step(request("monitor", PROJECT, day, work=f"monitor-{day}"), platform.settings())
    assert result.status is Status.OK, result.message
    rows = platform.owner().query(
        """select subject, status, message, details from ledger.monitor_result
           where monitor = 'brought' and partition = %s""",
        (day,),
    )
    return {subject: (status, words, details) for subject, status, words, details in rows}


def test_a_retrain_is_followed_on_days_that_neither_learnt_from(retrained: Platform) -> None:
    assert watch(retrained, "2013-02-16") == {}  # the first champion took nobody's place
    crown(retrained, PROJECT, *SECOND, version=2)
    status, words, details = watch(retrained, "2013-02-17")[""]
    assert status == "ok"
    assert words.startswith("version 2 against version 1, whose place it took: log loss ")
    assert "of 6 days" in words  # 11 to 16 February: learnt until the 10th, labelled until the 16th
    again = watch(retrained, "2013-02-18")[""]
    assert len(again[2]["days"]) == 1  # type: ignore[arg-type]
    assert "of 7 days" in again[1]
    assert watch(retrained, "2013-02-17")[""] == (status, words, details), "an earlier day says what it said"


def test_a_retrain_that_made_it_worse_is_told(retrained: Platform) -> None:
    """The champion of thirty days first: then one of nine takes its place."""
    crown(retrained, PROJECT, *SECOND, version=2)
    crown(retrained, PROJECT, "2013-02-08", "2013-02-10", version=3)  # of three days
    found = watch(retrained, "2013-02-25")[""]
    assert found[0] == "warn", found
    assert found[1].endswith("; a rollback to number 2 undoes it")
