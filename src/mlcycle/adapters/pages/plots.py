"""Plots of training, evaluation and comparison as PNG bytes; matplotlib, without a display."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime

import numpy as np

from mlcycle.adapters.pages.figures import ACCENT, INK, MUTED, OTHER, canvas, png
from mlcycle.domain.gate import Test
from mlcycle.domain.interval import Spread
from mlcycle.domain.metrics import Array, NotMeasured, Reading, calibration
from mlcycle.domain.paired import Paired
from mlcycle.domain.recommendations import Verdict
from mlcycle.domain.slices import Slice
from mlcycle.domain.tasks import task_of


def learning_curve(curve: Mapping[str, Sequence[float]], unit: str) -> bytes:
    """Loss of each round, a line for each of ``curve``'s names."""
    figure, axes = canvas(6.4, 3.6)
    colours = {"train_loss": OTHER, "validation_loss": ACCENT}
    for name, values in curve.items():
        rounds = range(1, len(values) + 1)
        marker = "o" if len(values) < 20 else ""
        axes.plot(rounds, values, marker=marker, label=name.replace("_", " "), color=colours.get(name, INK))
    axes.set(xlabel="round", ylabel=unit, title="Learning curve")
    axes.legend(frameon=False)
    return png(figure)


def fit_quality(task: str, labels: Array, predictions: Array, title: str) -> bytes:
    """Calibration of probabilities by tenths, or predicted against true values."""
    figure, axes = canvas(4.2, 4.0)
    labels, predictions = task_of(task).pictured(labels, predictions)
    if task_of(task).classifies:
        points = calibration(labels, predictions)
        predicted, seen = [p for p, _, _ in points], [s for _, s, _ in points]
        top = max(*predicted, *seen) * 1.05 or 1.0
        axes.plot([0, top], [0, top], color=MUTED, linestyle="--", label="perfect")
        axes.plot(predicted, seen, marker="o", color=ACCENT, label="tenths of the rows")
        axes.set(xlabel="mean prediction", ylabel="share that came true", title=title)
        axes.legend(frameon=False)
    else:
        shown = np.linspace(0, len(labels) - 1, min(len(labels), 2000)).astype(int)
        axes.scatter(labels[shown], predictions[shown], s=4, alpha=0.4, color=ACCENT)
        low, high = float(labels.min()), float(labels.max())
        axes.plot([low, high], [low, high], color=MUTED, linestyle="--")
        axes.set(xlabel="true", ylabel="predicted", title=title)
    return png(figure)


def bars(values: Mapping[str, float], title: str, unit: str, best: str) -> bytes:
    """One bar for each name, the best one in colour."""
    figure, axes = canvas(6.4, 0.7 + 0.42 * len(values))
    names = list(values)[::-1]
    drawn = axes.barh(
        names, [values[n] for n in names], color=[ACCENT if n == best else MUTED for n in names], height=0.6
    )
    large = max(abs(value) for value in values.values()) >= 100
    axes.bar_label(drawn, fmt="{:,.0f}" if large else "{:.4f}", padding=4, color=INK)
    axes.margins(x=0.22)
    axes.xaxis.set_major_formatter("{x:,.0f}" if large else "{x:g}")
    axes.locator_params(axis="x", nbins=5)
    axes.set(title=title, xlabel=unit)
    return png(figure)


def slice_bars(slices: Sequence[Slice], overall: float, unit: str, limit: int = 24) -> bytes:
    """The metric on each slice beside its value on all rows; the largest slices."""
    shown = sorted(slices, key=lambda s: -s.rows)[:limit][::-1]
    figure, axes = canvas(6.4, 0.9 + 0.26 * len(shown))
    names = [f"{s.name} ({s.rows}){', not measured' if _gap(s.metric) else ''}" for s in shown]
    axes.barh(names, [0.0 if _gap(s.metric) else s.metric for s in shown], color=ACCENT, height=0.6)
    axes.axvline(overall, color=OTHER, linestyle="--", label="all rows")
    axes.set(title="Slices (rows)", xlabel=unit)
    axes.legend(frameon=False, loc="lower right")
    return png(figure)


