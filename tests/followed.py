"""A real step and a worker that follows it: what the tests of every transport look at."""

import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field

from mlcycle.contract import Origin, PartitionRange, Request, Result
from mlcycle.orchestration.runners.base import Handle, hand_on, make_runner
from mlcycle.project.file import load_named
from tests.conftest import ROOT

ORIGIN = Origin(dag_id="flights_ingest", run_id="manual", task_id="flights.extract")


def extract(work: str = "work", **changes: object) -> Request:
    """A request of one file, by an Airflow task."""
    values = {
        "step": "extract",
        "work": work,
        "project": load_named(ROOT / "projects", "flights").model_dump(mode="json"),
        "partitions": PartitionRange(first="2013-01-02", last="2013-01-02"),
        "params": {"table": "flights"},
        "origin": ORIGIN,
        **changes,
    }
    return Request.model_validate(values)


@dataclass
class Followed:
    """A worker that follows a step in a thread, so that the test can look at it meanwhile."""

    env: Mapping[str, str]
    handle: Handle
    request: Request
    lines: list[str] = field(default_factory=list)
    results: list[Result | Exception] = field(default_factory=list)
    ended_at: float = 0.0

    def __post_init__(self) -> None:
        self.thread = threading.Thread(target=self._run, daemon=True)
        self.thread.start()

    def _run(self) -> None:
        runner, seen, ended = make_runner(self.handle.runner, self.env), 0, False
        try:
            while not ended:
                ended = runner.poll(self.handle, 1.0)
                seen = hand_on(runner, self.handle, seen, self.lines.append)
            self.ended_at = time.monotonic()
            result = runner.result(self.handle, self.request)
            runner.clear(self.handle)
            self.results.append(result)
        except Exception as error:
            self.results.append(error)
        finally:
            runner.close()

    def result(self, seconds: float = 90) -> Result:
        """Its result, in time."""
        self.thread.join(seconds)
        assert self.results, f"the runner did not come back; {self.lines}"
        (found,) = self.results
        assert isinstance(found, Result), found
        return found

    @property
    def told(self) -> str:
        """What stands in the task's log."""
        return "\n".join(self.lines)
