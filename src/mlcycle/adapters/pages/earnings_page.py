"""The page that a project's owner reads: what acting on the predictions earns, and what running it costs."""

from collections.abc import Sequence
from datetime import date, timedelta

from mlcycle.adapters.pages import html, plots
from mlcycle.domain.earnings import Day, Return, paying_threshold, returns, weeks
from mlcycle.domain.inverse_propensity import FLOOR
from mlcycle.project import Project

EPOCH = date(1970, 1, 1)
CONFIDENCE = 0.9
SHOWN = 26  # weeks in the table


def render(project: Project, days: dict[int, Day], usual: str, costs: float | None) -> bytes:
    """One HTML page.

    Args:
        project: says what a prediction is worth, the goal and the prices.
        days: labelled days by their number, whose length is a calendar day.
        usual: the constant answer that was best on the training labels: what it is compared with first.
        costs: of the last week's runs by the price list, None where the project has none.
    """
    money, found = project.value.currency, returns(days)
    estimated = any(each.stood is not None for each in days.values())
    main = next(each for each in found if each.over == usual)
    low_high = main.interval(CONFIDENCE)
    sure = low_high is not None and low_high[0] > 0
    verdict = (
        "it earns" if sure else "it costs" if low_high and low_high[1] < 0 else "not to be told from nothing"
    )
    points = [_words(each, money) for each in found]
    if estimated:
        points.append(_how(project))
    points += _told(project, costs)
    sums = weeks(days, usual)
    first, last = (EPOCH + timedelta(days=number) for number in (min(days), max(days)))
    starts = [EPOCH + timedelta(days=monday) for monday, _, _ in sums]
    picture = plots.weekly([each[2] for each in sums], starts, money, html.BEFORE[usual])
    table = [
        [f"{start:%d %b %Y}", f"{known}", f"{gained:+,.0f}"]
        for start, (_, known, gained) in list(zip(starts, sums, strict=True))[: -SHOWN - 1 : -1]
    ]
    sections = [
        html.Section(
            "By week",
            f"Gained over {html.BEFORE[usual]}, which was the best constant answer on the training labels.",
            [("gained by week", picture)],
            ["week from", "labelled days", money],
            table,
        )
    ]
    if (pays := paying_threshold(project.value)) is not None:
        sections.append(
            html.Section(
                "When acting pays",
                f"With what outcomes are worth here, acting pays from a probability of {pays:.3f} on, where "
                f"probabilities are right; the project acts from {project.value.threshold:g} on.",
            )
        )
    title = f"{project.name}: what it earns"
    rows = sum(each.rows for each in days.values())
    subtitle = f"{rows:,} predictions with a label, {first:%d %b %Y} to {last:%d %b %Y}"
    return html.render(title, subtitle, sections, verdict=verdict, good=sure, points=points)


def unknown(project: Project, why: str, costs: float | None) -> bytes:
    """The page where ways of acting cannot be compared: why, what it costs, and the goal."""
    points = [f"{why[0].upper()}{why[1:]}.", *_told(project, costs)]
    title = f"{project.name}: what it earns"
    return html.render(title, "", [], verdict="cannot be known", good=False, points=points)


def _how(project: Project) -> str:
    share = project.value.explore.share if project.value.explore else 0.0
    return (
        f"Estimated: a label is known only of rows decided {project.value.label_needs}. {share:.1%} of all "
        "rows are decided by a coin, and each labelled row counts by the inverse of the probability with "
        f"which it was decided so, {1 / FLOOR:g} times at the most. Rows without a draw are left out."
    )


def _told(project: Project, costs: float | None) -> list[str]:
    """What running it cost, and what it is for."""
    spent = f"Running it cost {costs or 0:,.2f} {project.value.currency} in the last seven days"
    return [
        *([f"{spent}, by the project's price list."] if costs is not None else []),
        f"Goal: {project.scope.goal}",
        *(f"It is good enough with: {each}" for each in project.scope.success),
    ]


def _words(each: Return, money: str) -> str:
    interval = each.interval(CONFIDENCE)
    between = (
        f" ({CONFIDENCE:.0%} interval {interval[0]:+,.0f} to {interval[1]:+,.0f})"
        if interval
        else "; too few days to say how sure"
    )
    return f"{each.weekly:+,.0f} {money} a week over {html.BEFORE[each.over]}{between}, on {each.days} days."


def summary(found: Sequence[Return], usual: str, money: str) -> str:
    """The same in a line, for those who look at monitors."""
    return _words(next(each for each in found if each.over == usual), money)
