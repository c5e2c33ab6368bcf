"""The services of the local platform: what each runs, what it needs first, how it is stopped."""

import importlib.util
import os
import signal
import sys
from collections.abc import Mapping
from dataclasses import dataclass

from mlcycle.local import environment, readiness
from mlcycle.local.config import HOST, Platform


@dataclass(frozen=True)
class Service:
    """One supervised program. A ``task`` runs once and is ready when it ended well.

    ``after`` names services that must be ready before it is started. Services of a higher
    ``stop_rank`` are stopped later.
    """

    name: str
    title: str
    command: list[str]
    env: Mapping[str, str]
    after: tuple[str, ...] = ()
    ready: readiness.Check | None = None
    task: bool = False
    stop_signal: int = signal.SIGTERM
    stop_seconds: float = 5
    stop_rank: int = 0
    url: str = ""


def services(platform: Platform, tuning: dict[str, str] | None = None) -> list[Service]:
    """Every service, in the order of their start."""
    python, ports = sys.executable, platform.ports
    launch = (python, "-m", "mlcycle.launch")
    airflow_env = environment.airflow_env(platform, tuning)
    base = environment.base_env(platform)
    # All at once would keep the two cores of a small machine from the first run of a DAG.
    few_cores = len(os.sched_getaffinity(0)) < 4
    later = ("api-server", "scheduler", "dag-processor") if few_cores else ("databases",)
    found = [
        Service(
            "postgres",
            "PostgreSQL",
            platform.postgres.command(),
            base,
            ready=readiness.database(platform.postgres),
            stop_signal=signal.SIGINT,  # fast: rolls back what is open
            stop_seconds=20,
            stop_rank=2,
        ),
        Service(
            "databases",
            "databases",
            [python, "-m", "mlcycle.local.prepare", "databases"],
            base,
            after=("postgres",),
            task=True,
        ),
        Service(
            "warehouse",
            "warehouse and ledger",
            [python, "-m", "mlcycle.local.prepare", "warehouse"],
            base,
            after=("databases",),
            task=True,
        ),
        Service(
            "airflow-db",
            "Airflow's database",
            [python, "-m", "mlcycle.local.prepare", "airflow"],
            airflow_env,
            after=("databases",),
            task=True,
        ),
        Service(
            "api-server",
            "Airflow",
            [
                *launch,
                "airflow",
                "api-server",
                "--host",
                HOST,
                "--port",
                str(ports["airflow"]),
                "--workers",
                "1",
            ],
            {**airflow_env, "MLCYCLE_METRICS_TOKEN": platform.secrets["metrics"]},
            after=("airflow-db",),
            ready=readiness.http(ports["airflow"], "/api/v2/version"),
            stop_seconds=2,  # running tasks report their end to it, so it goes after the scheduler
            stop_rank=1,
            url=platform.url("airflow"),
        ),
        Service(
            "scheduler",
            "Airflow's scheduler",
            [*launch, "airflow", "scheduler", "--skip-serve-logs"],
            airflow_env,
            after=("airflow-db", "warehouse"),
            ready=readiness.airflow(ports["airflow"], "scheduler"),
        ),
        Service(
            "dag-processor",
            "Airflow's DAG processor",
            [*launch, "airflow", "dag-processor"],
            airflow_env,
            after=("airflow-db",),
            ready=readiness.airflow(ports["airflow"], "dag_processor"),
        ),
        Service(
            "mlflow",
            "MLflow",
            [
                *(*launch, "mlflow", "server", "--host", HOST, "--port", str(ports["mlflow"])),
                *("--workers", "1", "--serve-artifacts", "--x-frame-options", "NONE"),
                *("--artifacts-destination", str(platform.state / "mlflow")),
            ],
            environment.mlflow_env(platform),
            after=later,
            ready=readiness.http(ports["mlflow"], "/health"),
            url=platform.url("mlflow"),
        ),
        Service(
            "evidently",
            "Evidently",
            [
                *(*launch, "evidently.cli", "ui", "--host", HOST, "--port", str(ports["evidently"])),
                *("--conf-path", str(environment.evidently_config(platform))),
            ],
            base,
            after=(*later, "mlflow") if few_cores else later,
            ready=readiness.http(ports["evidently"], "/api/version"),
            url=platform.url("evidently"),
        ),
        Service(
            "world",
            "source systems",
            [
                *(python, "-m", "mlcycle.demo.world", "--port", str(ports["world"])),
                *("--state", str(platform.state / "world")),
            ],
            base,
            ready=readiness.http(ports["world"], "/health"),
            url=platform.url("world"),
        ),
        Service(
            "light-steps",
            "step server for light steps",
            [python, "-m", "mlcycle.local.step_server", "--light", "--socket", str(platform.light_socket)],
            environment.step_server_env(platform),
            after=later,
            ready=readiness.unix_socket(platform.light_socket),
        ),
        Service(
            "step-server",
            "step server",
            [python, "-m", "mlcycle.local.step_server", "--socket", str(platform.socket)],
            environment.step_server_env(platform),
            # Loading its libraries keeps a core busy: people first.
            after=("api-server", "scheduler", "dag-processor", "mlflow", "evidently"),
            ready=readiness.unix_socket(platform.socket),
        ),
    ]
    return [service for service in found if _exists(service)]


def _exists(service: Service) -> bool:
    module = service.command[2] if service.command[1] == "-m" else ""
    return not module.startswith("mlcycle.") or importlib.util.find_spec(module) is not None
