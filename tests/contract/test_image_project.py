"""Rows that name pictures: kept by digest at ingest, read by a model of the project's own, wherever the rest is by then."""

from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from mlcycle.contract import Status
from mlcycle.project import Project
from mlcycle.steps.runtime import run_step
from tests.conftest import Platform
from tests.contract.ingest import FLIGHTS, Ingest
from tests.raw_data import request
from tests.snapshots import Trained

DAYS = 20
MODEL = """
import numpy as np
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.svm import SVC

from mlcycle.kept_files import read_all


def pixels(rows):
    # A PGM's last 64 bytes are its pixels.
    return np.stack([np.frombuffer(data[-64:], np.uint8) for data in read_all(list(rows["picture"]))]) / 16


class Pictures(BaseEstimator, ClassifierMixin):
    def __init__(self, C=1.0):
        self.C = C

    def fit(self, X, y):
        self.inner_ = SVC(C=self.C, probability=True, random_state=0).fit(pixels(X), y)
        self.classes_ = self.inner_.classes_
        return self

    def predict_proba(self, X):
        return self.inner_.predict_proba(pixels(X))
"""


def project() -> Project:
    """Handwritten digits, a hundred a day; the reader sees a picture, the writer's desk tells nothing."""
    document = FLIGHTS.document()
    document |= {"name": "digits", "features": {}, "code": {"files": {"pictures.py": MODEL}}}
    columns = {"id": "integer", "at": "timestamp", "picture": "text", "desk": "text", "digit": "integer"}
    table = {"columns": columns, "key": ["id"], "event_time": "at", "files": ["picture"], "max_bad_rows": 0.1}
    document["source"] |= {"tables": {"digits": table}, "url": "{source}/digits", "start": "2013-01-01"}
    document["entity"] = {"table": "digits"}
    classes = [str(each) for each in range(10)]
    document["label"] = {
        "name": "which",
        "task": "multiclass",
        "table": "digits",
        "column": "digit",
        "classes": classes,
    }
    document["label"] |= {"delay": "0 hours"}
    document["inputs"] = {"text": ["picture"], "categorical": ["desk"]}
    document["split"] = {"holdout": "4 days", "validation": "3 days", "history": "60 days", "min_rows": 100}
    document["candidates"] = {
        "table": {"family": "rate_table", "params": {"by": ["desk"]}},
        "pictures": {"family": "pictures:Pictures", "params": {"C": 3.0, "encode": "frame"}},
    }
    document["evaluation"] = {"metric": "log_loss", "heuristic": "table", "parts": ["figures", "baselines"]}
    document["gate"] = {}
    document["value"] = {"currency": "EUR"}
    document["monitors"] = {"window": "7 days"}
    return Project.model_validate(document)


def write(folder: Path) -> None:
    """A picture each, and a file of rows for each day; one picture is missing."""
    digits = load_digits()
    (folder / "pictures").mkdir(parents=True)
    (folder / "digits").mkdir()
    rng = np.random.default_rng(0)
    order = rng.permutation(len(digits.target))
    for day in range(DAYS):
        lines = ["id,at,picture,desk,digit"]
        for number in order[day * 85 : (day + 1) * 85]:
            name = f"pictures/{number}.pgm"
            if number != order[5]:
                pixels = digits.images[number].astype(np.uint8).tobytes()
                (folder / name).write_bytes(b"P5 8 8 16\n" + pixels)
            moment = f"2013-01-{day + 1:02}T{number % 24:02}:00:00Z"
            lines.append(f"{number},{moment},{name},desk{number % 3},{digits.target[number]}")
        (folder / "digits" / f"2013-01-{day + 1:02}.csv").write_text("\n".join(lines) + "\n")


def test_a_project_of_pictures_learns_from_them_and_needs_their_source_no_more(
    platform: Platform, mlflow_url: str
) -> None:
    spec = project()
    source = platform.folder / "source" / "digits"
    write(source)
    ingest = Ingest(platform, spec, "digits")
    last = f"2013-01-{DAYS}"
    found = ingest.run("2013-01-01", last)
    assert found["publish"].status is Status.OK, found["validate"].message
    assert found["validate"].values["quarantined"] == 1
    ((_, reasons, data),) = ingest.quarantine()
    assert reasons == [
        f"column picture: {data['picture']} is not delivered yet: {source.as_uri()}/{data['picture']} is not there"
    ]
    held = ingest.rows("picture")
    assert len(held) == 85 * DAYS - 1
    assert all(picture.startswith("sha256:") for (picture,) in held)
    for picture in (source / "pictures").iterdir():
        picture.unlink()
    trained = Trained(platform, spec, mlflow_url)
    dataset = trained.ok(run_step(request("dataset", spec, last), trained.settings())).handover
    entries = [trained.ok(trained.train(dataset, name)).handover for name in spec.candidates]
    judged = trained.ok(trained.step("evaluate", inputs={"dataset": [dataset], "train": entries}))
    assert judged.values["best"]["candidate"] == "pictures"
    assert judged.metrics["pictures_accuracy"] > 0.9
    assert judged.metrics["table_accuracy"] < 0.3


@pytest.mark.parametrize(
    "place", ["../secret", "/etc/passwd", "https://elsewhere/x.png", "a/../../b", "pictures/*.pgm"]
)
def test_a_row_names_no_file_but_below_its_source(platform: Platform, place: str) -> None:
    spec = project()
    folder = platform.folder / "source" / "digits" / "digits"
    folder.mkdir(parents=True)
    rows = [f"{number},2013-01-01T00:00:00Z,{place},desk1,1" for number in range(3)]
    (folder / "2013-01-01.csv").write_text("\n".join(["id,at,picture,desk,digit", *rows]) + "\n")
    found = Ingest(platform, spec, "digits").run("2013-01-01")
    assert found["validate"].status is Status.REJECTED
    assert "is no place below source.url" in str(Ingest(platform, spec, "digits").quarantine()[0])
