"""SIGTERM while training: noted, so that the state can be kept before the process ends as it would have."""

import signal
import threading
from types import FrameType
from typing import Any, Self


class Interrupt:
    """Notes SIGTERM instead of ending. In another thread than the main one nothing can be noted."""

    def __init__(self) -> None:
        self.asked = False
        self._before: Any = None
        self._ours = threading.current_thread() is threading.main_thread()

    def __enter__(self) -> Self:
        if self._ours:
            self._before = signal.signal(signal.SIGTERM, self._note)
        return self

    def __exit__(self, *_: object) -> None:
        """Whoever listened before listens again, and hears what came meanwhile."""
        if self._ours:
            signal.signal(signal.SIGTERM, self._before or signal.SIG_DFL)
            if self.asked:
                self.asked = False
                signal.raise_signal(signal.SIGTERM)

    def go_on(self) -> None:
        """Let the signal do what it would have done."""
        if self._ours:
            self.__exit__()
            self.__enter__()

    def _note(self, _signum: int, _frame: FrameType | None) -> None:
        self.asked = True
