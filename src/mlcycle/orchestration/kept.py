"""What a task keeps for its next try: where its step is, what it said at its end, since when it has no place.

Airflow's tries of a task share its state (``task_state_store``); rows go with the run. A try may end anywhere
(its worker is killed, the scheduler's pod is lost), and the next one goes on from what is kept: a step is not
started again because nobody lived to tell Airflow of its end.

What is read is not to be trusted: who may edit tasks in Airflow may edit it. What names other work, or
cannot be read, is as if it were not there.
"""

from datetime import datetime
from typing import Any

from pydantic import ValidationError

from mlcycle.contract import ExitCode, Result
from mlcycle.orchestration.runners.base import Handle

KEY = "step"
HANDLE, RESULT, REFUSED = "handle", "result", "refused"


class Kept:
    """One task's state, of one work. Without a store (a step that cannot be found again) it keeps nothing."""

    def __init__(self, store: Any, work: str) -> None:
        self._store = store
        self._work = work
        found = None if store is None else store.get(KEY)
        self._found: dict[str, Any] = found if isinstance(found, dict) else {}
        self._mine = self._found.get("work") == work

    @property
    def handle(self) -> Handle | None:
        """The step that an earlier try of this work started."""
        return self._handle() if self._mine else None

    @property
    def unwanted(self) -> Handle | None:
        """The step of other work: the task was cleared while it had no worker."""
        return None if self._mine else self._handle()

    @property
    def result(self) -> Result | None:
        """What this work's step said when it ended well, where no try lived to tell Airflow."""
        try:
            found = Result.model_validate(self._found.get(RESULT)) if self._mine else None
        except ValidationError:
            return None
        return found if found is not None and found.work == self._work else None

    @property
    def refused(self) -> datetime | None:
        """Since when there is no room for this work's step."""
        try:
            return datetime.fromisoformat(str(self._found[REFUSED])) if self._mine else None
        except (KeyError, ValueError):
            return None

    def started(self, handle: Handle) -> None:
        """Keep where the step is."""
        self._keep(**{HANDLE: handle.model_dump(mode="json")})

    def had_no_room(self, since: datetime) -> None:
        """Keep since when."""
        self._keep(**{REFUSED: since.isoformat()})

    def ended(self, handle: Handle, result: Result) -> None:
        """Keep what a step said that is done; forget one that is to be tried, or looked at, again."""
        if result.exit_code is ExitCode.OK:
            self._keep(**{HANDLE: handle.model_dump(mode="json"), RESULT: result.model_dump(mode="json")})
        else:
            self.forget()

    def forget(self) -> None:
        """Keep nothing."""
        self._found, self._mine = {}, False
        if self._store is not None:
            self._store.delete(KEY)

    def _keep(self, **what: Any) -> None:
        self._found, self._mine = {"work": self._work, **what}, True
        if self._store is not None:
            self._store.set(KEY, self._found)

    def _handle(self) -> Handle | None:
        try:
            found = Handle.model_validate(self._found.get(HANDLE))
        except ValidationError:
            return None
        return found if found.work == self._found.get("work") else None
