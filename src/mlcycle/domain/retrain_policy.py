"""When the platform may ask for a retrain by itself: cooldown and budget, in the data's own time."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from mlcycle.domain.durations import format_duration


def refusal(
    source: str,
    as_of: datetime,
    accepted: Sequence[datetime],
    *,
    cooldown: timedelta,
    budget: int,
    per: timedelta,
) -> str:
    """Why a request is refused, or an empty text where it is accepted.

    Args:
        source: ``monitor``, ``schedule`` or ``person``; a person is never refused, but counts.
        as_of: the moment the request speaks of, UTC.
        accepted: ``as_of`` of every request accepted before.
        cooldown: after the newest accepted request.
        budget: how many may be accepted within ``per``.
        per: length of the time the budget is for.
    """
    if source == "person":
        return ""
    if budget == 0:
        return "the project's retrain budget is 0: only a person may ask"
    newest = max(accepted, default=None)
    if newest is not None and newest > as_of:
        return (
            f"a retrain as of {newest:%Y-%m-%d %H:%M} was accepted already, later than {as_of:%Y-%m-%d %H:%M}"
        )
    if newest is not None and as_of - newest < cooldown:
        return (
            f"cooldown of {format_duration(cooldown)}: the last retrain was accepted "
            f"as of {newest:%Y-%m-%d %H:%M}"
        )
    used = sum(1 for moment in accepted if as_of - per < moment <= as_of)
    if used >= budget:
        return f"budget of {budget} retrains in {format_duration(per)} is used up"
    return ""
