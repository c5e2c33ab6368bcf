"""What answers settle: agreement of as many as were wanted, a majority once more were asked, else a judge."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Literal

MOST: Final = 5  # answers to one row before a judge is asked for
State = Literal["open", "settled", "disputed"]


@dataclass(frozen=True)
class Said:
    """One labeller's newest answer; None where the row cannot be told. ``judges``: it decides alone."""

    labeller: str
    answer: str | None
    judges: bool = False


def settle(answers: Sequence[Said], wanted: int) -> tuple[State, str | None]:
    """How a row stands, and its label.

    ``open``: more answers are needed. ``disputed``: so many were given that only a judge helps. A settled row
    without a label is one that cannot be told.

    Args:
        answers: one of each labeller, in order of time.
        wanted: labellers that a row is given to.
    """
    judged = [said for said in answers if said.judges]
    if judged:
        return "settled", judged[-1].answer
    if len(answers) < wanted:
        return "open", None
    ranked = Counter(said.answer for said in answers).most_common(2)
    if len(ranked) == 1:
        return "settled", ranked[0][0]
    if len(answers) > wanted and ranked[0][1] * 2 > len(answers):
        return "settled", ranked[0][0]
    return ("disputed" if len(answers) >= max(MOST, wanted) else "open"), None
