"""Which rows are drawn to learn from, as a project says it; ``drawing`` does it."""

from collections.abc import Mapping
from dataclasses import dataclass, field

KEY, TIME, LABEL = "entity_key", "event_time", "label"


@dataclass(frozen=True)
class Sampling:
    """One of ``share``, ``rows`` (of each stratum, where there are any) and ``classes``: each one's share."""

    share: float = 0.0
    rows: int = 0
    classes: Mapping[int, float] = field(default_factory=dict)
    strata: tuple[str, ...] = ()
    weight: str = ""
    correct: bool = True
    seed: int = 17

    @property
    def columns(self) -> list[str]:
        """What of a row decides whether it is drawn."""
        return list(dict.fromkeys([KEY, TIME, LABEL, *self.strata, *([self.weight] if self.weight else [])]))
