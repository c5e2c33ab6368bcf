"""The page of one model: every part that found something, and what was left out."""

from collections.abc import Callable
from typing import Any

from mlcycle.adapters.pages import html as pages
from mlcycle.adapters.pages.evaluation import quantile_section, rows_sections, score_sections
from mlcycle.adapters.pages.evaluation.words import figure, interval, named, number
from mlcycle.domain.evaluation.document import Document

Sections = Callable[[Document, dict[str, Any]], list[pages.Section]]

SECTIONS: dict[str, Sections] = {
    "figures": score_sections.figures,
    "baselines": score_sections.baselines,
    "threshold": score_sections.threshold,
    "calibration": score_sections.calibration,
    "quantiles": quantile_section.quantiles,
    "abstention": score_sections.abstention,
    "residuals": score_sections.residuals,
    "slices": rows_sections.slices,
    "errors": rows_sections.errors,
    "fairness": rows_sections.fairness,
    "importance": rows_sections.importance,
    "dependence": rows_sections.dependence,
    "morris": rows_sections.morris,
    "shapley": rows_sections.shapley,
    "behaviour": rows_sections.behaviour,
    "coverage": rows_sections.coverage,
    "learning_curve": score_sections.learning_curve,
    "cost": score_sections.cost,
}


def render(document: Document) -> bytes:
    """One HTML page."""
    sections = []
    for name, make in SECTIONS.items():
        if found := document.found(name):
            sections += make(document, found)
    return pages.render(
        f"{document.project}: {document.candidate} ({document.family}), evaluated",
        f"{document.rows:,} rows in {document.blocks} blocks of time from {document.start:%Y-%m-%d %H:%M} to "
        f"{document.end:%Y-%m-%d %H:%M} UTC, later than all that was trained on. Dataset "
        f"{document.dataset_digest[:12]}, run {document.run_id}. All of it stands in evaluation.json.",
        [*sections, _parts(document)],
        points=summary(document),
    )


def summary(document: Document) -> list[str]:
    """What somebody who reads nothing else should know."""
    found = []
    beside = document.found("baselines")
    if beside:
        metric, figures = beside["metric"], document.found("figures")
        if metric in figures:
            between = interval(figures[metric]) or figures[metric]["why"]
            found.append(f"{named(metric)} {number(figures[metric]['value'])}; 95 % interval: {between}.")
        for key, other in beside["others"].items():
            gain = other["gain"]
            if key != "random" and gain["value"] is not None:
                sure = "surely " if gain["low"] is not None and gain["low"] * gain["high"] > 0 else ""
                how = "better" if gain["value"] > 0 else "worse" if gain["value"] < 0 else "different"
                hint = "" if sure or gain["low"] is None else ", which may be luck"
                found.append(f"Against {other['name']}: {sure}{how} by {number(abs(gain['value']))}{hint}.")
    if at := document.found("threshold"):
        gain = at["gain"]
        if gain["low"] is not None and gain["low"] > 0:
            found.append(
                f"Acting from {number(at['chosen'])} up instead of {number(at['threshold'])} surely earns "
                f"more: {figure(gain)} {document.currency} on these rows."
            )
    if curves := document.found("calibration").get("curves"):
        better = [name for name, curve in curves.items() if curve["better"]]
        if better:
            found.append(f"Predictions would surely be better after {' or '.join(better)} calibration.")
    if sliced := document.found("slices"):
        found.append(
            f"{sliced['surely_worse']} of {sliced['looked_at']} slices are surely worse than all other rows."
        )
    found += [f"Not as declared: {words}." for words in broken(document)]
    return found


def broken(document: Document) -> list[str]:
    """Declared behaviour that the model does not keep."""
    found = document.found("behaviour")
    return [
        *(
            f"{name} must not matter, and {each['rows_moved']:.1%} of rows change with it"
            for name, each in found.get("must_not_matter", {}).items()
            if not each["kept"]
        ),
        *(
            f"more of {name} must mean {'more' if each['way'] == 'up' else 'less'}, and "
            f"{each['against']:.1%} of rows answer the other way"
            for name, each in found.get("directions", {}).items()
            if not each["kept"]
        ),
    ]


def _parts(document: Document) -> pages.Section:
    return pages.Section(
        "Parts of this evaluation",
        "Which run is said by evaluation.parts and evaluation.budget of the project.",
        head=["part", "state", "seconds", "why"],
        rows=[
            [name.replace("_", " "), part.status, f"{part.seconds:.2f}", part.why]
            for name, part in document.parts.items()
        ],
    )
