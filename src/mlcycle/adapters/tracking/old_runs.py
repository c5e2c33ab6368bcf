"""Runs in MLflow that nobody needs: put among the deleted ones, where ``mlflow gc`` finds them.

MLflow deletes in two steps: what is deleted here can be restored until ``mlflow gc`` frees it, which works
beside MLflow's database and takes the ids that :func:`deleted` gives.
"""

from collections.abc import Iterator
from datetime import datetime

from mlcycle.adapters.tracking.server import Tracking

WORK, PRUNED = "mlcycle.work_id", "mlcycle.pruned"
PAGE = 200


def old(tracking: Tracking, before: datetime) -> list[str]:
    """Ids of the project's own runs that were started before a moment."""
    moment = int(before.timestamp() * 1000)
    return list(_runs(tracking, f"attributes.start_time < {moment}", WORK, deleted=False))


def delete(tracking: Tracking, run_id: str) -> None:
    """Delete a run with its registered versions and its models; may be repeated."""
    with tracking.speaking():
        for version in tracking.client.search_model_versions(f"run_id = '{run_id}'"):
            tracking.client.delete_model_version(version.name, version.version)
        for model_id in _models(tracking, run_id):
            tracking.client.delete_logged_model(model_id)
        tracking.client.set_tag(run_id, PRUNED, "1")
        tracking.client.delete_run(run_id)


def deleted(tracking: Tracking) -> list[str]:
    """Ids of runs that were deleted here and whose rows and files MLflow still holds."""
    return list(_runs(tracking, "", PRUNED, deleted=True))


def _runs(tracking: Tracking, condition: str, tag: str, *, deleted: bool) -> Iterator[str]:
    from mlflow.entities import ViewType

    view = ViewType.DELETED_ONLY if deleted else ViewType.ACTIVE_ONLY
    with tracking.speaking():
        experiment = tracking.client.get_experiment_by_name(tracking.project)
        token: str | None = None
        while experiment is not None:
            page = tracking.client.search_runs(
                [experiment.experiment_id], condition, view, max_results=PAGE, page_token=token
            )
            yield from (run.info.run_id for run in page if tag in run.data.tags)
            token = page.token
            if not token:
                return


def _models(tracking: Tracking, run_id: str) -> list[str]:
    found = tracking.client.search_logged_models(
        [tracking.experiment], filter_string=f"source_run_id = '{run_id}'"
    )
    return [model.model_id for model in found]
