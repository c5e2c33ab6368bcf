"""Pictures of a report before the first model, as PNG bytes."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

import numpy as np

from mlcycle.adapters.pages.figures import (
    ACCENT,
    INK,
    MUTED,
    OTHER,
    blank,
    canvas,
    logarithmic,
    named,
    png,
    short,
)

COLOURS: Final = (MUTED, ACCENT, OTHER, "#2f9461", "#7a4fa3")
WIDE: Final = 3  # plots side by side


def label(document: Mapping[str, Any]) -> bytes:
    """Its classes as bars, or its spread."""
    target = document["target"]
    if target["kind"] == "words":
        names = [str(name) for name, _ in target["top"]][::-1]
        figure, axes = canvas(6.4, 0.8 + 0.3 * len(names))
        counts = [count for _, count in target["top"]][::-1]
        axes.barh(range(len(names)), counts, color=ACCENT, height=0.6)
        named(axes.yaxis, names, 24)
        axes.set(xlabel="rows")
        return png(figure)
    figure, axes = canvas(6.4, 2.8)
    _histogram(axes, target["bins"])
    axes.set(xlabel=document["label"], ylabel="rows")
    return png(figure)


def by_label(columns: Sequence[Mapping[str, Any]]) -> bytes:
    """A small plot each."""
    figure, cells = _grid(len(columns), 2.5)
    for axes, column in zip(cells, columns, strict=False):
        for colour, (name, shares) in zip(COLOURS, column["shares"].items(), strict=False):
            if "edges" in column:
                axes.stairs(shares, column["edges"], color=colour, label=short(str(name), 20), linewidth=1.4)
            else:
                axes.plot(
                    shares,
                    range(len(shares)),
                    "o-",
                    color=colour,
                    label=short(str(name), 20),
                    markersize=3,
                    linewidth=1,
                )
        if "names" in column:
            named(axes.yaxis, [str(name) for name in column["names"]], 12, fontsize=7)
            axes.invert_yaxis()
        axes.set_title(short(column["name"], 32), fontsize=9)
        axes.tick_params(labelsize=7)
    cells[0].legend(frameon=False, fontsize=7)
    return png(figure)


def gaps(found: Mapping[str, Sequence[float | None]], partitions: Sequence[str]) -> bytes:
    """Columns by partitions, darker where more is missing."""
    names = sorted(found, key=lambda name: -np.nanmean(_floats(found[name])))[:30]
    figure, axes = canvas(8.2, 0.9 + 0.22 * len(names))
    shown = axes.imshow(
        np.array([_floats(found[name]) for name in names]),
        aspect="auto",
        cmap="Oranges",
        vmin=0,
        vmax=1,
        interpolation="nearest",
    )
    named(axes.yaxis, names, 28, fontsize=8)
    _moments(axes, partitions)
    figure.colorbar(shown, ax=axes, label="share missing", shrink=0.9)
    return png(figure)


def strengths(found: Sequence[Mapping[str, Any]]) -> bytes:
    """Bars; grey where chance makes as much."""
    shown = list(found[:25])[::-1]
    figure, axes = canvas(6.8, 0.8 + 0.26 * len(shown))
    colours = [(ACCENT if each["known"] else MUTED) for each in shown]
    lengths = [each["strength"] for each in shown]
    drawn = axes.barh(range(len(shown)), lengths, color=colours, height=0.6)
    named(axes.yaxis, [each["a"] for each in shown], 32)
    axes.bar_label(drawn, fmt="{:.2f}", padding=3, fontsize=8, color=INK)
    axes.set(xlim=(0, 1.08), xlabel="strength")
    return png(figure)


def matrix(found: Mapping[str, Any]) -> bytes:
    """Squares, blue and orange by sign."""
    names = found["names"]
    size = 2.2 + 0.27 * len(names)
    figure, axes = canvas(size + 0.9, size)
    shown = axes.imshow(np.array(found["values"]), cmap="RdBu", vmin=-1, vmax=1)
    named(axes.xaxis, names, 20, rotation=90, fontsize=8)
    named(axes.yaxis, names, 20, fontsize=8)
    figure.colorbar(shown, ax=axes, shrink=0.7)
    return png(figure)


def through_time(document: Mapping[str, Any]) -> bytes:
    """Rows, the label and some columns by partition."""
    told = document["over_time"]
    lines = {"rows": told["rows"], f"{document['label']}, mean": told["label"], **told["columns"]}
    figure, cells = _grid(len(lines), 2.1, wide=2)
    for axes, (name, values) in zip(cells, lines.items(), strict=False):
        axes.plot(_floats(values), color=ACCENT, linewidth=1)
        if document["judged_rows"]:
            axes.axvspan(document["cut"] - 0.5, len(values) - 0.5, color="#e4e7eb", zorder=0)
        axes.set_title(short(name, 44), fontsize=9)
        axes.tick_params(labelsize=7)
        _moments(axes, document["partitions"], few=4)
    return png(figure)


def shifts(found: Sequence[Mapping[str, Any]]) -> bytes:
    """Each column's distance beside the usual one."""
    shown = list(found)[::-1]
    figure, axes = canvas(6.8, 0.9 + 0.26 * len(shown))
    at = np.arange(len(shown))
    axes.barh(at, [each["usual"] for each in shown], color="#cbd2d9", height=0.7, label="usual")
    colours = [OTHER if each["p"] <= 0.05 else ACCENT for each in shown]
    axes.scatter([each["distance"] for each in shown], at, color=colours, zorder=3, s=30, label="newest rows")
    named(axes.yaxis, [each["name"] for each in shown], 32)
    axes.set(xlim=(0, None), xlabel="distance")
    axes.legend(frameon=False, fontsize=8, loc="lower right")
    return png(figure)


