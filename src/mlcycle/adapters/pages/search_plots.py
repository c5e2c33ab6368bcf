"""Plots of a search as PNG bytes: how it went, and what its values depend on."""

from collections.abc import Mapping, Sequence
from typing import Any

from mlcycle.adapters.pages import figures, plots
from mlcycle.domain.search import Dimension, Tried, label


def history(tried: Sequence[Tried], metric: str, *, higher: bool, own: float | None) -> bytes:
    """Each trial's value by its number, the best so far as a line, pruned and failed ones as marks below."""
    figure, axes = figures.canvas(7.2, 3.6)
    told = [(each.number, each.value) for each in tried if each.state == "told" and each.value is not None]
    so_far: list[float] = []
    for _, value in told:
        so_far.append(value if not so_far else (max if higher else min)(so_far[-1], value))
    numbers = [number for number, _ in told]
    axes.scatter(numbers, [value for _, value in told], s=22, color=figures.MUTED, label="trial")
    axes.step(numbers, so_far, where="post", color=figures.ACCENT, label="best so far")
    if own is not None:
        axes.axhline(own, color=figures.OTHER, linestyle="--", label="the project's own parameters")
    for state, marker in (("pruned", "|"), ("failed", "x"), ("lost", "x")):
        at = [each.number for each in tried if each.state == state]
        if at:
            axes.plot(
                at,
                [0.02] * len(at),
                marker,
                transform=axes.get_xaxis_transform(),
                color=figures.INK,
                label=state,
            )
    axes.set(xlabel="trial", ylabel=f"{metric} on validation", title="How the search went")
    axes.xaxis.get_major_locator().set_params(integer=True)
    axes.legend(frameon=False, fontsize="small")
    return figures.png(figure)


def against(
    name: str, dimension: Dimension, tried: Sequence[Tried], metric: str, best: Tried | None
) -> bytes:
    """The values of trials that went to their end against one parameter."""
    figure, axes = figures.canvas(3.9, 3.0)
    told = [each for each in tried if each.state == "told" and name in each.values]
    at: Any = [each.values[name] for each in told]
    if dimension.kind == "choice":
        words = [label(choice) for choice in dimension.choices]
        at = [words.index(label(value)) for value in at]
        axes.set_xticks(range(len(words)), words, rotation=20 if max(map(len, words)) > 6 else 0)
    elif dimension.log:
        figures.logarithmic(axes.xaxis)
        ratio = (dimension.high / dimension.low) ** (1 / 3)
        ticks = [dimension.low * ratio**step for step in range(4)]
        axes.set_xticks(ticks, [f"{float(f'{tick:.2g}'):g}" for tick in ticks])
        axes.minorticks_off()
    axes.scatter(at, [each.value for each in told], s=18, color=figures.MUTED)
    if best is not None and best in told:
        axes.scatter([at[told.index(best)]], [best.value], s=46, color=figures.ACCENT, zorder=3)
    axes.set(xlabel=name, ylabel=metric)
    return figures.png(figure)


def importance(shares: Mapping[str, float]) -> bytes:
    """The share of the values' variance that each parameter explains."""
    return plots.bars(
        shares, "What the values depend on", "share of their variance", max(shares, key=lambda n: shares[n])
    )
