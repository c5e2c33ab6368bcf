"""Reports as one HTML file each: tables and plots inside it, nothing fetched from anywhere."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass, field

from mlcycle.adapters.pages.templating import template
from mlcycle.domain.value import Worth

#: The ways of acting as before, in words.
BEFORE = {
    "never": "never acting",
    "always": "acting on every row",
    "median": "answering with the training median",
    "mean": "answering with the training mean",
    "commonest": "answering with the commonest class",
    "any_order": "any order",
    "heuristic": "the heuristic",
    "threshold": "the threshold alone, without the share that is drawn",
}


def gained(worth: Worth, currency: str) -> str:
    """What acting on predictions gained over acting as before, as a sentence."""
    if worth.usual == "any_order":
        return "An order of rows has no price, so that nothing is told of money."
    gains = ", ".join(f"{amount:+,.0f} over {BEFORE[name]}" for name, amount in worth.gains.items())
    return (
        f"Acting on it gains, in {currency} on these {worth.rows:,} rows: {gains}. On the training data "
        f"the better constant answer was {BEFORE[worth.usual]}."
    )


@dataclass
class Section:
    """A heading with plots (what each shows, PNG bytes) and a table under it."""

    title: str
    text: str = ""
    plots: Sequence[tuple[str, bytes]] = ()
    head: Sequence[str] = ()
    rows: Sequence[Sequence[str]] = field(default_factory=list)

    @property
    def images(self) -> list[tuple[str, str]]:
        """The plots as base64."""
        return [(name, base64.b64encode(data).decode()) for name, data in self.plots]


def render(
    title: str,
    subtitle: str,
    sections: Sequence[Section],
    *,
    verdict: str = "",
    good: bool = True,
    points: Sequence[str] = (),
) -> bytes:
    """One page. Every text is escaped: names come from project files and data."""
    return (
        template("report.html.j2")
        .render(title=title, subtitle=subtitle, sections=sections, verdict=verdict, good=good, points=points)
        .encode()
    )


def above(
    title: str, text: str, plot: bytes | None, head: Sequence[str], rows: Sequence[Sequence[str]]
) -> str:
    """A part that stands above another tool's page: every text escaped, the picture inside it."""
    image = base64.b64encode(plot).decode() if plot else ""
    return template("above.html.j2").render(title=title, text=text, image=image, head=head, rows=rows)
