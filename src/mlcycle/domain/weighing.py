"""How rows weigh in a fit, as a project says it; ``training_weights`` does it."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal


@dataclass(frozen=True)
class Weighing:
    """``classes``: a weight for each class number, others weigh one; or each as much as any other.

    ``column`` is a column of the rows that is multiplied with it; empty: there is none.
    """

    classes: Literal["balanced"] | Mapping[int, float] = field(default_factory=dict)
    column: str = ""

    @property
    def plain(self) -> bool:
        """Whether all rows weigh what they weigh anyway."""
        return not self.classes and not self.column
