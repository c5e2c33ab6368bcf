"""MLflow: runs, models and the registry, over its HTTP API alone.

MLflow keeps what people look at. What must never be wrong is in the ledger; a model's files are
checked against their manifest whenever they come back from here.
"""

import os
import tempfile
import time
import warnings
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlcycle.adapters.tracking import model_code
from mlcycle.adapters.tracking.model_download import download, list_files
from mlcycle.adapters.tracking.model_files import check_folder, check_manifest, manifest_of
from mlcycle.adapters.tracking.signed import check_signature, signer_of
from mlcycle.domain.model_signature import FILE as SIGNATURE
from mlcycle.errors import ConfigError, InputError, IntegrityError, Unavailable
from mlcycle.settings import Settings

if TYPE_CHECKING:
    from mlflow import MlflowClient

CHAMPION, PREVIOUS = "champion", "previous"
TRAINING_VIEW = "?workflowType=machine_learning"  # behind the route: MLflow 3 takes an experiment for GenAI
MAX_PARAM = 6000  # characters of a parameter that MLflow keeps


def fetch_model(settings: Settings, model_uri: str, manifest: Mapping[str, str], folder: Path) -> Path:
    """Download a model's files and check every one of them and its signature; nothing is opened before.

    Only the manifest's files are fetched, each as a plain file below ``folder``, and never more of one
    than the limit of :mod:`mlcycle.adapters.tracking.model_download`. Needs no MLflow library.

    Raises:
        IntegrityError: a file is missing, truncated, changed or not as it was signed, or the manifest
            leads elsewhere.
        InputError: MLflow does not know the model.
        Unavailable: MLflow does not answer.
    """
    check_manifest(manifest)
    folder.mkdir(parents=True, exist_ok=True)
    if any(folder.iterdir()):
        raise InputError(f"{folder} is not empty: a model is fetched into a folder of its own")
    download(settings, model_uri, list(manifest), folder)
    check_folder(folder, manifest)
    check_signature(settings, model_uri, manifest, folder)
    return folder


@dataclass(frozen=True)
class LoggedModel:
    """A model in MLflow, with its files as MLflow gives them back."""

    model_uri: str
    folder: Path


