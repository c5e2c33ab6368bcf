"""Runs in MLflow that nobody needs: put among the deleted ones, where ``mlflow gc`` finds them.

MLflow deletes in two steps: what is deleted here can be restored until ``mlflow gc`` frees it, which works
beside MLflow's database and takes the ids that :meth:`OldRuns.deleted` gives. By MLflow's REST API alone: who
keeps house has no MLflow.
"""

from collections.abc import Iterator
from datetime import datetime
from types import TracebackType
from typing import Any, Literal, Self

import httpx

from mlcycle.errors import Unavailable
from mlcycle.settings import Settings

WORK, PRUNED = "mlcycle.work_id", "mlcycle.pruned"
PAGE = 200
View = Literal["ACTIVE_ONLY", "DELETED_ONLY"]


class OldRuns:
    """A project's experiment on the MLflow server of the settings."""

    def __init__(self, settings: Settings, project: str) -> None:
        base = settings.mlflow_url.rstrip("/") + "/api/2.0/mlflow/"
        self._client = httpx.Client(base_url=base, timeout=settings.timeout)
        self._project = project

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._client.close()

    def old(self, before: datetime) -> list[str]:
        """Ids of the project's own runs that were started before a moment."""
        condition = f"attributes.start_time < {int(before.timestamp() * 1000)}"
        return list(self._runs(condition, WORK, "ACTIVE_ONLY"))

    def all(self) -> list[str]:
        """Ids of all runs of the experiment that are not deleted."""
        return list(self._runs("", "", "ACTIVE_ONLY"))

    def drop_experiment(self) -> None:
        """Delete the registered model and the experiment; may be repeated.

        MLflow keeps a deleted experiment with its name, which nobody could take then: it gets another one
        first.
        """
        named = {"name": self._project}
        self._ask("DELETE", "registered-models/delete", json=named, may_lack=True)
        if (number := self._experiment()) is None:
            return
        which = {"experiment_id": number}
        self._ask(
            "POST", "experiments/update", json={**which, "new_name": f"{self._project} (dropped, {number})"}
        )
        self._ask("POST", "experiments/delete", json=which)

    def delete(self, run_id: str) -> None:
        """Delete a run with its registered versions and its models; may be repeated."""
        condition = f"run_id = '{run_id}'"
        found = self._ask("GET", "model-versions/search", params={"filter": condition})
        for version in found.get("model_versions", []):
            named = {"name": version["name"], "version": version["version"]}
            self._ask("DELETE", "model-versions/delete", json=named)
        wanted = {"experiment_ids": [self._experiment()], "filter": f"source_run_id = '{run_id}'"}
        for model in self._ask("POST", "logged-models/search", json=wanted).get("models", []):
            self._ask("DELETE", f"logged-models/{model['info']['model_id']}")
        self._ask("POST", "runs/set-tag", json={"run_id": run_id, "key": PRUNED, "value": "1"})
        self._ask("POST", "runs/delete", json={"run_id": run_id})

    def deleted(self) -> list[str]:
        """Ids of runs that were deleted here and whose rows and files MLflow still holds."""
        return list(self._runs("", PRUNED, "DELETED_ONLY"))

    def _runs(self, condition: str, tag: str, view: View) -> Iterator[str]:
        experiment, token = self._experiment(), ""
        while experiment is not None:
            body: dict[str, Any] = {
                "experiment_ids": [experiment],
                "filter": condition,
                "run_view_type": view,
            }
            body |= {"max_results": PAGE, **({"page_token": token} if token else {})}
            page = self._ask("POST", "runs/search", json=body)
            for run in page.get("runs", []):
                if not tag or any(one["key"] == tag for one in run["data"].get("tags", [])):
                    yield str(run["info"]["run_id"])
            token = page.get("next_page_token", "")
            if not token:
                return

    def _experiment(self) -> str | None:
        """Its id, if there is one."""
        params = {"experiment_name": self._project}
        found = self._ask("GET", "experiments/get-by-name", params=params, may_lack=True)
        return str(found["experiment"]["experiment_id"]) if found else None

    def _ask(self, method: str, path: str, *, may_lack: bool = False, **parts: Any) -> dict[str, Any]:
        """What MLflow answers; nothing where it ``may_lack`` it and does. Raises Unavailable."""
        try:
            answer = self._client.request(method, path, **parts)
            if may_lack and answer.status_code == 404:
                return {}
            answer.raise_for_status()
            return dict(answer.json())
        except (httpx.HTTPError, ValueError) as error:
            reason = " ".join(str(error).split())[:300]
            raise Unavailable(f"MLflow does not answer as it should: {reason}") from None
