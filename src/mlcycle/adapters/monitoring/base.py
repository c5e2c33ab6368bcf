"""What every monitor is: parameters it owns, a measurement of a window, and what its alert says."""

from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

from mlcycle.adapters.monitoring.window import Reference, State, Window
from mlcycle.domain.monitors import Level, Measurement
from mlcycle.project import Project


class Params(BaseModel):
    """Base of a monitor's parameters: frozen, unknown ones refused."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class Monitor(ABC):
    """One monitor. Its module in ``adapters.monitoring.monitors`` bears its name.

    What it finds wrong is a measurement of level ``warn`` or ``page``; the project may say another
    level, switch it off, or let it ask for a retrain.
    """

    Parameters: ClassVar[type[Params]] = Params
    title: ClassVar[str]  # what its alert says
    order: ClassVar[int] = 100  # lower ones measure first; ``window.found`` holds what they found
    needs_champion: ClassVar[bool] = True
    always: ClassVar[bool] = True  # whether projects that do not name it have it
    asks_for_retrain: ClassVar[bool] = False  # unless the project says otherwise
    failure: ClassVar[Level] = "error"  # what it is when it cannot measure: an error pages
    pages: ClassVar[bool] = True  # whether a project may let it page
    gone: ClassVar[Mapping[str, str]] = {}  # parameters of earlier versions, and what to do instead

    def __init__(self, params: Any) -> None:
        self.params = params

    @classmethod
    def misfit(cls, project: Project, params: Any) -> str:
        """Why it cannot watch this project with these parameters, one line; empty where it can."""
        return ""

    @abstractmethod
    def measure(self, window: Window, reference: Reference, state: State) -> Iterable[Measurement] | str:
        """Measure a window.

        Args:
            window: what is watched.
            reference: what the champion was trained on.
            state: what this monitor found in earlier windows.

        Returns:
            Measurements, whose ``details`` are its state for later windows; or a text: what it lacks
            (labels, a baseline) to say anything. An error it raises becomes a finding of its own.
        """
