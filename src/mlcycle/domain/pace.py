"""How much of a long work one statement takes: as much as lately took about the time it should take."""

from dataclasses import dataclass

GOAL = 10.0  # seconds a statement should take
MOST = 8192  # items, however quick they are: what one of them takes in memory is bounded as well


@dataclass
class Pace:
    """``size`` is how many items the next statement may take, at least 1."""

    size: int = 64

    def took(self, items: int, seconds: float) -> None:
        """So many items took so long. The size grows fourfold at the most, and falls as far as it must."""
        fitting = int(items * GOAL / max(seconds, 1e-3))
        if fitting < self.size or items >= self.size:
            self.size = max(1, min(fitting, 4 * self.size, MOST))

    def too_long(self, items: int) -> None:
        """So many items did not come to an end at all."""
        self.size = max(1, items // 8)
