"""The page of a search: what was found, how it went, which parameters matter, every trial."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from mlcycle.adapters.pages import html as pages
from mlcycle.adapters.pages import search_plots
from mlcycle.adapters.pages.templating import template
from mlcycle.domain.search import Dimension, Tried, label

MOST_SHOWN = 6  # parameters with a plot of their own
MOST_ROWS = 200


@dataclass(frozen=True)
class Searched:
    """A search that has ended, or stands as it is. ``own`` is the trial of the project's own parameters."""

    study: str
    candidate: str
    family: str
    metric: str
    higher: bool
    method: str
    pruner: str
    space: Mapping[str, Dimension]
    tried: Sequence[Tried]
    best: Tried | None
    own: Tried | None
    asked: int  # trials
    shares: Mapping[str, float]
    winner: str  # as YAML
    dataset: str  # digest
    measured_on: str = "validation rows"
    by_rows: bool = False  # whether pruned trials were ended after fits on few rows, not after rounds

    @property
    def told(self) -> int:
        """Trials whose end counts."""
        return sum(each.state in ("told", "pruned") for each in self.tried)


def render(project: str, searched: Searched) -> bytes:
    """One HTML page; every text is escaped."""
    best, own = searched.best, searched.own
    sections = [
        pages.Section(
            "How it went",
            plots=[
                (
                    "history",
                    search_plots.history(
                        searched.tried,
                        searched.metric,
                        higher=searched.higher,
                        own=own.value if own else None,
                    ),
                )
            ]
            if best
            else [],
        ),
        _importance(searched),
        _trials(searched),
    ]
    verdict = "no trial ended well" if best is None else f"{searched.metric} {best.value:.5f}"
    if best is not None and best.spread is not None:
        verdict += f" (standard deviation of folds {best.spread:.5f})"
    if best is not None and own is not None and own.value is not None:
        verdict += f" (the project's own parameters: {own.value:.5f})"
    return (
        template("search.html.j2")
        .render(
            title=f"{project}: search of {searched.candidate}",
            subtitle=f"{searched.study}: {searched.method}"
            + (f" with {searched.pruner.replace('_', ' ')}" if searched.pruner != "none" else "")
            + f" over {searched.family}. Dataset {searched.dataset[:12]}.",
            sections=sections,
            verdict=verdict,
            good=best is not None,
            points=_points(searched),
            winner=searched.winner,
        )
        .encode()
    )


def _points(searched: Searched) -> list[str]:
    """What to know before the number is believed."""
    counts = {
        state: sum(each.state == state for each in searched.tried) for state in ("pruned", "failed", "lost")
    }
    words = {
        "pruned": "ended early by the pruner",
        "failed": "failed",
        "lost": "lost with their process, their places taken by others",
    }
    beside = "; ".join(f"{count} {words[state]}" for state, count in counts.items() if count)
    minutes = sum(each.seconds for each in searched.tried) / 60
    long = f"{minutes:.1f} minutes" if minutes < 120 else f"{minutes / 60:.1f} hours"
    return [
        f"{searched.told} of {searched.asked} trials told{f': {beside}' if beside else ''}. "
        f"They took {long} in all, one after the other.",
        f"Trained on the train rows, chosen on the {searched.measured_on}; the holdout was not read. The "
        "best of many values looks better than it is: the gate judges, on rows that no search has seen.",
    ]


def _importance(searched: Searched) -> pages.Section:
    order = [*searched.shares, *(name for name in searched.space if name not in searched.shares)]
    drawn = []
    if searched.shares:
        drawn.append(("importance of parameters", search_plots.importance(searched.shares)))
    if searched.best is not None:
        drawn += [
            (
                name,
                search_plots.against(
                    name, searched.space[name], searched.tried, searched.metric, searched.best
                ),
            )
            for name in order[:MOST_SHOWN]
        ]
    text = (
        "The share of the values' variance that each parameter explains by itself (functional analysis of "
        "variance), then the values against each. The best trial is in colour."
        if searched.shares
        else "Too few trials went to their end to say which parameters matter."
    )
    return pages.Section("Which parameters matter", text, drawn)


def _trials(searched: Searched) -> pages.Section:
    sign = -1 if searched.higher else 1
    order = sorted(
        searched.tried, key=lambda each: (each.value is None, sign * (each.value or 0.0), each.number)
    )
    names = list(searched.space)
    rows = [
        [
            str(each.number),
            _ended(each, by_rows=searched.by_rows),
            _valued(each),
            f"{each.seconds:.1f}",
            *(_shown(each.values[name]) if name in each.values else "" for name in names),
            each.error,
        ]
        for each in order[:MOST_ROWS]
    ]
    more = f"The {MOST_ROWS} best of {len(order)}." if len(order) > MOST_ROWS else ""
    head = ["trial", "ended", searched.metric, "seconds", *names, ""]
    return pages.Section("Trials", more, head=head, rows=rows)


def _ended(each: Tried, *, by_rows: bool) -> str:
    if each.state != "pruned":
        return each.state
    return f"pruned after {each.rounds:,} rows" if by_rows else f"pruned after round {each.rounds}"


def _valued(each: Tried) -> str:
    if each.value is None:
        return ""
    return f"{each.value:.5f}" + ("" if each.spread is None else f" (sd {each.spread:.5f})")


def _shown(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else value if isinstance(value, str) else label(value)
