"""The section of said quantiles: how often labels lie below each, and how wide the intervals are."""

from collections.abc import Mapping
from typing import Any

from mlcycle.adapters.pages.evaluation.words import figure, share
from mlcycle.adapters.pages.figures import ACCENT, MUTED, OTHER, canvas, png
from mlcycle.adapters.pages.html import Section
from mlcycle.domain.evaluation.document import Document


def quantiles(document: Document, found: dict[str, Any]) -> list[Section]:
    """A table of intervals, reliability as a plot, and coverage by width."""
    rows = [
        [
            share(each["share"]),
            *(figure(each[name]) for name in ("coverage", "width", "interval_score")),
        ]
        for each in found["intervals"]
    ]
    text = (
        "Of a true quantile at .1 a tenth of the labels lie below it. An interval is better the narrower it "
        "is and the nearer its coverage to its share; the interval score takes both. "
    )
    text += (
        "Conformal shifts are served: they are part of what is told here."
        if found.get("served")
        else "No conformal shift is served."
    )
    pictures = [("reliability of quantiles", reliability(found))]
    if found["intervals"]:
        pictures.append(("coverage by width", by_width(found)))
    head = ["interval", "coverage", "width", "interval score"]
    return [Section("Quantiles", text, pictures, head, rows)]


def reliability(found: Mapping[str, Any]) -> bytes:
    """Share of labels not above each quantile, with its interval over blocks of time, beside its level."""
    drawn, axes = canvas(4.8, 4.2)
    axes.plot([0, 1], [0, 1], color=MUTED, linestyle="--", label="true quantiles")
    levels = [each["level"] for each in found["quantiles"]]
    shares = [each["below"]["value"] for each in found["quantiles"]]
    for each in found["quantiles"]:
        if each["below"]["low"] is not None:
            axes.plot([each["level"]] * 2, [each["below"]["low"], each["below"]["high"]], color=ACCENT)
    axes.plot(levels, shares, marker="o", linewidth=1, color=ACCENT, label="said, with 95 % interval")
    axes.set(xlabel="level", ylabel="share of labels below", title="Reliability of quantiles")
    axes.legend(frameon=False, fontsize="small")
    return png(drawn)


def by_width(found: Mapping[str, Any]) -> bytes:
    """Coverage of the rows with the narrowest intervals to those with the widest, fifths of them."""
    drawn, axes = canvas(4.8, 4.2)
    for at, each in enumerate(found["intervals"]):
        colour = ACCENT if at % 2 == 0 else OTHER
        axes.axhline(each["share"], color=colour, linestyle="--", linewidth=0.8)
        widths, held = [p[0] for p in each["by_width"]], [p[1] for p in each["by_width"]]
        axes.plot(widths, held, marker="o", color=colour, label=f"interval of {share(each['share'])}")
    axes.set(
        xlabel="mean width, fifths of the rows", ylabel="coverage", title="Coverage by width", ylim=(0, 1.02)
    )
    axes.legend(frameon=False, fontsize="small")
    return png(drawn)