def segments(found: Sequence[Mapping[str, Any]]) -> bytes:
    """Means with their intervals."""
    shown = list(found)[::-1]
    figure, axes = canvas(7.4, 0.9 + 0.26 * len(shown))
    at = range(len(shown))
    axes.hlines(
        at, [each["low"] for each in shown], [each["high"] for each in shown], color=MUTED, linewidth=4
    )
    axes.scatter([each["mean"] for each in shown], at, color=ACCENT, zorder=3, s=26)
    named(axes.yaxis, [f"{each['column']}: {each['value']}" for each in shown], 44, fontsize=8)
    axes.set(xlabel="mean of the label")
    return png(figure)


def places(found: Mapping[str, Any]) -> bytes:
    """A point for each row, coloured by its label."""
    figure, axes = canvas(6.8, 5.0)
    where, values = np.array(found["places"]), np.array(found["label"])
    if found["words"] is None:
        low, high = np.quantile(values, [0.02, 0.98])
        shown = axes.scatter(
            where[:, 0], where[:, 1], c=np.clip(values, low, high), s=6, alpha=0.6, cmap="viridis"
        )
        figure.colorbar(shown, ax=axes, label="label")
    else:
        codes, counts = np.unique(values, return_counts=True)
        for place, code in enumerate(codes[np.argsort(-counts)][:8]):
            rows = values == code
            colour = COLOURS[place % len(COLOURS)]
            name = short(str(found["words"][int(code)]), 24)
            axes.scatter(where[rows, 0], where[rows, 1], s=6, alpha=0.6, color=colour, label=name)
        axes.legend(frameon=False, fontsize=8, markerscale=2)
    axes.set(xlabel="first component", ylabel="second component")
    return png(figure)


def isolation(found: Mapping[str, Any]) -> bytes:
    """Spread of the scores."""
    figure, axes = canvas(6.4, 2.4)
    _histogram(axes, found["bins"])
    axes.set(xlabel="isolation", ylabel="rows")
    logarithmic(axes.yaxis)
    return png(figure)


def learning(found: Sequence[Mapping[str, Any]]) -> bytes:
    """What parts of the rows explain, with two standard errors of the difference to all."""
    figure, axes = canvas(6.4, 3.2)
    rows = [each["rows"] for each in found]
    axes.errorbar(
        rows,
        [each["explained"] for each in found],
        yerr=[2 * each["error"] for each in found],
        color=ACCENT,
        marker="o",
        capsize=3,
    )
    axes.axhline(0, color=MUTED, linestyle="--", linewidth=1)
    axes.set(xlabel="rows to learn from", ylabel="explained")
    logarithmic(axes.xaxis)
    axes.set_xticks(rows, [f"{each:,}" for each in rows])
    axes.minorticks_off()
    return png(figure)


def _histogram(axes: Any, bins: Mapping[str, Any]) -> None:
    edges = np.array(bins["edges"])
    axes.bar(
        edges[:-1],
        bins["heights"],
        width=np.diff(edges),
        align="edge",
        color=ACCENT,
        edgecolor="white",
        linewidth=0.4,
    )


def _grid(count: int, height: float, wide: int = WIDE) -> tuple[Any, list[Any]]:
    """A figure with so many axes; those that are left over are not drawn."""
    figure = blank(9.2, height * -(-count // wide))
    cells = list(np.ravel(figure.subplots(-(-count // wide), wide, squeeze=False)))
    for axes in cells:
        axes.spines[["top", "right"]].set_visible(False)
    for axes in cells[count:]:
        axes.remove()
    return figure, cells[:count]


def _moments(axes: Any, partitions: Sequence[str], few: int = 10) -> None:
    ticks = list(range(0, len(partitions), max(1, len(partitions) // few)))
    axes.set_xticks(ticks, [partitions[at] for at in ticks], rotation=30, ha="right", fontsize=7)


def _floats(values: Sequence[float | None]) -> Any:
    return np.array([np.nan if each is None else each for each in values], dtype=float)