def gain(test: Test, spread: Spread) -> bytes:
    """Where the true gain may lie, what the gate asks for, and on which side of that it probably is."""
    from scipy.stats import t

    figure, axes = canvas(6.4, 3.4)
    low, high = spread.interval(0.9)
    reach = (
        max(high - spread.gain, abs(spread.gain - test.min_gain) * 1.1, abs(spread.gain) * 1.1, 1e-9) * 1.3
    )
    gains = np.linspace(spread.gain - reach, spread.gain + reach, 401)
    density = t.pdf((gains - spread.gain) / (spread.error or 1e-9), spread.freedom)
    axes.plot(gains, density, color=ACCENT)
    enough = gains >= test.min_gain
    axes.fill_between(gains, density, where=enough, color=ACCENT, alpha=0.25, label=test.wanted)
    axes.fill_between(gains, density, where=~enough, color=OTHER, alpha=0.25, label="not so")
    axes.plot([low, high], [0, 0], color=INK, linewidth=5, solid_capstyle="butt", label="90 % interval")
    axes.axvline(0, color=INK, linewidth=1)
    axes.axvline(spread.gain, color=ACCENT, linestyle=":", label=f"gain {spread.gain:+.4f}")
    if test.min_gain:
        axes.axvline(test.min_gain, color=OTHER, linestyle="--", label=_border(test.min_gain))
    title = f"{test.wanted} with {test.sure:.1%} confidence; the gate asks for {test.confidence:.1%}"
    axes.set(
        xlabel=f"gain in {test.paired.metric}; right of 0 the challenger is better", title=title.capitalize()
    )
    axes.set_yticks([])
    axes.legend(frameon=False, fontsize="small")
    return png(figure)


def _border(min_gain: float) -> str:
    return f"at worst: {min_gain:g}" if min_gain < 0 else f"at least: {min_gain:g}"


