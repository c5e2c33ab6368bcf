"""Models are signed where they are trained, and verified wherever they are used: real MLflow, real files."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from mlcycle.adapters.tracking import model_cache
from mlcycle.adapters.tracking.model_files import manifest_digest, manifest_of
from mlcycle.adapters.tracking.server import Tracking, fetch_model
from mlcycle.adapters.tracking.signed import check_signature
from mlcycle.contract import Handover, Result
from mlcycle.domain.model_signature import FILE, new_key, public_line, signer
from mlcycle.errors import ConfigError, IntegrityError
from mlcycle.steps.runtime import run_step
from tests.conftest import Platform
from tests.raw_data import FLIGHTS, deliver, request
from tests.reign import crown
from tests.snapshots import JANUARY, Trained, flights, flights_project

KEY, BEFORE, FOREIGN = new_key(), new_key(), new_key()
TRUSTED = f"{public_line(KEY)},{public_line(BEFORE)}"
CARD = "data/model/model.json"


@dataclass
class Signed(Trained):
    """A project on a deployment with a key, which wants every model signed."""

    key: str = KEY

    def settings(self, role: str = "train", **changes: Any) -> Any:
        signing = {"model_signing_key": self.key} if role == "train" else {}
        wanted = {"model_public_keys": TRUSTED, "model_signatures": "required", **signing}
        return super().settings(role, **{**wanted, **changes})


@dataclass
class Model:
    """A trained model: what ``train`` handed over, and its files."""

    handover: Handover
    folder: Path

    @property
    def uri(self) -> str:
        return str(self.handover.values["model_uri"])

    @property
    def manifest(self) -> dict[str, str]:
        return dict(self.handover.values["manifest"])  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def signed(module_platform: Platform, mlflow_url: str) -> Signed:
    return Signed(module_platform, flights_project(), mlflow_url)


@pytest.fixture(scope="module")
def dataset(signed: Signed) -> Handover:
    return signed.snapshot(flights(), JANUARY)


@pytest.fixture(scope="module")
def pair(
    signed: Signed, dataset: Handover, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[list[Model]]:
    """Two models, each signed."""
    made = []
    for name in ("table", "boosting"):
        entry = signed.ok(signed.train(dataset, name)).handover
        model = Model(entry, tmp_path_factory.mktemp("files") / "model")
        fetch_model(signed.settings(), model.uri, model.manifest, model.folder)
        made.append(model)
    return made


def test_a_signed_model_lives_and_says_whose_it_is(signed: Signed, dataset: Handover) -> None:
    registered = signed.register(dataset, "table")
    assert "not signed" not in registered.message
    compared = signed.ok(signed.step("compare"))
    signed.ok(signed.step("promote", "promote", inputs={"compare": [compared.handover]}))
    ((run_id, manifest),) = signed.rows(
        "select run_id, manifest from ledger.model_version join ledger.champion using (project, version) "
        "where project = %s"
    )
    assert FILE in manifest
    assert "MLmodel" in manifest  # it names the code that opens the model
    run = Tracking(signed.settings(), signed.project.name).client.get_run(run_id)
    assert run.data.tags["mlcycle.signed_by"] == signer(KEY).hint[:16]


def spoilt(model: Model, other: Model, fault: str, folder: Path) -> None:
    """Copy a model's files with a fault, by someone who can write everywhere and has not the key."""
    for path in model.manifest:
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_bytes((model.folder / path).read_bytes())
    if fault == "flipped":
        data = bytearray((folder / CARD).read_bytes())
        data[len(data) // 2] ^= 1
        (folder / CARD).write_bytes(data)
    elif fault == "code":
        text = (folder / "MLmodel").read_text()
        (folder / "MLmodel").write_text(text.replace("mlcycle_model", "planted"))
    elif fault == "added":
        (folder / "planted.py").write_text("planted = True")
    elif fault == "missing":
        (folder / CARD).unlink()
    elif fault == "signature of another":
        (folder / FILE).write_bytes((other.folder / FILE).read_bytes())
    elif fault == "another key":
        name = model.uri.removeprefix("models:/")
        (folder / FILE).write_bytes(signer(FOREIGN).sign(name, manifest_of(folder)))
    elif fault == "unsigned":
        (folder / FILE).unlink()


@pytest.mark.parametrize(
    ("fault", "says"),
    [
        pytest.param("flipped", f"file '{CARD}' of model .* is not the one that was signed", id="flipped"),
        pytest.param("code", "file 'MLmodel' of model .* is not the one that was signed", id="code"),
        pytest.param("added", "file 'planted.py' of model .* was not signed with it", id="added"),
        pytest.param("missing", f"file '{CARD}' of model .* was signed and is missing", id="missing"),
        pytest.param(
            "signature of another", "model.sig .* is the signature of another model", id="another's"
        ),
        pytest.param("another key", "signed by a key that is not trusted here", id="another key"),
        pytest.param("unsigned", "is not signed, and MLCYCLE_MODEL_SIGNATURES=required", id="unsigned"),
    ],
)
def test_what_was_changed_with_its_digests_is_refused_at_every_load(
    signed: Signed, pair: list[Model], fault: str, says: str, tmp_path: Path
) -> None:
    """Files, the copies in the artifact store and the ledger's manifest agree; the signature does not."""
    model, other = pair
    spoilt(model, other, fault, tmp_path / "spoilt")
    manifest = manifest_of(tmp_path / "spoilt")
    digest = manifest_digest(manifest)
    for path in manifest:
        signed.artifacts.put_file(f"models/{digest}/{path}", tmp_path / "spoilt" / path)
    settings = signed.settings("promote", scratch=tmp_path / "scratch")
    for _ in range(2):  # nothing was left in the cache by the first one that the second would take
        with pytest.raises(IntegrityError, match=says):
            model_cache.fetch(settings, signed.artifacts, model.uri, manifest, digest)


def test_a_cached_model_is_verified_each_time(signed: Signed, pair: list[Model], tmp_path: Path) -> None:
    model = pair[0]
    told = (signed.artifacts, model.uri, model.manifest, manifest_digest(model.manifest))
    settings = signed.settings("promote", scratch=tmp_path)
    folder = model_cache.fetch(settings, *told)
    assert model_cache.fetch(settings, *told) == folder
    later = signed.settings("promote", scratch=tmp_path, model_public_keys=public_line(FOREIGN))
    with pytest.raises(IntegrityError, match="not trusted here"):
        model_cache.fetch(later, *told)


def test_the_models_of_the_key_before_go_on_after_a_rotation(
    signed: Signed, dataset: Handover, tmp_path: Path
) -> None:
    old = Signed(signed.platform, signed.project, signed.mlflow_url, key=BEFORE)
    values = old.ok(old.train(dataset, "table")).handover.values
    uri, manifest = str(values["model_uri"]), dict(values["manifest"])  # type: ignore[arg-type]
    fetch_model(signed.settings(), uri, manifest, tmp_path / "both")
    rotated = signed.settings(model_public_keys=public_line(KEY))
    with pytest.raises(IntegrityError, match="not trusted here"):
        fetch_model(rotated, uri, manifest, tmp_path / "new alone")


def test_register_and_promote_refuse_what_mlflow_gives_back_changed(
    signed: Signed, pair: list[Model], tmp_path: Path
) -> None:
    signed = Signed(signed.platform, flights_project(), signed.mlflow_url)  # a project without a champion
    dataset = signed.snapshot(flights(), JANUARY)
    entry = signed.ok(signed.train(dataset, "table")).handover
    evaluated = signed.ok(signed.evaluate(dataset, [entry])).handover
    signed.ok(signed.step("register", inputs={"evaluate": [evaluated]}))
    compared = signed.ok(signed.step("compare")).handover
    model = Model(entry, tmp_path / "files")
    fetch_model(signed.settings(), model.uri, model.manifest, model.folder)
    spoilt(model, pair[1], "flipped", tmp_path / "spoilt")
    manifest = manifest_of(tmp_path / "spoilt")
    client = Tracking(signed.settings(), signed.project.name).client
    name = model.uri.removeprefix("models:/")
    client.log_model_artifact(name, str(tmp_path / "spoilt" / CARD), "data/model")
    best = {**evaluated.values["best"], "manifest": manifest, "manifest_digest": manifest_digest(manifest)}  # type: ignore[dict-item]
    changed = evaluated.model_copy(update={"values": {**evaluated.values, "best": best}})
    refused(signed.step("register", inputs={"evaluate": [changed]}))
    signed.platform.owner().query(
        "update ledger.model_version set manifest = %s, manifest_digest = %s where project = %s and run_id = %s",
        (json.dumps(manifest), manifest_digest(manifest), signed.project.name, best["run_id"]),
    )
    refused(signed.step("promote", "promote", inputs={"compare": [compared]}))


def refused(result: Result) -> None:
    assert result.error is not None, result.message
    assert (result.error.kind, result.error.retryable) == ("integrity", False)
    assert f"file '{CARD}' of model" in result.error.message


def test_a_model_from_before_is_scored_unless_signatures_are_required(
    platform: Platform, capfd: pytest.CaptureFixture[str]
) -> None:
    from mlcycle.adapters.warehouse.connection import Warehouse

    deliver(Warehouse(platform.settings("ingest")), FLIGHTS, "2013-01-01", "2013-01-10")
    crown(platform, FLIGHTS, "2013-01-01", "2013-01-08")
    away = {"mlflow_url": "http://127.0.0.1:1", "model_public_keys": TRUSTED}
    required = platform.settings(**away, model_signatures="required")
    result = run_step(request("score", FLIGHTS, "2013-01-09", work="required"), required)
    assert result.error is not None
    assert "is not signed, and MLCYCLE_MODEL_SIGNATURES=required" in result.error.message
    for work in ("first", "second"):
        done = run_step(request("score", FLIGHTS, "2013-01-09", work=work), platform.settings(**away))
        assert done.exit_code == 0, done.error
    assert capfd.readouterr().err.count("is not signed: its digests alone were checked") == 1


def test_a_training_whose_model_nobody_could_use_does_not_begin(signed: Signed, dataset: Handover) -> None:
    asked = signed.request("train", inputs={"dataset": [dataset]}, params={"candidate": "table"})
    for changes, says in (
        ({"model_public_keys": public_line(FOREIGN)}, f"add {public_line(KEY)}"),
        ({"model_signing_key": ""}, "MLCYCLE_MODEL_SIGNING_KEY is not set"),
    ):
        result = run_step(asked, signed.settings(**changes))
        assert result.error is not None
        assert (result.error.kind, says in result.error.message) == ("config", True)


def test_requiring_signatures_without_a_key_to_check_them_with_is_said(
    signed: Signed, pair: list[Model]
) -> None:
    model, nobody = pair[0], signed.settings("promote", model_public_keys="")
    with pytest.raises(ConfigError, match="name the keys to trust"):
        check_signature(nobody, model.uri, model.manifest, model.folder)
