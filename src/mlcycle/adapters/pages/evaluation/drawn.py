"""The plots of an evaluation's page, out of what its parts found."""

from collections.abc import Mapping, Sequence
from typing import Any

from mlcycle.adapters.pages.figures import ACCENT, INK, MUTED, OTHER, blank, canvas, png, short

COLOURS = (ACCENT, OTHER, "#2f8f5b", "#7b4ea3", "#b58900", MUTED)


def money(found: Mapping[str, Any], currency: str) -> bytes:
    """What all rows earn over the threshold, on validation and on the holdout."""
    figure, axes = canvas(6.4, 3.4)
    at = found["curve"]["thresholds"]
    for name, colour in (("validation", MUTED), ("holdout", ACCENT)):
        axes.plot(at, found["curve"][name], color=colour, label=name)
    axes.axvline(found["threshold"], color=INK, linewidth=1, label=f"in use, {found['threshold']:.3g}")
    axes.axvline(
        found["chosen"], color=OTHER, linestyle="--", label=f"best on validation, {found['chosen']:.3g}"
    )
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.set(xlabel="threshold", ylabel=currency, title="What acting from a threshold up earns")
    axes.legend(frameon=False, fontsize="small")
    return png(figure)


def reliability(found: Mapping[str, Any]) -> bytes:
    """Mean prediction and share that came true, by tenths; after either curve too."""
    figure, axes = canvas(4.8, 4.2)
    lines = {"as it is": found["reliability"]}
    lines |= {name: curve["reliability"] for name, curve in found["curves"].items()}
    top = max(max(point[0], point[1]) for points in lines.values() for point in points) * 1.05 or 1.0
    axes.plot([0, top], [0, top], color=MUTED, linestyle="--", label="perfect")
    for (name, points), colour in zip(lines.items(), COLOURS, strict=False):
        axes.plot(
            [p[0] for p in points],
            [p[1] for p in points],
            marker="o",
            markersize=4,
            color=colour,
            label=name,
            alpha=1 if name == "as it is" else 0.6,
        )
    axes.set(xlabel="mean prediction", ylabel="share that came true", title="Reliability, tenths of the rows")
    axes.legend(frameon=False, fontsize="small")
    return png(figure)


def abstention(found: Mapping[str, Any], loss: str) -> bytes:
    """Loss and mistakes of the rows that remain."""
    figure, axes = canvas(4.8, 4.2)
    axes.plot(found["shares"], found["loss"], color=ACCENT, label=loss)
    axes.plot(found["shares"], found["mistakes"], color=OTHER, label="share of wrong decisions")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.set(
        xlabel="rows answered, the surest first", title="Leaving the unsure rows to people", ylim=(0, None)
    )
    axes.legend(frameon=False, fontsize="small")
    return png(figure)


def importance(found: Mapping[str, Any]) -> bytes:
    """By how much the loss grows without each column's information."""
    bars = {name: (each["mean"], each["spread"]) for name, each in found["columns"].items()}
    return _by_column(bars, f"growth of the mean {found['loss']}", "Columns dealt out anew")


def morris(found: Mapping[str, Any], most: int = 15) -> bytes:
    """Size against spread of each column's steps; the largest are named."""
    figure, axes = canvas(6.4, 4.2)
    columns = list(found["columns"].items())
    sizes, spreads = ([each[key] for _, each in columns] for key in ("size", "spread"))
    axes.scatter(sizes, spreads, color=ACCENT, s=24)
    for (name, _), size, spread in list(zip(columns, sizes, spreads, strict=True))[:most]:
        axes.annotate(
            short(name, 24), (size, spread), xytext=(4, 4), textcoords="offset points", fontsize=8, color=INK
        )
    top = max(*sizes, *spreads, 1e-12) * 1.1
    axes.plot([0, top], [0, top], color=MUTED, linestyle="--", linewidth=1)
    axes.set(xlabel="mean size of its steps", ylabel="their spread", title="Elementary effects")
    axes.set(xlim=(0, max(sizes) * 1.25 or 1), ylim=(0, max(spreads) * 1.15 or 1))
    return png(figure)


