"""Figures as all pages draw them, out of names and values that the platform did not choose."""

import io
from typing import Any, Final

INK, ACCENT, OTHER, MUTED = "#1f2933", "#1769aa", "#c2571a", "#9aa5b1"
DOTS_PER_INCH: Final = 110


def blank(width: float, height: float) -> Any:
    """A figure of so many inches without axes; matplotlib, without a display."""
    import matplotlib
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    # A value like "$5 to $10" is no formula; taken for one, the step that draws it would fail.
    matplotlib.rcParams["text.parse_math"] = False
    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def canvas(width: float, height: float) -> tuple[Any, Any]:
    """A figure of so many inches and its axes, as all plots look."""
    figure = blank(width, height)
    axes = figure.subplots()
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(colors=INK)
    return figure, axes


def logarithmic(axis: Any) -> None:
    """An axis in powers of ten whose numbers are written out; matplotlib's own are formulas."""
    axis.axes.set(**{f"{axis.axis_name}scale": "log"})
    axis.set_major_formatter(lambda value, _: f"{value:,g}")
    axis.set_minor_formatter(lambda *_: "")


def named(axis: Any, names: list[str], most: int, **text: Any) -> None:
    """Ticks at 0, 1, ... with these names, which need not differ; see ``short``."""
    axis.set_ticks(range(len(names)), [short(name, most) for name in names], **text)


def short(name: str, most: int) -> str:
    """Its beginning and its end where it has more letters: long names differ at their ends."""
    if len(name) <= most:
        return name
    end = most // 2 - 1
    return f"{name[: most - end - 1]}…{name[-end:]}"


def png(figure: Any) -> bytes:
    """The figure's bytes."""
    stream = io.BytesIO()
    figure.savefig(stream, format="png", dpi=DOTS_PER_INCH)
    return stream.getvalue()
