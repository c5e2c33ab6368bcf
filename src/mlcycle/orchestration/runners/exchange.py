"""Request and result of a step that shares no folder with who starts it: through the artifact store.

They lie below a path that the work's name gives, so that whoever looks after a step later finds them by
the work alone. Neither holds a secret.
"""

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta

from mlcycle.adapters.artifacts.store import ArtifactStore
from mlcycle.contract import Request, Result
from mlcycle.errors import ConfigError, InputError
from mlcycle.orchestration.runners.ending import read_result
from mlcycle.orchestration.runners.naming import work_digest


class Exchange:
    """The two documents of one work."""

    def __init__(self, env: Mapping[str, str], work: str) -> None:
        url = env.get("MLCYCLE_ARTIFACTS_URL", "")
        if not url:
            raise ConfigError("MLCYCLE_ARTIFACTS_URL is not set: requests and results travel through it")
        self._store = ArtifactStore(url)
        self._folder = f"exchange/{work_digest(work)}"
        self._work = work

    @property
    def place(self) -> str:
        """URL of the folder that both lie in."""
        return self._store.uri(self._folder)

    @property
    def request_url(self) -> str:
        """Where the step finds its request."""
        return f"{self.place}/request.json"

    @property
    def result_url(self) -> str:
        """Where the step writes its result."""
        return f"{self.place}/result.json"

    def put(self, request: Request) -> None:
        """Lay down the request; a result that an earlier try of the work left is gone before."""
        self._store.remove(f"{self._folder}/result.json")
        self._store.put(f"{self._folder}/request.json", request.model_dump_json().encode())

    def result(self) -> Result | None:
        """The result the step wrote, if it is one and of this work."""
        try:
            data = self._store.read(f"{self._folder}/result.json")
        except InputError:
            return None
        return read_result(data, self._work)

    def clear(self) -> None:
        """Remove both, and their folder where the store has such."""
        for name in ("request", "result"):
            self._store.remove(f"{self._folder}/{name}.json")
        self._store.remove_empty_folders(self._folder, datetime.now(UTC) + timedelta(days=1))
