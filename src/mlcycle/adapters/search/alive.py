"""A sign of life of a trial now and then: others know that its process lives, and how long it took."""

import threading
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

from mlcycle.adapters.search.storage import BEAT
from mlcycle.adapters.search.study import SECONDS, Taken

if TYPE_CHECKING:
    from optuna.storages import RDBStorage


class Alive:
    """While it is entered, a thread tells that the trial lives; ``gone`` once others took it for dead."""

    def __init__(self, storage: "RDBStorage", taken: Taken) -> None:
        self._storage, self._trial_id = storage, taken.trial._trial_id
        self._ended = threading.Event()
        self._began = time.monotonic()
        self._thread = threading.Thread(target=self._tell, name="search-heartbeat", daemon=True)
        self.gone = False

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None
    ) -> None:
        self._ended.set()
        self._thread.join()

    @property
    def seconds(self) -> float:
        """How long the trial has taken so far."""
        return round(time.monotonic() - self._began, 3)

    def _tell(self) -> None:
        from optuna.exceptions import StorageInternalError, UpdateFinishedTrialError
        from sqlalchemy.exc import SQLAlchemyError

        while not self._ended.wait(BEAT):
            try:
                self._storage.record_heartbeat(self._trial_id)
                self._storage.set_trial_user_attr(self._trial_id, SECONDS, self.seconds)
            except UpdateFinishedTrialError:
                self.gone = True
                return
            except (StorageInternalError, SQLAlchemyError):
                continue  # the warehouse is away: the next sign may come through
            finally:
                self._storage.remove_session()