class Tracking:
    """One MLflow server, asked as one project."""

    def __init__(self, settings: Settings, project: str) -> None:
        if not settings.mlflow_url:
            raise ConfigError("MLCYCLE_MLFLOW_URL is not set: training needs an MLflow server")
        self.settings = settings
        self.url = settings.mlflow_url.rstrip("/")
        self._shown = (settings.mlflow_external_url or self.url).rstrip("/")
        self.project = project
        self._signer = signer_of(settings)

    @cached_property
    def client(self) -> "MlflowClient":
        """MLflow's client: bounded waiting, few retries of its own, no pickle."""
        os.environ.update(
            MLFLOW_HTTP_REQUEST_TIMEOUT=str(max(1, int(self.settings.timeout))),
            MLFLOW_HTTP_REQUEST_MAX_RETRIES="1",
            MLFLOW_ALLOW_PICKLE_DESERIALIZATION="false",
            MLFLOW_DISABLE_TELEMETRY="true",
            MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR="false",
            MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT="true",
        )
        import mlflow

        mlflow.set_tracking_uri(self.url)
        mlflow.set_registry_uri(self.url)
        return mlflow.MlflowClient(self.url, self.url)

    @cached_property
    def experiment(self) -> str:
        """Id of the project's experiment, made when it is not there."""
        from mlflow.exceptions import MlflowException

        with self.speaking():
            found = self.client.get_experiment_by_name(self.project)
            if found is None:
                try:
                    return str(self.client.create_experiment(self.project))
                except MlflowException:  # another candidate made it in this moment
                    found = self.client.get_experiment_by_name(self.project)
                    if found is None:
                        raise
            return str(found.experiment_id)

    @contextmanager
    def speaking(self) -> Iterator[None]:
        """Turn MLflow's errors into ours: it does not answer, or it does not know what was asked for."""
        import requests
        from mlflow.exceptions import MlflowException

        try:
            yield
        except MlflowException as error:
            reason = " ".join(str(error).split())[:300]
            if error.error_code in ("RESOURCE_DOES_NOT_EXIST", "INVALID_PARAMETER_VALUE", "NOT_FOUND"):
                raise InputError(f"MLflow refused: {reason}") from None
            raise Unavailable(f"MLflow at {self.url} does not answer as it should: {reason}") from None
        except requests.RequestException as error:
            reason = " ".join(str(error).split())[:300]
            raise Unavailable(f"MLflow at {self.url} does not answer: {reason}") from None

    def check_signing(self) -> None:
        """Before a fit: raise ConfigError where the model that it makes would be refused as not signed."""
        if self._signer is None and self.settings.model_signatures == "required":
            raise ConfigError(
                "MLCYCLE_MODEL_SIGNATURES=required, but MLCYCLE_MODEL_SIGNING_KEY is not set: what is "
                "trained could not be used"
            )

    def run_url(self, run_id: str) -> str:
        """Where people see a run."""
        return f"{self._shown}/#/experiments/{self.experiment}/runs/{run_id}{TRAINING_VIEW}"

    def start_run(self, name: str, tags: Mapping[str, str]) -> str:
        """Open a run and return its id."""
        with self.speaking():
            run = self.client.create_run(self.experiment, run_name=name, tags=dict(tags))
            return str(run.info.run_id)

    def supersede(self, work_id: str, token: int) -> list[str]:
        """Mark the runs that dead attempts of a piece of work left behind; returns their ids."""
        with self.speaking():
            runs = self.client.search_runs(
                [self.experiment], filter_string=f"tags.\"mlcycle.work_id\" = '{work_id}'", max_results=100
            )
            stale = [run for run in runs if int(run.data.tags.get("mlcycle.token", "0")) < token]
            for run in stale:
                self.end_run(run.info.run_id, "KILLED", {"mlcycle.superseded_by": str(token)})
            return [str(run.info.run_id) for run in stale]

    def end_run(self, run_id: str, status: str, tags: Mapping[str, str] | None = None) -> None:
        """Close a run: FINISHED, FAILED or KILLED."""
        with self.speaking():
            for key, value in (tags or {}).items():
                self.client.set_tag(run_id, key, value)
            self.client.set_terminated(run_id, status)

    def log(
        self,
        run_id: str,
        *,
        params: Mapping[str, Any] | None = None,
        metrics: Sequence[tuple[str, float, int]] = (),
        tags: Mapping[str, str] | None = None,
    ) -> None:
        """Log parameters, metrics (name, value, step) and tags, in as few calls as MLflow takes."""
        from mlflow.entities import Metric, Param, RunTag

        now = int(time.time() * 1000)
        entries = [Metric(name, value, now, step) for name, value, step in metrics]
        given = [Param(name, str(value)[:MAX_PARAM]) for name, value in (params or {}).items()]
        with self.speaking():
            self.client.log_batch(run_id, params=given, tags=[RunTag(k, v) for k, v in (tags or {}).items()])
            for start in range(0, len(entries), 500):
                self.client.log_batch(run_id, metrics=entries[start : start + 500])

    def log_dataset(self, run_id: str, name: str, digest: str, uri: str, rows: int, context: str) -> None:
        """Name the snapshot that a run learnt from. MLflow keeps 36 characters of a digest."""
        import json

        from mlflow.entities import Dataset, DatasetInput, InputTag
        from mlflow.exceptions import MlflowException

        kind = {"file": "local", "s3": "s3", "gs": "gs"}.get(uri.partition("://")[0], "external")
        dataset = Dataset(
            name=name,
            digest=digest[:36],
            source_type=kind,
            source=json.dumps({"uri": uri}),
            profile=json.dumps({"num_rows": rows, "sha256": digest}),
        )
        with self.speaking():
            inputs = [DatasetInput(dataset, [InputTag("mlflow.data.context", context)])]
            try:
                self.client.log_inputs(run_id, inputs)
            except MlflowException as error:
                # MLflow 3.17 looks for the dataset, then inserts it: of two candidates that name it
                # first at the same moment, one gets a unique violation. The second look finds it.
                if "UniqueViolation" not in str(error) and "UNIQUE constraint" not in str(error):
                    raise
                self.client.log_inputs(run_id, inputs)

    def log_file(self, run_id: str, path: str, data: bytes) -> None:
        """Keep an artifact (a plot, a page) with a run."""
        folder, _, name = path.rpartition("/")
        with tempfile.TemporaryDirectory(prefix="mlcycle-log-") as staged, self.speaking():
            (Path(staged) / name).write_bytes(data)
            self.client.log_artifact(run_id, str(Path(staged) / name), folder or None)

    def log_model(
        self,
        run_id: str,
        folder: Path,
        *,
        inputs: Mapping[str, str],
        requirements: Sequence[str],
        back: Path,
    ) -> LoggedModel:
        """Log a model directory as one that MLflow itself can load, through our loader, without pickle.

        ``inputs`` gives each column's MLflow type, ``any`` for one of several. ``back`` is where its files
        are fetched back to, so that the manifest is of what MLflow holds.
        Raises IntegrityError where MLflow does not give back what was logged.
        """
        import mlflow
        from mlflow.models import ModelSignature
        from mlflow.types.schema import AnyType, ColSpec, Schema

        columns = [
            ColSpec(AnyType() if kind == "any" else kind, name, required=False)
            for name, kind in inputs.items()
        ]
        with (
            tempfile.TemporaryDirectory(prefix="mlcycle-code-") as staged,
            self.speaking(),
            warnings.catch_warnings(),
        ):
            warnings.simplefilter("ignore")  # that there is no input example: the signature is written out
            self.client.get_run(run_id)
            with mlflow.start_run(run_id=run_id):
                info = mlflow.pyfunc.log_model(
                    name="model",
                    loader_module=model_code.LOADER,
                    code_paths=[str(path) for path in model_code.write(Path(staged))],
                    data_path=str(folder),
                    signature=ModelSignature(Schema(columns), Schema([ColSpec("double")])),
                    pip_requirements=list(requirements),
                )
        uri = str(info.model_uri)
        back.mkdir(parents=True, exist_ok=True)
        download(self.settings, uri, list_files(self.settings, uri), back)
        check_same(folder, back / "data" / folder.name)
        self._sign(run_id, uri, back)
        return LoggedModel(uri, back)

    def _sign(self, run_id: str, model_uri: str, back: Path) -> None:
        """Sign what MLflow holds of a model, all of it: its ``MLmodel`` names code that is run, too."""
        if self._signer is None:
            return
        name = model_uri.removeprefix("models:/")
        bundle = self._signer.sign(name, manifest_of(back))
        with tempfile.TemporaryDirectory(prefix="mlcycle-sign-") as staged, self.speaking():
            (Path(staged) / SIGNATURE).write_bytes(bundle)
            self.client.log_model_artifact(name, str(Path(staged) / SIGNATURE), "")
        download(self.settings, model_uri, [SIGNATURE], back)
        if (back / SIGNATURE).read_bytes() != bundle:
            raise IntegrityError("MLflow did not give back the signature that was logged: try again")
        self.log(run_id, tags={"mlcycle.signed_by": self._signer.hint[:16]})

    def register(self, run_id: str, model_uri: str, tags: Mapping[str, str]) -> int:
        """Register a run's model and return its version; once for a run, however often it is asked."""
        from mlflow.exceptions import MlflowException

        with self.speaking():
            try:
                self.client.create_registered_model(self.project)
            except MlflowException as error:
                if error.error_code != "RESOURCE_ALREADY_EXISTS":
                    raise
            known = self.client.search_model_versions(f"name = '{self.project}' and run_id = '{run_id}'")
            if known:
                return min(int(version.version) for version in known)
            made = self.client.create_model_version(
                self.project,
                source=model_uri,
                run_id=run_id,
                tags=dict(tags),
                model_id=model_uri.removeprefix("models:/"),
            )
            return int(made.version)

    def aliases(self) -> dict[str, int]:
        """The registered model's aliases and the version each points at; empty where there is none."""
        from mlflow.exceptions import MlflowException

        with self.speaking():
            try:
                model = self.client.get_registered_model(self.project)
            except MlflowException as error:
                if error.error_code == "RESOURCE_DOES_NOT_EXIST":
                    return {}
                raise
            return {alias: int(version) for alias, version in model.aliases.items()}

    def set_alias(self, alias: str, version: int | None) -> None:
        """Point an alias at a version, or take it away."""
        with self.speaking():
            if version is None:
                self.client.delete_registered_model_alias(self.project, alias)
            else:
                self.client.set_registered_model_alias(self.project, alias, str(version))


def check_same(ours: Path, theirs: Path) -> None:
    """Raise IntegrityError unless both folders hold the same files."""
    if manifest_of(ours) != manifest_of(theirs):
        raise IntegrityError("MLflow did not give back the files that were logged: try again")