def shapley(found: Mapping[str, Any]) -> bytes:
    """By how much each column moves an answer, on average."""
    bars = {name: (each["mean_size"], each["error"]) for name, each in found["columns"].items()}
    return _by_column(bars, "mean size of what it moves an answer by", "Shapley values")


def _by_column(bars: Mapping[str, tuple[float, float]], label: str, title: str, most: int = 20) -> bytes:
    """A bar with its error for each of the first columns."""
    columns = list(bars.items())[:most][::-1]
    sizes, errors = ([each[i] for _, each in columns] for i in (0, 1))
    figure, axes = canvas(6.4, 0.9 + 0.27 * len(columns))
    axes.barh([name for name, _ in columns], sizes, xerr=errors, color=ACCENT, ecolor=INK, height=0.6)
    axes.axvline(0, color=INK, linewidth=1)
    axes.set(xlabel=label, title=title)
    return png(figure)


def dependence(found: Mapping[str, Any]) -> bytes:
    """The mean answer along each column, side by side on one scale."""
    columns = found["columns"]
    figure = blank(2.6 * len(columns) + 0.6, 2.8)
    each = figure.subplots(1, len(columns), sharey=True, squeeze=False)[0]
    for axes, (name, line) in zip(each, columns.items(), strict=True):
        axes.spines[["top", "right"]].set_visible(False)
        if line["numeric"]:
            axes.plot(line["at"], line["mean"], color=ACCENT, marker="o", markersize=3)
        else:
            axes.bar(range(len(line["at"])), line["mean"], color=ACCENT)
            axes.set_xticks(range(len(line["at"])), line["at"], rotation=90, fontsize="small")
        axes.set_title(name, fontsize="medium")
    each[0].set_ylabel("mean prediction")
    return png(figure)


def residuals(found: Mapping[str, Any]) -> bytes:
    """Residuals over predictions, with mean and spread by tenths."""
    figure, axes = canvas(6.4, 3.4)
    axes.scatter(found["points"]["predicted"], found["points"]["residual"], s=5, alpha=0.35, color=MUTED)
    at, mean, spread = zip(*found["tenths"], strict=True)
    axes.errorbar(
        at,
        mean,
        yerr=spread,
        color=ACCENT,
        marker="o",
        markersize=4,
        capsize=3,
        label="mean and standard deviation of tenths",
    )
    axes.axhline(0, color=INK, linewidth=1)
    axes.set(xlabel="predicted", ylabel="label less prediction", title="Residuals")
    axes.legend(frameon=False, fontsize="small")
    return png(figure)


def over_thresholds(
    thresholds: Sequence[float], groups: Mapping[str, Any], rate: str, title: str, most: int = 6
) -> bytes:
    """A rate of the largest groups over thresholds."""
    figure, axes = canvas(4.2, 3.2)
    for (name, group), colour in zip(list(groups.items())[:most], COLOURS, strict=False):
        values = [float("nan") if v is None else v for v in group["over_thresholds"][rate]]
        axes.plot(thresholds, values, marker="o", markersize=3, color=colour, label=name)
    axes.set(xlabel="threshold", ylabel=rate.replace("_", " "), title=title, ylim=(0, 1))
    axes.legend(frameon=False, fontsize="small")
    return png(figure)


def learning(found: Mapping[str, Any]) -> bytes:
    """The metric over the share of training rows."""
    figure, axes = canvas(4.2, 3.2)
    points = [(p["share"], p["metric"]) for p in found["points"] if p["metric"] is not None]
    axes.plot([p[0] for p in points], [p[1] for p in points], color=ACCENT, marker="o")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    axes.set(xlabel="newest share of the training rows", ylabel=found["metric"], title="Learning curve")
    return png(figure)
