"""The page of what freshness is worth: figures by age, by length, and by how often a project retrains."""

from collections.abc import Mapping
from typing import Any

from mlcycle.adapters.pages import figures
from mlcycle.adapters.pages import html as pages


def render(document: Mapping[str, Any]) -> bytes:
    """One HTML page out of ``freshness.json``; every text is escaped."""
    metric, ages, every = document["metric"], document["ages"], document["every"]
    best = every[0]
    sure = best["worth"]["low"] is not None and best["worth"]["low"] > 0
    most = f"{best['instead_of_days']:g}"
    sections = [
        pages.Section(
            "By age",
            f"Each window is {document['window_days']} days long and ends so many days before the newest "
            f"train row. How much worse than the freshest, with intervals of {document['confidence']:.0%} by "
            "blocks of time.",
            [("loss by age", _by_age(document))],
            ["age, days", "rows", metric, "worse by", "interval"],
            [
                [
                    f"{each['days']:g}",
                    f"{each['rows']:,}",
                    f"{each['value']:.5f}",
                    *_figures(each["fresh_better_by"]),
                ]
                for each in ages
            ],
        ),
        pages.Section(
            "By how often",
            f"What retraining gains over doing so every {most} days, on average over the ages of a model.",
            head=["every, days", "lost to always fresh", "worth", "interval"],
            rows=[
                [f"{each['days']:g}", f"{each['loss_to_always_fresh']:+.5f}", *_figures(each["worth"])]
                for each in every
            ],
        ),
        pages.Section(
            "By length",
            "Windows that end with the newest train row.",
            head=["days", "rows", metric],
            rows=[
                [
                    f"{each['days']}",
                    f"{each['rows']:,}",
                    "" if each["value"] is None else f"{each['value']:.5f}",
                ]
                for each in document["lengths"]
            ],
        ),
    ]
    return pages.render(
        f"{document['project']}: what freshness is worth",
        f"{document['candidate']} ({document['family']}), measured on {document['rows']:,} validation rows, "
        f"{document['start'][:10]} to {document['end'][:10]}, {document['blocks']} blocks of time. "
        f"Dataset {document['dataset_digest'][:12]}.",
        sections,
        verdict="retraining "
        + "; ".join(
            f"every {each['days']:g} days: {' '.join(_figures(each['worth'], words=True))}" for each in every
        )
        + f" of {metric}, over every {most} days",
        good=sure,
        points=[
            "One moment is measured: an older window is another season as well, and what it costs here it "
            "need not cost later. Ask again with a newer snapshot.",
            "The holdout was not read. A fit that stops early looks at these rows, in each window alike.",
        ],
    )


def _figures(figure: Mapping[str, Any], *, words: bool = False) -> list[str]:
    value = f"{figure['value']:+.5f}"
    if figure["low"] is None:
        return [value, "too few blocks"]
    if words:
        return [value, f"± {(figure['high'] - figure['low']) / 2:.5f}"]
    return [value, f"{figure['low']:+.5f} to {figure['high']:+.5f}"]


def _by_age(document: Mapping[str, Any]) -> bytes:
    figure, axes = figures.canvas(7.2, 3.6)
    ages = document["ages"]
    at = [each["days"] for each in ages]
    gains = [each["fresh_better_by"] for each in ages]
    axes.axhline(0, color=figures.MUTED, linestyle="--")
    if gains[-1]["low"] is not None:
        axes.fill_between(
            at,
            [gain["low"] for gain in gains],
            [gain["high"] for gain in gains],
            color=figures.ACCENT,
            alpha=0.15,
            linewidth=0,
        )
    axes.plot(at, [gain["value"] for gain in gains], marker="o", color=figures.ACCENT)
    axes.set(xlabel="age, days", ylabel=f"worse than fresh, {document['metric']}", title="What age costs")
    return figures.png(figure)
