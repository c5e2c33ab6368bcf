"""A real champion for tests of what comes after training: trained on real rows, without MLflow.

Its files lie in the artifact store as scoring leaves them there, its dataset is a snapshot of one
part, and it is crowned by the promote role.
"""

import hashlib
import json
from datetime import datetime
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from mlcycle import models
from mlcycle.adapters.artifacts.store import ArtifactStore, sha256_file
from mlcycle.adapters.datasets.point_in_time import joined_rows
from mlcycle.adapters.warehouse.connection import Warehouse
from mlcycle.contract import Status
from mlcycle.domain.dataset import Bounds, DatasetManifest, Part, Split
from mlcycle.domain.examples import Rows
from mlcycle.domain.metrics import measure
from mlcycle.ledger import champion as champions
from mlcycle.models.base import Job
from mlcycle.project import Project
from mlcycle.steps.runtime import run_step
from tests.conftest import Platform
from tests.raw_data import days, deliver, request


def featured(platform: Platform, project: Project, last: str) -> None:
    """The project's source delivered from the year's first day to this one, and its features computed."""
    ingest = Warehouse(platform.settings("ingest"))
    deliver(ingest, project, "2013-01-01", last)
    ingest.close()
    built = run_step(request("features", project, "2013-01-01", last), platform.settings())
    assert built.status is Status.OK, built.message


def crown(
    platform: Platform, project: Project, first: str, last: str, version: int = 1, holdout: str = ""
) -> champions.Champion:
    """Train the project's heuristic on these partitions and make it the champion.

    ``holdout`` is the first partition of those that it does not learn from.
    """
    span = days(project, first, last)
    start, end = span[0].start, span[-1].end
    table = pa.concat_tables(joined_rows(Warehouse(platform.settings()), project, start, end, labels=True))
    table = table.replace_schema_metadata(None)
    folder = platform.folder / f"model-{version}"
    name = project.evaluation.heuristic
    kind = models.family(project.candidates[name].family)
    cut = days(project, holdout, holdout)[0].start if holdout else end
    learnt, held = (table.filter(side) for side in _sides(table, cut))
    rows = Rows(learnt.select(project.inputs.all).to_pandas(), learnt["label"].to_numpy())
    job = Job(
        task=project.label.task,
        categorical=project.inputs.categorical,
        numeric=project.inputs.numeric,
        train=rows,
        validation=rows,
        threads=1,
        report=lambda *_: None,
    )
    family = project.candidates[name].family
    model = kind.fit(job, models.parse_params(family, project.candidates[name].params), family)
    models.save(model, folder)
    store = ArtifactStore(platform.settings().artifacts_url)
    manifest = {
        str(path.relative_to(folder)): sha256_file(path) for path in folder.rglob("*") if path.is_file()
    }
    digest = hashlib.sha256(json.dumps(manifest, sort_keys=True).encode()).hexdigest()
    for path in manifest:
        store.put_file(f"models/{digest}/{path}", folder / path)
    dataset = _dataset(store, platform.folder, project, {"train": learnt, "holdout": held}, version)
    metrics = measure(project.label.task, rows.labels, model.predict(rows.frame))
    platform.owner().query(
        "insert into ledger.dataset (project, digest, uri, manifest, rows) values (%s, %s, '', %s, %s)",
        (project.name, dataset.digest, dataset.model_dump_json(), table.num_rows),
    )
    platform.owner().query(
        """insert into ledger.model_version (project, version, run_id, candidate, model_uri, manifest,
               manifest_digest, dataset_digest, metrics) values (%s, %s, %s, %s, %s, %s, %s, %s, %s)""",
        (
            *(project.name, version, f"run-{version}", name, f"models:/m-{version:032x}"),
            *(json.dumps(manifest), digest, dataset.digest, json.dumps(metrics)),
        ),
    )
    with Warehouse(platform.settings("promote")).transaction() as cursor:
        champions.crown(
            cursor,
            project.name,
            version,
            expected_seq=version - 1,
            action="promote",
            actor="test",
            reason="the test's champion",
        )
        found = champions.current(cursor, project.name)
    assert found is not None
    return found


def _sides(table: pa.Table, cut: datetime) -> tuple[pa.Array, pa.Array]:
    before = pc.less(table["event_time"], pa.scalar(cut, table["event_time"].type))
    return before, pc.invert(before)


def _dataset(
    store: ArtifactStore, folder: Path, project: Project, tables: dict[Split, pa.Table], version: int
) -> DatasetManifest:
    digest = hashlib.sha256(f"{project.name}{version}".encode()).hexdigest()
    splits, parts = {}, []
    for split, table in tables.items():
        if not table.num_rows:
            continue
        file = folder / f"part-{version}-{split}.parquet"
        pq.write_table(table, file)
        store.put_file(f"datasets/{project.name}/{digest}/{split}-000.parquet", file)
        times = table["event_time"]
        splits[split] = Bounds(start=times[0].as_py(), end=times[-1].as_py(), rows=table.num_rows)
        parts.append(
            Part(split=split, path=f"{split}-000.parquet", digest=sha256_file(file), rows=table.num_rows)
        )
    return DatasetManifest(
        project=project.name,
        digest=digest,
        as_of=max(bounds.end for bounds in splits.values()),
        splits=splits,
        parts=parts,
    )
