"""The gate: whether a challenger may take the champion's place, and why, in plain words."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal, Protocol

from mlcycle.domain.guardrails.finding import Finding
from mlcycle.domain.interval import MIN_BLOCKS, Spread
from mlcycle.domain.metrics import NotMeasured, shown
from mlcycle.domain.paired import Paired
from mlcycle.domain.slices import SliceChange

#: How likely a gain is found that the report calls visible.
POWER: Final = 0.8


class Rules(Protocol):
    """What a challenger must show; :class:`mlcycle.project.Gate` is one."""

    @property
    def min_rows(self) -> int: ...  # noqa: D102
    @property
    def max_slice_loss(self) -> float: ...  # noqa: D102


@dataclass(frozen=True)
class Test:
    """One rival, and how much better than it a challenger must be with how much confidence.

    With ``if_better`` it is enough to be better at all with that confidence: who is surely better is not
    asked how sure it is that it is not much worse.
    """

    rival: str
    paired: Paired
    min_gain: float
    confidence: float
    if_better: float | None = None

    __test__ = False  # pytest takes no class of this name for one of its own

    @property
    def sure(self) -> float:
        """The confidence with which the challenger is better by ``min_gain``."""
        return self.paired.spread.confidence(self.min_gain) if self.paired.spread else 0.0

    @property
    def passed(self) -> bool:
        """Whether that is enough."""
        return self.sure >= self.confidence or self.better

    @property
    def better(self) -> bool:
        """Whether it is better at all, as surely as is enough."""
        spread = self.paired.spread
        return self.if_better is not None and spread is not None and spread.confidence(0.0) >= self.if_better

    @property
    def wanted(self) -> str:
        """What is asked for, in words."""
        if self.min_gain < 0:
            return f"worse by {-self.min_gain:g} at most"
        return f"better by {self.min_gain:g} or more" if self.min_gain else "better at all"

    @property
    def verdict(self) -> str:
        """How the two compare, and how sure that is."""
        asks = "" if self.passed else f", the gate asks for {self.confidence:.1%}"
        if self.if_better is not None and not self.passed:
            asks += f", or to be better at all with {self.if_better:.0%}"
        if self.better and self.sure < self.confidence:
            asks = f", and better at all with {self.if_better:.0%} or more, which is enough"
        sure = f"; {self.wanted} with {self.sure:.1%} confidence{asks}" if self.paired.spread else ""
        return f"{self._gain}{sure}"

    @property
    def power(self) -> str:
        """What a challenger would have had to be, to be seen on these rows."""
        spread = self.paired.spread
        if spread is None:
            return ""
        seen = spread.visible(self.min_gain, self.confidence, POWER)
        words = f"against {self.rival} a true gain of {seen:+.4f} would have been seen with {POWER:.0%}"
        if self.min_gain < 0:
            equal = spread.power(0.0, self.min_gain, self.confidence)
            words += f", a model exactly as good would have passed with {equal:.0%}"
        return words

    @property
    def _gain(self) -> str:
        paired = self.paired
        verb = "better" if paired.gain > 0 else "worse" if paired.gain < 0 else "different"
        words = (
            f"{paired.metric} {paired.new:.4f} against {paired.old:.4f} of {self.rival}: "
            f"{abs(paired.gain):.4f} {verb}"
        )
        return f"{words} ({_interval(paired.spread)})" if paired.spread else words


def _interval(spread: Spread) -> str:
    low, high = spread.interval(0.9)
    return f"90 % interval {low:+.4f} to {high:+.4f}"


@dataclass(frozen=True)
class Decision:
    """The verdict and its reasons, the deciding ones first."""

    verdict: Literal["promote", "refuse"]
    reasons: list[str]


def decide(
    rules: Rules,
    tests: Sequence[Test],
    rows: int,
    slices: Sequence[SliceChange],
    guardrails: Sequence[Finding] = (),
) -> Decision:
    """Judge a challenger by its comparisons with rivals on the same rows, the champion first.

    It is promoted when it passes each test on enough rows and blocks, no slice surely got worse and
    by more than ``max_slice_loss``, and no guardrail is broken. A negative ``min_gain`` is a margin of
    non-inferiority: fresher training data is worth that much.
    """
    blocks = tests[0].paired.blocks
    against = []
    if rows < rules.min_rows:
        against.append(f"{rows} rows to compare on, the gate asks for {rules.min_rows}")
    if blocks < MIN_BLOCKS:
        against.append(f"{blocks} blocks of time to compare on, at least {MIN_BLOCKS} are needed")
    against += [test.verdict for test in tests if not test.passed]
    for change in slices:
        if change.worse(rules.max_slice_loss):
            against.append(
                f"slice {change.name} ({change.rows} rows) gets worse by {shown(change.loss)}, from "
                f"{shown(change.old)} to {shown(change.new)}, and surely by {change.bound:.4f} among "
                f"all slices; the gate allows {rules.max_slice_loss:g}"
            )
    against += [finding.words for finding in guardrails if not finding.passed]
    judged = sum(change.judged for change in slices)
    unmeasured = _unmeasured(tests[0].paired.metric, slices)
    power = [words for words in (test.power for test in tests) if words]
    if against:
        return Decision("refuse", [*against, *power, *unmeasured])
    return Decision(
        "promote",
        [
            *(test.verdict for test in tests),
            f"compared on {rows} rows in {blocks} blocks of time",
            *power,
            f"none of {judged} slices surely got worse than allowed"
            if judged
            else "no slice was large enough to judge",
            *(finding.words for finding in guardrails),
            *unmeasured,
        ],
    )


def _unmeasured(metric: str, slices: Sequence[SliceChange]) -> list[str]:
    """One line for the slices that are large enough and still say nothing: a gap is no consent."""
    found = [c for c in slices if isinstance(c.loss, NotMeasured)]
    if not found:
        return []
    names = ", ".join(c.name for c in found[:5]) + (f" and {len(found) - 5} more" if len(found) > 5 else "")
    return [f"{metric} was not measured on {names}: {getattr(found[0].loss, 'reason', '')}"]
