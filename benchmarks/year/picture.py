"""The year as one picture: how good what was served was, what was told, what retrains brought."""

import io
from datetime import date, timedelta

from benchmarks.year.told import Told

COLOURS = {"page": "#b42318", "warn": "#c2571a", "info": "#9aa5b1"}
INK, ACCENT, MUTED = "#1f2933", "#1769aa", "#9aa5b1"
DAY = timedelta(days=1)


def draw(told: Told, project: str) -> bytes:
    """A PNG of three panels over one axis of days."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.dates import ConciseDateFormatter, date2num
    from matplotlib.figure import Figure

    def at(day: date) -> float:
        return float(date2num(day))

    rows = sorted({each.matter for each in told.alerts})
    figure = Figure(figsize=(11, 6.4 + 0.22 * len(rows)), layout="constrained")
    FigureCanvasAgg(figure)
    served, alerts, gains = figure.subplots(
        3, 1, sharex=True, gridspec_kw={"height_ratios": [3, max(1.0, 0.45 * len(rows)), 3]}
    )
    served.plot(
        [at(day) for day, *_ in told.weeks],
        [under for _, _, under in told.weeks],
        color=MUTED,
        label="the week's own mean, known only afterwards",
    )
    served.plot(
        [at(day) for day, *_ in told.weeks], [loss for _, loss, _ in told.weeks], color=ACCENT, label="served"
    )
    served.set(ylabel="mean loss a week", title=f"{project}: {told.days} days, one cycle each")
    served.legend(frameon=False, loc="upper left")
    for each in told.alerts:
        alerts.barh(
            rows.index(each.matter),
            (each.last - each.first + DAY).days,
            left=at(each.first),
            height=0.6,
            color=COLOURS[each.severity],
        )
    alerts.set(yticks=range(len(rows)), yticklabels=rows, ylim=(-0.6, max(0.6, len(rows) - 0.4)))
    alerts.set_ylabel("open alerts")
    alerts.legend(
        handles=[_patch(colour, severity) for severity, colour in COLOURS.items()],
        frameon=False,
        loc="upper left",
        ncols=3,
    )
    for retrain in told.retrains:
        for panel in (served, alerts, gains):
            panel.axvline(
                at(retrain.day),
                color=INK if retrain.promoted else MUTED,
                lw=0.8,
                ls="-" if retrain.promoted else ":",
            )
        if retrain.gain is not None:
            low, high = retrain.interval or (retrain.gain, retrain.gain)
            middle = at(retrain.day) + retrain.days / 2
            gains.plot([middle, middle], [low, high], color=ACCENT, lw=2)
            gains.plot([middle], [retrain.gain], "o", color=ACCENT)
    gains.axhline(0, color=MUTED, lw=0.8)
    gains.set(ylabel="brought (+ is better)")
    gains.set_xlabel("lines: retrains, dotted where the gate refused; bars: 90 % intervals on the days after")
    gains.xaxis_date()
    locator = gains.xaxis.get_major_locator()
    gains.xaxis.set_major_formatter(ConciseDateFormatter(locator))
    file = io.BytesIO()
    figure.savefig(file, format="png", dpi=110)
    return file.getvalue()


def _patch(colour: str, label: str) -> object:
    from matplotlib.patches import Patch

    return Patch(color=colour, label=label)
