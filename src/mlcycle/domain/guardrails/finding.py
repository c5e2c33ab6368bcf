"""What a guardrail found."""

from dataclasses import asdict, dataclass
from typing import Any

#: With what confidence a limit must be broken for a refusal.
SURE = 0.95


@dataclass(frozen=True)
class Finding:
    """One guardrail's verdict.

    Args:
        name: of the guardrail, with its subject where it has several.
        figure, champion, limit: in words with their unit; ``champion`` may be empty.
        passed: whether the challenger may be promoted as far as this goes.
        why: what the verdict rests on.
        value, low, high: the figure, and between what it lies where that is known.
    """

    name: str
    figure: str
    limit: str
    passed: bool
    why: str
    champion: str = ""
    value: float | None = None
    low: float | None = None
    high: float | None = None

    @property
    def words(self) -> str:
        """The finding as one line."""
        beside = f" ({self.champion} of the champion)" if self.champion else ""
        return f"guardrail {self.name}: {self.figure}{beside}, the limit is {self.limit}; {self.why}"

    @property
    def document(self) -> dict[str, Any]:
        """As JSON."""
        return asdict(self)
