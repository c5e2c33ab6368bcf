"""Airflow's REST API as the command line and the demo use it: start a run, watch it, read its tasks."""

import json
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx

from mlcycle.errors import ConfigError, Conflict, InputError, Unavailable

ENDED = {"success", "failed"}
LOOK_SECONDS = 0.1
LOGIN = ("MLCYCLE_AIRFLOW_API_URL", "MLCYCLE_AIRFLOW_USER", "MLCYCLE_AIRFLOW_PASSWORD")


class AirflowApi:
    """A session with one Airflow, logged in as one user."""

    def __init__(
        self, url: str, user: str, password: str, *, people: str = "", timeout: float = 30.0
    ) -> None:
        """``people`` is the address that people reach Airflow at, where it is another one."""
        self.url = url.rstrip("/")
        self._people = (people or url).rstrip("/")
        self._client = httpx.Client(base_url=self.url, timeout=timeout, trust_env=False)
        with self._answering():
            answer = self._client.post("/auth/token", json={"username": user, "password": password})
        if answer.status_code == 401:
            raise ConfigError(f"Airflow at {self.url} refused the login of {user!r}")
        self._check(answer)
        self.token: str = answer.json()["access_token"]
        self._client.headers["Authorization"] = f"Bearer {self.token}"

    @classmethod
    def from_env(cls, env: Mapping[str, str]) -> Self:
        """A session with the Airflow that the environment names: ``MLCYCLE_AIRFLOW_API_URL``, ``_USER`` and
        ``_PASSWORD``. Raises ConfigError for one that is missing, Unavailable where nothing answers.
        """
        if missing := [name for name in LOGIN if not env.get(name)]:
            raise ConfigError(f"{', '.join(missing)}: not set; they say which Airflow, and who asks it")
        return cls(*(env[name] for name in LOGIN), people=env.get("MLCYCLE_AIRFLOW_URL", ""))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._client.close()

    def trigger(
        self,
        dag_id: str,
        *,
        partition: str | None = None,
        conf: dict[str, Any] | None = None,
        run_id: str | None = None,
    ) -> str:
        """Start a run; returns its id. A run of this ``run_id`` that is there already is not started again.

        Raises InputError for a DAG or a partition key there is none of.
        """
        body = {"logical_date": None, "partition_key": partition, "conf": conf or {}, "dag_run_id": run_id}
        with self._answering():
            answer = self._client.post(f"/api/v2/dags/{dag_id}/dagRuns", json=body)
        if run_id is not None and answer.status_code == 409:
            return run_id
        self._check(answer)
        return str(answer.json()["dag_run_id"])

    def run(self, dag_id: str, run_id: str) -> dict[str, Any]:
        """One run: ``state``, ``partition_key``, ``start_date`` and so on."""
        return self._request("GET", f"/api/v2/dags/{dag_id}/dagRuns/{quote(run_id, safe='')}")

    def runs(self, dag_id: str, **query: Any) -> list[dict[str, Any]]:
        """Runs of a DAG, newest first; ``dag_id`` may be ``~`` for all DAGs."""
        params = {"limit": 100, "order_by": "-id", **query}
        found: list[dict[str, Any]] = self._request("GET", f"/api/v2/dags/{dag_id}/dagRuns", params=params)[
            "dag_runs"
        ]
        return found

    def tasks(self, dag_id: str, run_id: str) -> list[dict[str, Any]]:
        """Task instances of a run."""
        path = f"/api/v2/dags/{dag_id}/dagRuns/{quote(run_id, safe='')}/taskInstances"
        found: list[dict[str, Any]] = self._request("GET", path, params={"limit": 200})["task_instances"]
        return found

    def result(self, dag_id: str, run_id: str, task_id: str, key: str = "return_value") -> Any:
        """What a task left in XCom, or None."""
        task = f"/api/v2/dags/{dag_id}/dagRuns/{quote(run_id, safe='')}/taskInstances/{task_id}"
        path = f"{task}/xcomEntries/{key}"
        with self._answering():
            answer = self._client.get(path, params={"deserialize": "false"})
        if answer.status_code == 404:
            return None
        self._check(answer)
        return answer.json()["value"]

    def wait(self, dag_id: str, run_id: str, *, seconds: float = 600) -> str:
        """Wait for a run's end; returns its state. Raises Unavailable when it takes longer."""
        deadline = time.monotonic() + seconds
        path = f"/api/v2/dags/{dag_id}/dagRuns/{quote(run_id, safe='')}/wait"
        with (
            self._answering(),
            self._client.stream("GET", path, params={"interval": LOOK_SECONDS}) as answer,
        ):
            if not answer.is_success:
                answer.read()
            self._check(answer)
            for line in answer.iter_lines():  # Airflow writes one each time it looks
                state = json.loads(line)["state"]
                if state in ENDED:
                    return str(state)
                if time.monotonic() > deadline:
                    break
            else:
                raise Unavailable(f"Airflow stopped telling of run {run_id} of {dag_id}: look at its page")
        raise Unavailable(f"run {run_id} of {dag_id} did not end within {seconds:g} s")

    def wait_for_run(self, dag_id: str, partition: str, *, since: str = "", seconds: float = 300) -> str:
        """Wait until an asset has started a run for the partition; returns its id.

        ``since`` leaves out runs that were queued before that moment, written as Airflow does.
        Raises Unavailable when none is started in time.
        """
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            for run in self.runs(dag_id, partition_key_pattern=partition):
                if run["partition_key"] == partition and (run["queued_at"] or "") >= since:
                    return str(run["dag_run_id"])
            time.sleep(LOOK_SECONDS)
        raise Unavailable(f"{dag_id} was not started for {partition} within {seconds:g} s")

    def wait_for_dag(self, dag_id: str, *, seconds: float) -> None:
        """Return once a DAG has been read. Raises Unavailable, with the import errors there are."""
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            with self._answering():
                if self._client.get(f"/api/v2/dags/{dag_id}").is_success:
                    return
            time.sleep(0.2)
        errors = self._request("GET", "/api/v2/importErrors")["import_errors"]
        reasons = "; ".join(error["stack_trace"].strip().splitlines()[-1] for error in errors)
        raise Unavailable(
            f"Airflow has no DAG {dag_id} after {seconds:g} s{': ' + reasons if reasons else ''}"
        )

    def dags(self, project: str, stages: Iterable[str]) -> list[str]:
        """Ids of a project's DAGs that Airflow knows, those whose file is gone too."""
        wanted = {f"{project}_{stage}" for stage in stages}
        query: dict[str, Any] = {
            "dag_id_pattern": f"{project}_%",
            "exclude_stale": "false",
            "limit": 100,
            "offset": 0,
        }
        found: set[str] = set()
        while True:
            page = self._request("GET", "/api/v2/dags", params=query)
            found |= {dag["dag_id"] for dag in page["dags"]}
            query["offset"] += len(page["dags"])
            if not page["dags"] or query["offset"] >= page["total_entries"]:
                return sorted(found & wanted)

    def delete_dag(self, dag_id: str) -> None:
        """Delete a DAG with its runs; one that is gone already is no error. A file brings it back, empty.

        Raises Conflict where a task of it is running.
        """
        with self._answering():
            answer = self._client.delete(f"/api/v2/dags/{dag_id}")
        if answer.status_code == 409:
            raise Conflict(
                f"a task of {dag_id} is running in Airflow: wait for its end, or mark it as failed there"
            )
        if answer.status_code != 404:
            self._check(answer)

    def run_url(self, dag_id: str, run_id: str) -> str:
        """Where a person looks at a run."""
        return f"{self._people}/dags/{dag_id}/runs/{quote(run_id, safe='')}"

    def _request(self, method: str, path: str, **kwargs: Any) -> dict[str, Any]:
        with self._answering():
            answer = self._client.request(method, path, **kwargs)
        self._check(answer)
        body: dict[str, Any] = answer.json()
        return body

    @contextmanager
    def _answering(self) -> Iterator[None]:
        try:
            yield
        except httpx.HTTPError as error:
            raise Unavailable(
                f"Airflow at {self.url} does not answer ({error}): is the platform up?"
            ) from None

    def _check(self, answer: httpx.Response) -> None:
        if answer.is_success:
            return
        try:
            detail = answer.json().get("detail", answer.text)
        except ValueError:
            detail = answer.text
        if answer.status_code >= 500:
            raise Unavailable(f"Airflow answered {answer.status_code}: {str(detail)[:300]}")
        raise InputError(f"Airflow answered {answer.status_code}: {str(detail)[:300]}")
