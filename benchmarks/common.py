"""What the platform's benchmarks share: free ports, and as much of Airflow's API as they need."""

import socket
import time

from mlcycle.errors import Unavailable
from mlcycle.local.airflow_api import AirflowApi
from mlcycle.local.config import HOST, PORTS, Platform


def free_ports() -> dict[str, int | None]:
    """A free TCP port for everything the platform listens on."""
    probes = [socket.create_server(("127.0.0.1", 0)) for _ in PORTS]
    ports: dict[str, int | None] = {
        name: probe.getsockname()[1] for name, probe in zip(PORTS, probes, strict=True)
    }
    for probe in probes:
        probe.close()
    return ports


class Airflow:
    """A platform's Airflow, once it answers."""

    def __init__(self, platform: Platform, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while True:
            # Making a client takes CPU that a starting platform could use: look whether anybody listens.
            with socket.socket() as probe:
                listens = probe.connect_ex((HOST, platform.ports["airflow"])) == 0
            try:
                if not listens:
                    raise Unavailable("nobody listens yet")
                self._api = AirflowApi.of_platform(platform.state)
                return
            except Unavailable:
                if time.monotonic() > deadline:
                    raise
                time.sleep(0.1)

    def wait_for(self, dag: str) -> None:
        """Return once the DAG is there."""
        self._api.wait_for_dag(dag, seconds=120)

    def run(self, dag: str) -> float:
        """Run a DAG to its good end; returns the wall seconds from asking for it."""
        began = time.perf_counter()
        state = self._api.wait(dag, self._api.trigger(dag), seconds=300)
        if state != "success":
            raise RuntimeError(f"a run of {dag} ended as {state}")
        return time.perf_counter() - began
