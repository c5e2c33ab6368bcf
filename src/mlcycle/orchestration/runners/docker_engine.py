"""The Docker engine that DOCKER_HOST names: its API, its errors as ours, the containers of steps on it."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from datetime import UTC, datetime, timedelta
from typing import Any

from mlcycle.errors import ConfigError, Unavailable
from mlcycle.orchestration.runners.base import Handle

WORK = "mlcycle.work"  # label of a step's container: the work it does
INSTANCE = "mlcycle.instance"  # label: the platform whose work it is
LEFT = timedelta(days=1)  # a container that ended and nobody asked for is removed after


class Away(Unavailable):
    """The engine does not answer at all: it is being restarted, or is not there."""


class Engine:
    """A connection to the engine, made when it is first used."""

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = env
        self._client: Any = None

    def connect(self) -> Any:
        """A new client of the engine's API. Raises docker's and requests' errors."""
        import docker

        return docker.DockerClient.from_env(environment=dict(self._env), version="auto").api

    @contextmanager
    def api(self, image: str = "") -> Iterator[Any]:
        """The engine's API; what it answers becomes an error of ours."""
        import docker
        import requests

        try:
            if self._client is None:
                self._client = self.connect()
            yield self._client
        except docker.errors.ImageNotFound:
            raise ConfigError(
                f"the image {image!r} is not on the Docker engine: build or pull it there, or name another "
                "by MLCYCLE_IMAGE"
            ) from None
        except docker.errors.APIError as error:
            text = " ".join(str(error.explanation or error).split())
            kind = ConfigError if error.status_code in (400, 404, 500) else Unavailable
            raise kind(f"the Docker engine refuses: {text}") from None
        except (docker.errors.DockerException, requests.RequestException, OSError) as error:
            where = self._env.get("DOCKER_HOST") or "its socket"
            reason = " ".join(str(error).split())[:300]
            raise Away(f"the Docker engine does not answer at {where}: {reason}") from None

    def close(self) -> None:
        """Let go of the connection."""
        if self._client is not None:
            self._client.close()
            self._client = None


def running(api: Any, name: str, work: str) -> dict[str, Any] | None:
    """The running container of this work; one that ended, or never began, is removed."""
    import docker

    try:
        found: dict[str, Any] = api.inspect_container(name)
    except docker.errors.NotFound:
        return None
    if found["State"]["Running"] and found["Config"]["Labels"].get(WORK) == work:
        return found
    remove(api, found["Id"])
    return None


def inspect(api: Any, handle: Handle) -> dict[str, Any] | None:
    """The handle's container, if it is there and of this work: a handle is not to be trusted."""
    import docker

    try:
        found: dict[str, Any] = api.inspect_container(handle.id)
    except docker.errors.NotFound:
        return None
    return found if found["Config"]["Labels"].get(WORK) == handle.work else None


def remove(api: Any, container: str) -> None:
    """Remove a container with its scratch, running or not; harmless where it is gone."""
    import docker

    with suppress(docker.errors.NotFound):
        try:
            api.remove_container(container, v=True, force=True)
        except docker.errors.APIError as error:
            if error.status_code != 409:  # another removal is under way
                raise


def steps(api: Any, instance: str, **filters: str) -> list[dict[str, Any]]:
    """The containers of a platform's steps, running or not, and of no other's on the engine."""
    labels = [WORK, f"{INSTANCE}={instance}"]
    found: list[dict[str, Any]] = api.containers(all=True, filters={"label": labels, **filters})
    return found


def remove_forgotten(api: Any, instance: str) -> None:
    """Remove containers of steps that ended long ago: their tasks were never tried again."""
    before = (datetime.now(UTC) - LEFT).timestamp()
    for found in steps(api, instance, status="exited"):
        if found["Created"] < before:
            remove(api, found["Id"])
