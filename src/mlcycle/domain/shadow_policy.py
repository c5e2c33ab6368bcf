"""When a shadow of the champion is trained: where it could learn and show something, and not too often."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from mlcycle.domain.durations import format_duration
from mlcycle.domain.interval import MIN_BLOCKS


@dataclass(frozen=True)
class Fresh:
    """What there is beyond the champion's own data; moments are event times, UTC."""

    champion_learnt: datetime  # the champion has learnt up to here
    champion_used: datetime  # and was chosen or judged up to here
    shadow_learns: datetime  # a shadow would learn up to here
    labelled: datetime  # labels are known up to here
    rows: int  # labelled rows since ``champion_used``

    def too_little(self, block: timedelta, min_rows: int) -> str:
        """Why a shadow could not be told from the champion; empty where it could.

        Args:
            block: what is taken as independent, as the gate has it.
            min_rows: as the gate asks for.
        """
        if self.shadow_learns <= self.champion_learnt:
            return (
                f"a shadow would learn up to {_told(self.shadow_learns)}, the champion has learnt up to "
                f"{_told(self.champion_learnt)}"
            )
        if self.labelled - self.champion_used < MIN_BLOCKS * block:
            return (
                f"labels are known until {_told(self.labelled)}, to compare on {MIN_BLOCKS} blocks of time "
                f"unknown to the champion they must be until {_told(self.champion_used + MIN_BLOCKS * block)}"
            )
        if self.rows < min_rows:
            return f"{self.rows} labelled rows since the champion's own, the gate asks for {min_rows}"
        return ""


def due(as_of: datetime, last: datetime | None, every: timedelta) -> bool:
    """Whether a shadow is due without anybody's wish: ``last`` is of the newest shadow or promotion."""
    return last is not None and as_of - last >= every


def refusal(as_of: datetime, shadows: Sequence[datetime], *, cooldown: timedelta) -> str:
    """Why no shadow is trained as of a moment, or an empty text; ``shadows`` are those accepted before."""
    newest = max(shadows, default=None)
    if newest is None:
        return ""
    if newest > as_of:
        return f"a shadow as of {_told(newest)} was accepted already, later than {_told(as_of)}"
    if as_of - newest < cooldown:
        return f"cooldown of {format_duration(cooldown)}: the last shadow was accepted as of {_told(newest)}"
    return ""


def _told(moment: datetime) -> str:
    return f"{moment:%Y-%m-%d %H:%M}"
