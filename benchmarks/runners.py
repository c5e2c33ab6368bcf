"""What it costs to run a step somewhere: our runners, and Airflow's own operators, with the same step.

    python -m benchmarks.runners [process docker kubernetes] [--runs 5] [--image mlcycle-step:slim]

The step reads its request out of the artifact store, refuses it (its project is empty) and says so in its
result: what is left is the way there and back. Medians of wall seconds: until the step is at work, from then
until its result is in hand, and both. Airflow's DockerOperator and KubernetesPodOperator, with their
defaults, start the same argv in the same image beside ours. The scheduler's part is left out on both sides:
no task is around them. The artifact store is a folder, for pods an object store.

Docker needs an engine (DOCKER_HOST) with the image. Kubernetes needs KUBECONFIG, the image on its nodes, a
namespace (BENCH_NAMESPACE, `default`) and BENCH_ADDRESS, an address of this machine that pods reach.
"""

import argparse
import json
import logging
import os
import secrets
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from benchmarks.common import free_ports

from mlcycle.contract import Request, Result, Status
from mlcycle.orchestration.placement import Placement
from mlcycle.orchestration.runners.base import make_runner, run_to_end
from mlcycle.orchestration.runners.exchange import Exchange
from mlcycle.project.limits import DEFAULTS

LIMITS = replace(DEFAULTS["rollback"], cpu=1, memory=1024**3)
SECRET = "mlcycle-bench"
LOADED = 30.0  # seconds in which a step server has surely loaded its libraries
Times = tuple[float, float, float]
Once = Callable[[Request], Result]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runners", nargs="*", default=["process", "docker"])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--image", default=os.environ.get("MLCYCLE_IMAGE", "mlcycle-step:slim"))
    options = parser.parse_args()
    os.environ["AIRFLOW_HOME"] = tempfile.mkdtemp(prefix="mlcycle-bench-")
    os.environ["AIRFLOW__LOGGING__LOGGING_LEVEL"] = "CRITICAL"
    logging.getLogger("werkzeug").setLevel(logging.ERROR)  # the object store tells each request
    for name in options.runners:
        with ExitStack() as stack:
            env = stack.enter_context(object_store() if name == "kubernetes" else folder())
            once, peers = stack.enter_context(PLACES[name](env, options.image))
            mine = report(name, once, options.runs)
            for peer, theirs in peers.items():
                print(f"  ours is {mine / report(f'  {peer}', theirs, options.runs):.2f} x of it", flush=True)


def report(name: str, once: Once, runs: int) -> float:
    """Print the medians; the first run warms up."""
    found = [measured(once) for _ in range(runs + 1)][1:]
    begin, end, total = (statistics.median(one[part] for one in found) for part in range(3))
    print(
        f"{name:26} at work after {begin:6.2f} s   told after {end:5.2f} s   in all {total:6.2f} s",
        flush=True,
    )
    return total


def measured(once: Once) -> Times:
    """Run the step; seconds to its work, from there to its result, and both."""
    request = Request.model_validate(
        {"step": "rollback", "work": f"bench/{secrets.token_hex(4)}", "project": {}}
    )
    began, asked = datetime.now(UTC), time.perf_counter()
    result = once(request)
    total = time.perf_counter() - asked
    if result.status is not Status.FAILED or "project" not in result.message:
        raise SystemExit(f"not what was to be measured: {result.message}")
    begin = (result.started_at - began).total_seconds()
    return begin, total - begin, total


def environment(url: str) -> dict[str, str]:
    """What a starter of steps holds."""
    return {
        **{name: value for name, value in os.environ.items() if name.startswith(("AWS_", "DOCKER_", "KUBE"))},
        "PATH": os.environ["PATH"],
        "MLCYCLE_ARTIFACTS_URL": url,
        "MLCYCLE_DSN_PROMOTE": "postgresql://nobody:nothing@127.0.0.1:1/none",
    }


@contextmanager
def folder() -> Iterator[dict[str, str]]:
    """A folder that containers see at the same path."""
    with tempfile.TemporaryDirectory() as name:
        (Path(name) / "artifacts").mkdir()
        for path in (Path(name), Path(name) / "artifacts"):
            path.chmod(0o777)
        before = os.umask(0)  # the image's user writes there too
        yield environment(f"file://{name}/artifacts")
        os.umask(before)


@contextmanager
def object_store() -> Iterator[dict[str, str]]:
    """An object store that pods reach."""
    from moto.server import ThreadedMotoServer

    address = os.environ.get("BENCH_ADDRESS", "127.0.0.1")
    server = ThreadedMotoServer(ip_address=address, port=free_ports()["world"] or 0, verbose=False)
    server.start()
    os.environ |= {
        "AWS_ACCESS_KEY_ID": "bench",
        "AWS_SECRET_ACCESS_KEY": "bench",
        "AWS_ENDPOINT_URL": f"http://{address}:{server._port}",
        "AWS_DEFAULT_REGION": "us-east-1",
    }
    import fsspec

    fsspec.filesystem("s3").mkdir("bench")
    yield environment("s3://bench/artifacts")
    server.stop()


def ours(name: str, env: dict[str, str], image: str) -> Once:
    """A runner of ours."""

    def once(request: Request) -> Result:
        runner = make_runner(name, env)
        return run_to_end(runner, request, Placement(name, image, LIMITS), role="promote", log=lambda _: None)

    return once


