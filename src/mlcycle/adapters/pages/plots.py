"""Plots of training, evaluation and comparison as PNG bytes; matplotlib, without a display."""

import io
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

import numpy as np

from mlcycle.domain.bootstrap import Paired
from mlcycle.domain.metrics import Array, NotMeasured, Reading, calibration
from mlcycle.domain.slices import Slice

INK, ACCENT, OTHER, MUTED = "#1f2933", "#1769aa", "#c2571a", "#9aa5b1"


def learning_curve(curve: Mapping[str, Sequence[float]], unit: str) -> bytes:
    """Loss of each round, a line for each of ``curve``'s names."""
    figure, axes = _figure(6.4, 3.6)
    colours = {"train_loss": OTHER, "validation_loss": ACCENT}
    for name, values in curve.items():
        rounds = range(1, len(values) + 1)
        marker = "o" if len(values) < 20 else ""
        axes.plot(rounds, values, marker=marker, label=name.replace("_", " "), color=colours.get(name, INK))
    axes.set(xlabel="round", ylabel=unit, title="Learning curve")
    axes.legend(frameon=False)
    return _png(figure)


def fit_quality(task: str, labels: Array, predictions: Array, title: str) -> bytes:
    """Calibration of probabilities by tenths, or predicted against true values."""
    figure, axes = _figure(4.2, 4.0)
    if task == "classification":
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
    return _png(figure)


def bars(values: Mapping[str, float], title: str, unit: str, best: str) -> bytes:
    """One bar for each name, the best one in colour."""
    figure, axes = _figure(6.4, 0.7 + 0.42 * len(values))
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
    return _png(figure)


def slice_bars(slices: Sequence[Slice], overall: float, unit: str, limit: int = 24) -> bytes:
    """The metric on each slice beside its value on all rows; the largest slices."""
    shown = sorted(slices, key=lambda s: -s.rows)[:limit][::-1]
    figure, axes = _figure(6.4, 0.9 + 0.26 * len(shown))
    names = [f"{s.name} ({s.rows}){', not measured' if _gap(s.metric) else ''}" for s in shown]
    axes.barh(names, [0.0 if _gap(s.metric) else s.metric for s in shown], color=ACCENT, height=0.6)
    axes.axvline(overall, color=OTHER, linestyle="--", label="all rows")
    axes.set(title="Slices (rows)", xlabel=unit)
    axes.legend(frameon=False, loc="lower right")
    return _png(figure)


def bootstrap(paired: Paired, min_gain: float, confidence: float) -> bytes:
    """How the gain spreads over the draws, with what the gate asks for."""
    figure, axes = _figure(6.4, 3.4)
    axes.hist(paired.samples, bins=40, color=ACCENT, alpha=0.85)
    low, high = paired.interval(0.9)
    axes.axvspan(low, high, color=ACCENT, alpha=0.12, label="90 % of the draws")
    axes.axvline(0, color=INK, linewidth=1)
    axes.axvline(paired.gain, color=OTHER, label=f"gain {paired.gain:+.4f}")
    if min_gain:
        axes.axvline(min_gain, color=OTHER, linestyle="--", label=f"asked for: {min_gain:g}")
    sure = paired.probability(min_gain)
    axes.set(
        xlabel=f"gain in {paired.metric}; right of 0 the challenger is better",
        ylabel="draws",
        title=f"Better in {sure:.1%} of the draws; the gate asks for {confidence:.0%}",
    )
    axes.legend(frameon=False)
    return _png(figure)


def block_gains(paired: Paired, starts: Sequence[datetime]) -> bytes:
    """The gain on each block of time alone; a cross where the metric is not defined on the block."""
    figure, axes = _figure(6.4, 3.0)
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
    return _png(figure)


def _gap(value: Reading) -> bool:
    return isinstance(value, NotMeasured)


def _figure(width: float, height: float) -> tuple[Any, Any]:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(colors=INK)
    return figure, axes


def _png(figure: Any) -> bytes:
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=110)
    return stream.getvalue()
