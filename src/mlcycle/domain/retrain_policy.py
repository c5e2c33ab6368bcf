"""When the platform may ask for a retrain by itself: cooldown and budgets.

Cooldown and the number of requests are counted in the data's own time, hours and money by the clock.
"""

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
        source: who asks; a ``person`` is never refused, but counts.
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


def overspent(
    hours: float,
    money: float,
    *,
    most_hours: float | None,
    most_money: float | None,
    currency: str,
    per: timedelta,
) -> str:
    """Why nothing more is trained, ``hours`` and ``money`` having been used within ``per``; or an empty text.

    A budget that is None has no end. What a training to come will take is not known and not counted, so the
    last one may go over.
    """
    within = format_duration(per)
    if most_hours is not None and hours >= most_hours:
        return f"budget of {most_hours:g} hours of training in {within}: {hours:.2f} are used"
    if most_money is not None and money >= most_money:
        return f"budget of {most_money:g} {currency} for training in {within}: {money:.2f} are used"
    return ""
