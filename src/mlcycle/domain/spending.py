"""What runs held by the clock, and what that costs by a price list."""

from collections.abc import Iterable
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Prices:
    """Of an hour of a core, of a GiB of memory, of a GPU; in the project's currency."""

    cpu_hour: float
    memory_gib_hour: float
    gpu_hour: float


@dataclass(frozen=True)
class Used:
    """What the runs of a step held: seconds in all, and what each of them may use."""

    seconds: float
    cpu: float
    memory_gib: float
    gpus: int = field(default=0)


def hours(used: Iterable[Used]) -> float:
    """Hours of a GPU where a run has any, else of a core."""
    return sum(each.seconds / 3600 * (each.gpus or each.cpu) for each in used)


def cost(used: Iterable[Used], prices: Prices) -> float:
    """What runs cost by the price list, for what they held, used or not."""
    return sum(
        each.seconds
        / 3600
        * (
            each.cpu * prices.cpu_hour
            + each.memory_gib * prices.memory_gib_hour
            + each.gpus * prices.gpu_hour
        )
        for each in used
    )
