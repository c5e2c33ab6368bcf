"""A candidate that goes on from the champion: which, from what it has not judged, and the same in a retry."""

import dataclasses
from typing import Any

import pytest

from mlcycle.contract import Result
from mlcycle.project import Project
from tests.conftest import Platform
from tests.snapshots import FEBRUARY, JANUARY, Trained, flights, flights_project

TREES = {"num_iterations": 10, "num_leaves": 8, "min_data_in_leaf": 100}


@pytest.fixture
def trained(platform: Platform, mlflow_url: str) -> Trained:
    document = flights_project().document()
    document["candidates"]["trees"] = {
        "family": "lightgbm",
        "params": TREES,
        "start": "champion",
        "window": "7 days",
    }
    document["candidates"]["other"] = {"family": "mlp", "params": {"epochs": 1}, "start": "champion"}
    document["gate"] |= {"min_rows": 1000}
    return Trained(platform, Project.model_validate(document), mlflow_url)


def crown(trained: Trained, seq: int, version: int) -> None:
    trained.platform.owner().query(
        "insert into ledger.champion (project, seq, version, action, actor, reason) "
        "values (%s, %s, %s, 'promote', 'x', 'y')",
        (trained.project.name, seq, version),
    )


def serve_a_refit(trained: Trained) -> None:
    """Version 2 is version 1's recipe trained again on all rows, and what is served."""
    trained.platform.owner().query(
        """insert into ledger.model_version (project, version, run_id, candidate, model_uri, manifest,
               manifest_digest, dataset_digest, metrics, judged)
           select project, 2, 'refit', candidate, 'nowhere', '{}', 'none', dataset_digest, metrics, 1
           from ledger.model_version where project = %s""",
        (trained.project.name,),
    )
    crown(trained, 1, 2)


def text_of(result: Result) -> str:
    """The digest of the trees."""
    manifest: dict[str, str] = result.values["manifest"]  # type: ignore[assignment]
    (found,) = [digest for path, digest in manifest.items() if path.endswith("model.txt")]
    return found


def test_it_goes_on_from_what_was_judged_on_the_window_and_a_retry_gives_the_same(trained: Trained) -> None:
    trained.register(trained.snapshot(flights(), JANUARY), "trees")
    serve_a_refit(trained)
    february = trained.snapshot(flights(), FEBRUARY)
    done = trained.ok(trained.train(february, "trees", "the work"))
    days = flights().event_time.between("2013-02-03T00:00Z", "2013-02-10T00:00Z", inclusive="left").sum()
    # Served is version 2, which has learnt all of January: it goes on from what the gate judged.
    assert done.message.endswith(f"from champion 1, version 1, on {days} rows")
    assert done.values["start"] == f"from champion 1, version 1, on {days} rows"

    # Somebody else is crowned before the work is tried again, as if it had never ended.
    crown(trained, 2, 1)
    trained.platform.owner().query("delete from ledger.publication where work = 'the work'")
    trained.platform.owner().query(
        "update ledger.attempt set state = 'running', result = null where work = 'the work'"
    )
    again = trained.ok(trained.train(february, "trees", "the work"))
    assert not again.replayed
    assert again.values["start"] == done.values["start"]
    assert text_of(again) == text_of(done)
    fresh = trained.ok(trained.train(february, "trees"))
    assert "from champion 2, version 1" in fresh.message


def test_where_the_champion_does_not_fit_the_fit_begins_anew_and_says_why(trained: Trained) -> None:
    january = trained.snapshot(flights(), JANUARY)
    first = trained.ok(trained.train(january, "trees"))
    assert first.message.endswith("stateless: there was no champion when this training began")
    february = trained.snapshot(flights(), FEBRUARY)
    trained.register(february, "trees")
    crown(trained, 1, 1)
    late = trained.ok(trained.train(january, "trees"))
    assert "stateless: champion 1 has learnt rows up to 2013-02-10 00:00, validation begins" in late.message
    assert text_of(late) == text_of(first)
    net = trained.ok(trained.train(february, "other"))
    assert "stateless, not from champion 1, version 1: it is a lightgbm, the candidate a mlp" in net.message
    march = trained.snapshot(
        flights(),
        {
            "train": ("2013-02-01", "2013-02-20"),
            "validation": ("2013-02-20", "2013-02-24"),
            "holdout": ("2013-02-24", "2013-03-01"),
        },
    )
    document: dict[str, Any] = trained.project.document()
    document["candidates"]["trees"]["window"] = "1 hours"
    short = dataclasses.replace(trained, project=Project.model_validate(document))
    few = short.ok(short.train(march, "trees"))
    assert "the window holds" in few.message
    assert "split.min_rows is" in few.message


def test_a_window_without_a_start_is_refused() -> None:
    document = flights_project().document()
    document["candidates"]["table"]["window"] = "7 days"
    with pytest.raises(ValueError, match="window is for start: champion"):
        Project.model_validate(document)