def theirs(env: dict[str, str], start: Callable[[list[str], dict[str, str]], Any]) -> Once:
    """An operator of Airflow's, given a step's argv and environment; the documents travel as ours do."""
    given = {name: value for name, value in env.items() if name.startswith(("AWS_", "MLCYCLE_ARTIFACTS"))}
    given |= {
        "MLCYCLE_WAREHOUSE_DSN": env["MLCYCLE_DSN_PROMOTE"],
        "MLCYCLE_SCRATCH": "/scratch",
        "HOME": "/tmp",
    }

    from airflow.sdk.exceptions import AirflowException

    def once(request: Request) -> Result:
        exchange = Exchange(env, request.work)
        exchange.put(request)
        argv = ["step", request.step, "--request", exchange.request_url, "--result", exchange.result_url]
        with suppress(AirflowException):  # the step refuses its request: both call that a failure of theirs
            start(argv, given)
        result = exchange.result()
        exchange.clear()
        if result is None:
            raise SystemExit("the operator's step left no result")
        return result

    return once


@contextmanager
def process(env: dict[str, str], _image: str) -> Iterator[tuple[Once, dict[str, Once]]]:
    """Processes forked from a step server that has the libraries; the peer is a Python of their own."""
    with tempfile.TemporaryDirectory() as folder:
        socket = Path(folder) / "steps.sock"
        command = [sys.executable, "-m", "mlcycle.local.step_server", "--socket", str(socket)]
        server = subprocess.Popen(
            command, env={**os.environ, "OMP_NUM_THREADS": "1"}, stderr=subprocess.DEVNULL
        )
        while not socket.exists():
            time.sleep(0.1)
        time.sleep(LOADED)
        scratch = {"MLCYCLE_SCRATCH": f"{folder}/scratch"}
        forked = {**env, **scratch, "MLCYCLE_STEP_SOCKET": str(socket)}

        def alone(argv: list[str], given: dict[str, str]) -> None:
            environment = {**given, **scratch, "PATH": env["PATH"]}
            subprocess.run(
                [sys.executable, "-m", "mlcycle", *argv],
                env=environment,
                check=False,
                stderr=subprocess.DEVNULL,
            )

        yield ours("process", forked, ""), {"a new Python": theirs(env, alone)}
        server.terminate()
        server.wait()


@contextmanager
def docker(env: dict[str, str], image: str) -> Iterator[tuple[Once, dict[str, Once]]]:
    """Containers of the engine, in the host's network."""
    where = env["MLCYCLE_ARTIFACTS_URL"].removeprefix("file://")
    mine = {**env, "MLCYCLE_DOCKER_NETWORK": "host", "MLCYCLE_DOCKER_VOLUMES": f"{where}:{where}"}

    def start(argv: list[str], given: dict[str, str]) -> None:
        from airflow.providers.docker.operators.docker import DockerOperator
        from docker.types import Mount

        DockerOperator(
            task_id="peer",
            image=image,
            command=argv,
            environment=given,
            network_mode="host",
            mount_tmp_dir=False,
            auto_remove="force",
            mounts=[Mount(where, where, type="bind")],
            docker_url=env.get("DOCKER_HOST", "unix://var/run/docker.sock"),
        ).execute({})

    yield (
        ours("docker", mine, image),
        {"DockerOperator": theirs(env, start)},
    )


@contextmanager
def kubernetes(env: dict[str, str], image: str) -> Iterator[tuple[Once, dict[str, Once]]]:
    """Pods of the cluster."""
    namespace = os.environ.get("BENCH_NAMESPACE", "default")
    keys = {name: env[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")}
    secret = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": f"{SECRET}-promote"},
        "stringData": {**keys, "MLCYCLE_WAREHOUSE_DSN": env["MLCYCLE_DSN_PROMOTE"]},
    }
    kubectl = ["kubectl", "-n", namespace]
    subprocess.run(
        [*kubectl, "apply", "-f", "-"], input=json.dumps(secret), text=True, check=True, capture_output=True
    )
    here = {**env, "MLCYCLE_KUBERNETES_NAMESPACE": namespace, "MLCYCLE_KUBERNETES_SECRET": SECRET}

    def start(argv: list[str], given: dict[str, str]) -> None:
        from airflow.providers.cncf.kubernetes.operators.pod import KubernetesPodOperator

        ti = SimpleNamespace(
            dag_id="bench",
            run_id="bench",
            task_id="peer",
            map_index=-1,
            try_number=1,
            xcom_push=lambda *_, **__: None,
            render_templates=lambda *_, **__: None,
        )
        run = SimpleNamespace(run_id="bench", dag_id="bench", logical_date=None, run_after=datetime.now(UTC))
        operator = KubernetesPodOperator(
            task_id="peer",
            name="peer",
            namespace=namespace,
            image=image,
            arguments=argv,
            env_vars=given,
            config_file=os.environ["KUBECONFIG"],
            durable=False,
        )
        operator.execute(
            {
                "ti": ti,
                "task_instance": ti,
                "dag_run": run,
                "run_id": "bench",
                "dag": None,
            }  # what it looks at
        )

    try:
        yield ours("kubernetes", here, image), {"KubernetesPodOperator": theirs(env, start)}
    finally:
        subprocess.run([*kubectl, "delete", "secret", f"{SECRET}-promote"], check=False, capture_output=True)


PLACES = {"process": process, "docker": docker, "kubernetes": kubernetes}

if __name__ == "__main__":
    main()