def block_gains(paired: Paired, starts: Sequence[datetime]) -> bytes:
    """The gain on each block of time alone; a cross where the metric is not defined on the block."""
    figure, axes = canvas(6.4, 3.0)
    gains = [0.0 if isinstance(value, NotMeasured) else value for value in paired.block_gains]
    axes.bar(range(len(starts)), gains, color=[ACCENT if value > 0 else OTHER for value in gains])
    axes.axhline(0, color=INK, linewidth=1)
    if gaps := [at for at, value in enumerate(paired.block_gains) if _gap(value)]:
        axes.plot(
            gaps, [0.0] * len(gaps), "x", color=INK, clip_on=False, label="not measured: one class only"
        )
        axes.legend(frameon=False)
    every = max(1, len(starts) // 14)
    ticks = list(range(0, len(starts), every))
    axes.set_xticks(ticks, [f"{starts[i]:%d %b}" for i in ticks], rotation=45, ha="right")
    axes.set(ylabel=f"gain in {paired.metric}", title="Gain by block of time")
    return png(figure)


def weekly(sums: Sequence[float], starts: Sequence[date], unit: str, over: str) -> bytes:
    """What was gained in each week, by its Monday."""
    figure, axes = canvas(7.2, 3.0)
    axes.bar(range(len(sums)), sums, color=[ACCENT if value > 0 else OTHER for value in sums])
    axes.axhline(0, color=INK, linewidth=1)
    ticks = list(range(0, len(starts), max(1, len(starts) // 12)))
    axes.set_xticks(ticks, [f"{starts[at]:%d %b}" for at in ticks], rotation=45, ha="right")
    axes.yaxis.set_major_formatter("{x:,.0f}")
    axes.set(ylabel=unit, title=f"Gained each week over {over}")
    return png(figure)


def effects(measured: Sequence[tuple[str, float, float, float]], worst: int = 40) -> bytes:
    """Each column's effect in units of its limit, and what is usual; the worst at the top.

    ``measured`` are a column's name, its effect, what is usual and the limit, all in the column's own unit.
    """
    shown = sorted(measured, key=lambda item: item[1] / item[3])[-worst:]
    figure, axes = canvas(7.2, 1.1 + 0.27 * len(shown))
    rows = range(len(shown))
    shares = [effect / limit for _, effect, _, limit in shown]
    axes.barh(
        rows, [usual / limit for _, _, usual, limit in shown], color="#e4e7eb", height=0.7, label="usual"
    )
    axes.axvline(1, color=INK, linewidth=1, label="limit")
    axes.scatter(
        shares,
        rows,
        s=36,
        color=[OTHER if share > 1 else ACCENT for share in shares],
        zorder=3,
        label="this window",
    )
    top = min(max([1.3, *(share * 1.25 for share in shares)]), 12.0)
    for row, (_, effect, _, limit) in zip(rows, shown, strict=True):
        at = min(effect / limit, top * 0.86)
        axes.annotate(
            f"{effect:.2f} of {limit:.2f}",
            (at, row),
            (8, -3),
            textcoords="offset points",
            fontsize=8,
            color=INK,
        )
    axes.set_yticks(rows, [name for name, *_ in shown])
    axes.set(
        xlim=(0, top),
        xlabel="effect, in units of the column's own limit",
        title="Each column against its null",
    )
    axes.legend(frameon=False, loc="lower right")
    return png(figure)


def shares(values: Mapping[str, float]) -> bytes:
    """A bar from 0 to 1 for each name, the first one at the top and in colour."""
    figure, axes = canvas(7.2, 0.7 + 0.34 * len(values))
    names = list(values)[::-1]
    colours = [MUTED] * (len(names) - 1) + [OTHER]
    drawn = axes.barh(names, [values[name] for name in names], color=colours, height=0.6)
    axes.bar_label(drawn, labels=[f"{values[name]:.0%}" for name in names], padding=4, color=INK)
    axes.set(xlim=(0, 1.12), title="What speaks for each")
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:.0%}")
    return png(figure)


def by_day(
    lines: Sequence[tuple[str, Sequence[datetime], Array]],
    title: str,
    colours: tuple[str, ...] = (MUTED, INK, OTHER),
) -> bytes:
    """Values of days, a colour for each of three kinds of days; a line at each kind's mean."""
    figure, axes = canvas(6.4, 3.0)
    for (name, moments, values), colour in zip(lines, colours, strict=True):
        if not len(moments):
            continue
        axes.scatter(moments, values, s=14, color=colour, label=name)
        axes.hlines(float(values.mean()), moments[0], moments[-1], color=colour, linewidth=2)
    axes.tick_params(axis="x", rotation=30)
    axes.set(title=title)
    axes.legend(frameon=False, fontsize="small")
    return png(figure)


def trace(moments: Sequence[datetime], values: Array, title: str, verdict: Verdict | None) -> bytes:
    """A figure over time, the last one in colour; what is usual and the limit where they are known."""
    figure, axes = canvas(6.4, 2.8)
    axes.plot(moments, values, color=MUTED, marker="o", markersize=4)
    worse = verdict is not None and verdict.worse
    axes.plot(moments[-1:], values[-1:], "o", color=OTHER if worse else ACCENT, label="this window", zorder=3)
    if verdict is not None:
        axes.axhline(verdict.usual, color=INK, linewidth=1, label="usual")
        axes.axhline(verdict.limit, color=OTHER, linestyle="--", linewidth=1, label="limit")
    axes.tick_params(axis="x", rotation=30)
    axes.set(title=title[0].upper() + title[1:])
    axes.legend(frameon=False, fontsize="small")
    return png(figure)


def intervals(rows: Sequence[tuple[str, float, float, float]], title: str, most: int = 24) -> bytes:
    """A figure with its interval for each name; those that lie furthest from nought."""
    shown = sorted(rows, key=lambda row: abs(row[1]))[-most:]
    shown.sort(key=lambda row: row[1])
    figure, axes = canvas(6.4, 1.0 + 0.27 * len(shown))
    at = range(len(shown))
    axes.hlines(at, [low for _, _, low, _ in shown], [high for *_, high in shown], color=MUTED, linewidth=4)
    axes.scatter([value for _, value, _, _ in shown], at, color=ACCENT, zorder=3, s=30)
    axes.axvline(0, color=INK, linewidth=1)
    axes.set_yticks(at, [name for name, *_ in shown])
    axes.set(title=title)
    return png(figure)


def _gap(value: Reading) -> bool:
    return isinstance(value, NotMeasured)
