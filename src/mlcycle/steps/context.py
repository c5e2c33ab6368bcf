"""What a step is given: its request, its project, the world outside, and the way to publish."""

import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Self

from psycopg2.extensions import cursor as Cursor

from mlcycle.adapters.artifacts.store import ArtifactStore
from mlcycle.adapters.warehouse.connection import Warehouse
from mlcycle.contract import Handover, Output, Request, Status
from mlcycle.domain.partitions import Partition
from mlcycle.errors import InputError
from mlcycle.ledger import attempts
from mlcycle.project import Project
from mlcycle.settings import Settings, scratch_base

#: Key of the publication that a step's whole outcome stands under.
OUTCOME: Final = "outcome"


@dataclass
class Outcome:
    """How a step's own part ended; the runtime makes the contract's result of it.

    ``values`` are small facts for the steps that follow, ``outputs`` objects in the artifact store.
    """

    status: Status = Status.OK
    message: str = ""
    outputs: dict[str, Output] = field(default_factory=dict)
    values: dict[str, Any] = field(default_factory=dict)
    metrics: dict[str, float] = field(default_factory=dict)
    links: dict[str, str] = field(default_factory=dict)
    replayed: bool = False

    def document(self) -> dict[str, Any]:
        """The outcome as JSON; ``read`` reads it back."""
        outputs = {name: output.model_dump(mode="json") for name, output in self.outputs.items()}
        return {**vars(self), "status": str(self.status), "outputs": outputs}

    @classmethod
    def read(cls, document: dict[str, Any], *, replayed: bool) -> Self:
        """An outcome that an earlier attempt has published."""
        outputs = {name: Output.model_validate(output) for name, output in document["outputs"].items()}
        status = Status(document["status"])
        return cls(**{**document, "status": status, "outputs": outputs, "replayed": replayed})


@dataclass
class Publication:
    """An open publication: statements go through ``cursor``, ``outputs`` is what it leaves behind.

    A step that publishes once says with ``outcome`` what it answers: a retry that comes after the
    commit is answered with that, and does not run.
    """

    cursor: Cursor
    outputs: dict[str, Any] = field(default_factory=dict)
    outcome: Outcome | None = None


@dataclass(frozen=True)
class StepContext:
    """One attempt at one request."""

    request: Request
    project: Project
    settings: Settings
    token: int
    warehouse: Warehouse

    @cached_property
    def artifacts(self) -> ArtifactStore:
        """The artifact store."""
        return ArtifactStore(self.settings.artifacts_url)

    @cached_property
    def scratch(self) -> Path:
        """A folder of this attempt's own, removed when it ends."""
        return Path(tempfile.mkdtemp(prefix="mlcycle-", dir=scratch_base(self.settings.scratch)))

    @cached_property
    def partitions(self) -> list[Partition]:
        """The partitions asked for, in order. Raises InputError if there are none."""
        asked = self.request.partitions
        if asked is None:
            raise InputError(f"step {self.request.step!r} needs a partition: say which one")
        unit = self.project.unit
        found = list(Partition.parse(asked.first, unit).to(Partition.parse(asked.last, unit)))
        if not found:
            raise InputError(f"the range ends ({asked.last}) before it begins ({asked.first})")
        return found

    def handover(self, step: str) -> Handover:
        """What the one upstream step of this name handed over. Raises InputError if it is missing."""
        entries = self.request.inputs.get(step, [])
        if len(entries) != 1:
            raise InputError(f"step {self.request.step!r} expects one result of {step!r}, got {len(entries)}")
        return entries[0]

    def param(self, name: str, default: Any = None) -> Any:
        """A parameter of the request; empty text counts as not given."""
        value = self.request.params.get(name)
        return default if value in (None, "") else value

    def published(self, key: str) -> dict[str, Any] | None:
        """What an earlier attempt of this same work has published under the key, or None."""
        with self.warehouse.transaction() as cursor:
            return attempts.published(cursor, self.request.work, key)

    @contextmanager
    def publication(
        self, key: str = OUTCOME, *, warehouse: Warehouse | None = None, guard_last: bool = False
    ) -> Iterator[Publication]:
        """One transaction, guarded by the fencing token; commits the writes and their record together.

        Without a key it is the one publication of the step, and says its ``outcome``. Raises Superseded
        where a newer attempt of this work has begun: nothing is written then.
        ``warehouse`` is another connection than the step's own. ``guard_last`` takes the work's lock
        after the writes instead of before, so that publications of one work can run side by side.
        """
        with (warehouse or self.warehouse).transaction() as cursor:
            if not guard_last:
                attempts.guard(cursor, self.request.work, self.token)
            publication = Publication(cursor)
            yield publication
            if guard_last:
                attempts.guard(cursor, self.request.work, self.token)
            left = publication.outputs if publication.outcome is None else publication.outcome.document()
            attempts.record_publication(cursor, self.request.work, key, self.token, left)

    def superseded(self) -> bool:
        """Whether a newer attempt of this work has begun: nothing of this one can be published any more."""
        with self.warehouse.transaction() as cursor:
            return attempts.newest(cursor, self.request.work) != self.token

    def progress(self, text: str) -> None:
        """Tell people what is going on; goes to standard error, which Airflow shows as the task's log."""
        print(f"{time.strftime('%H:%M:%S', time.gmtime())} {text}", file=sys.stderr, flush=True)
