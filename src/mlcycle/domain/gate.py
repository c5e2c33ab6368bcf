"""The gate: whether a challenger may take the champion's place, and why, in plain words."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from mlcycle.domain.bootstrap import Paired
from mlcycle.domain.metrics import NotMeasured, shown
from mlcycle.domain.slices import SliceChange

#: With fewer blocks a percentile interval is far too narrow to trust.
MIN_BLOCKS: Final = 5


class Rules(Protocol):
    """What a challenger must show; :class:`mlcycle.project.Gate` is one."""

    @property
    def min_gain(self) -> float: ...  # noqa: D102
    @property
    def confidence(self) -> float: ...  # noqa: D102
    @property
    def min_rows(self) -> int: ...  # noqa: D102
    @property
    def min_slice_rows(self) -> int: ...  # noqa: D102
    @property
    def max_slice_loss(self) -> float: ...  # noqa: D102


@dataclass(frozen=True)
class Decision:
    """The verdict and its reasons, the deciding ones first."""

    verdict: Literal["promote", "refuse"]
    reasons: list[str]


def decide(
    rules: Rules, paired: Paired, rows: int, slices: Sequence[SliceChange], rival: str = "the champion"
) -> Decision:
    """Judge a challenger by its comparison with ``rival`` on the same rows.

    It is promoted when it is better by ``min_gain`` in at least ``confidence`` of the draws, on
    enough rows and blocks, and no slice lost more than ``max_slice_loss``. A negative ``min_gain`` is
    a margin of non-inferiority: fresher training data is worth that much.
    """
    against = []
    if rows < rules.min_rows:
        against.append(f"{rows} rows to compare on, the gate asks for {rules.min_rows}")
    if paired.blocks < MIN_BLOCKS:
        against.append(f"{paired.blocks} blocks of time to compare on, at least {MIN_BLOCKS} are needed")
    sure = paired.probability(rules.min_gain)
    words = _gain_in_words(paired, rival)
    if sure < rules.confidence:
        wanted = _wanted(rules) if rules.min_gain else "better at all"
        against.append(
            f"{words}; {wanted} in {sure:.1%} of the draws, the gate asks for {rules.confidence:.0%}"
        )
    judged = 0
    for change in slices:
        if change.rows < rules.min_slice_rows or isinstance(change.loss, NotMeasured):
            continue
        judged += 1
        if change.loss > rules.max_slice_loss:
            against.append(
                f"slice {change.name} ({change.rows} rows) gets worse by {change.loss:.4f}, from "
                f"{shown(change.old)} to {shown(change.new)}; the gate allows {rules.max_slice_loss:g}"
            )
    unmeasured = _unmeasured(paired.metric, rules, slices)
    if against:
        return Decision("refuse", [*against, *unmeasured])
    return Decision(
        "promote",
        [
            f"{words}; {_wanted(rules)} in {sure:.1%} of the draws",
            f"compared on {rows} rows in {paired.blocks} blocks of time",
            "no slice got worse than allowed" if judged else "no slice was large enough to judge",
            *unmeasured,
        ],
    )


def _unmeasured(metric: str, rules: Rules, slices: Sequence[SliceChange]) -> list[str]:
    """One line for the slices that are large enough and still say nothing: a gap is no consent."""
    found = [c for c in slices if c.rows >= rules.min_slice_rows and isinstance(c.loss, NotMeasured)]
    if not found:
        return []
    names = ", ".join(c.name for c in found[:5]) + (f" and {len(found) - 5} more" if len(found) > 5 else "")
    return [f"{metric} was not measured on {names}: {getattr(found[0].loss, 'reason', '')}"]


def _wanted(rules: Rules) -> str:
    if rules.min_gain < 0:
        return f"worse by {-rules.min_gain:g} at most"
    return f"better by {rules.min_gain:g} or more" if rules.min_gain else "better"


def _gain_in_words(paired: Paired, rival: str) -> str:
    low, high = paired.interval(0.9)
    verb = "better" if paired.gain > 0 else "worse" if paired.gain < 0 else "different"
    return (
        f"{paired.metric} {paired.new:.4f} against {paired.old:.4f} of {rival}: "
        f"{abs(paired.gain):.4f} {verb} (90 % interval {low:+.4f} to {high:+.4f})"
    )
