"""Registered model versions, and the evaluations they came from."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from psycopg2.extensions import cursor as Cursor

from mlcycle.errors import Conflict, InputError
from mlcycle.ledger.document import as_json


@dataclass(frozen=True)
class ModelVersion:
    """A registered model; ``manifest`` holds the SHA-256 of every file by path.

    ``judged`` is the version that the gate judged, where this one is its recipe trained again on all rows.
    """

    version: int
    candidate: str
    run_id: str
    model_uri: str
    manifest: dict[str, str]
    manifest_digest: str
    dataset_digest: str
    metrics: dict[str, float]
    judged: int | None = None


_SELECT = """
    select version, candidate, run_id, model_uri, manifest, manifest_digest, dataset_digest, metrics, judged
    from ledger.model_version where project = %s
"""


def register(cursor: Cursor, project: str, model: ModelVersion) -> None:
    """Add a version; the same version of the same run again is a no-op.

    Raises Conflict where the number or the run already stands for something else.
    """
    cursor.execute(
        """insert into ledger.model_version
           (project, version, run_id, candidate, model_uri, manifest, manifest_digest, dataset_digest,
            metrics, judged)
           values (%s, %s, %s, %s, %s, %s, %s, %s, %s, %s) on conflict do nothing""",
        (
            *(project, model.version, model.run_id, model.candidate, model.model_uri),
            *(as_json(model.manifest, sort_keys=True), model.manifest_digest, model.dataset_digest),
            *(as_json(model.metrics), model.judged),
        ),
    )
    if cursor.rowcount:
        return
    known = of_run(cursor, project, model.run_id)
    if known is None or known.version != model.version or known.manifest_digest != model.manifest_digest:
        raise Conflict(
            f"version {model.version} of {project} or run {model.run_id} is already another model in the "
            "ledger: MLflow's registry and the ledger do not belong together"
        )


def of_run(cursor: Cursor, project: str, run_id: str) -> ModelVersion | None:
    """The version registered for an MLflow run, or None."""
    cursor.execute(_SELECT + " and run_id = %s", (project, run_id))
    row = cursor.fetchone()
    return ModelVersion(*row) if row else None


def get(cursor: Cursor, project: str, version: int) -> ModelVersion:
    """A version. Raises InputError that says how many there are."""
    cursor.execute(_SELECT + " and version = %s", (project, version))
    row = cursor.fetchone()
    if row is None:
        last = newest(cursor, project)
        known = f"the newest is {last.version}" if last else "none is registered"
        raise InputError(f"{project} has no model version {version}: {known}")
    return ModelVersion(*row)


def judged(cursor: Cursor, project: str, version: int) -> ModelVersion:
    """The version that was judged where this one is served: another where it was trained again."""
    found = get(cursor, project, version)
    return found if found.judged is None else get(cursor, project, found.judged)


def newest(cursor: Cursor, project: str) -> ModelVersion | None:
    """The version registered last that a gate can judge, or None."""
    cursor.execute(_SELECT + " and judged is null order by version desc limit 1", (project,))
    row = cursor.fetchone()
    return ModelVersion(*row) if row else None


def last(cursor: Cursor, project: str, count: int, *, but: int = 0) -> list[ModelVersion]:
    """The versions registered last that a gate can judge, the newest first, without one of them."""
    cursor.execute(
        _SELECT + " and judged is null and version <> %s order by version desc limit %s",
        (project, but, count),
    )
    return [ModelVersion(*row) for row in cursor.fetchall()]


def learnt_until(cursor: Cursor, project: str, versions: Iterable[int]) -> dict[int, datetime]:
    """For each of the versions the end of the data it was trained and tuned on, where that is known."""
    cursor.execute(
        """select v.version, greatest(case when v.judged is not null
                                           then (d.manifest #>> '{splits,holdout,end}')::timestamptz end,
                                      (d.manifest #>> '{splits,train,end}')::timestamptz,
                                      (d.manifest #>> '{splits,validation,end}')::timestamptz)
           from ledger.model_version v
           join ledger.dataset d on d.project = v.project and d.digest = v.dataset_digest
           where v.project = %s and v.version = any(%s)""",
        (project, list(versions)),
    )
    return {version: moment for version, moment in cursor.fetchall() if moment is not None}


@dataclass(frozen=True)
class ModelFiles:
    """Where a model's files are, registered or not."""

    model_uri: str
    manifest: dict[str, str]
    manifest_digest: str


def evaluated(cursor: Cursor, project: str, dataset_digest: str, candidate: str) -> ModelFiles | None:
    """A candidate as it was last evaluated on a dataset, or None where it was not."""
    cursor.execute(
        """select metrics -> 'model' from ledger.evaluation
           where project = %s and dataset_digest = %s and candidate = %s
           order by evaluated_at desc limit 1""",
        (project, dataset_digest, candidate),
    )
    (found,) = cursor.fetchone() or (None,)
    return ModelFiles(**found) if found else None


def evaluation(cursor: Cursor, project: str, run_id: str) -> dict[str, Any] | None:
    """Where the evaluation of a run is kept, uri and digest, or None: it is of before there were any."""
    cursor.execute(
        "select document from ledger.evaluation where project = %s and run_id = %s",
        (project, run_id),
    )
    (found,) = cursor.fetchone() or (None,)
    return dict(found) if found else None


def record_evaluation(
    cursor: Cursor,
    project: str,
    *,
    run_id: str,
    candidate: str,
    dataset_digest: str,
    metrics: Mapping[str, Any],
    document: Mapping[str, Any],
    best: bool,
) -> None:
    """Note a candidate's measurement on the holdout, and where its document is; a later one replaces it."""
    cursor.execute(
        """insert into ledger.evaluation (project, run_id, candidate, dataset_digest, metrics, document, best)
           values (%s, %s, %s, %s, %s, %s, %s)
           on conflict (project, run_id) do update
           set metrics = excluded.metrics, document = excluded.document, best = excluded.best,
               evaluated_at = now()""",
        (project, run_id, candidate, dataset_digest, as_json(metrics), as_json(document), best),
    )
