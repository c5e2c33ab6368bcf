"""What the comparison's page shows of guardrails: a table, and a picture where one says more."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from mlcycle.adapters.pages import html, plots
from mlcycle.domain.guardrails.fairness import Group
from mlcycle.domain.guardrails.finding import Finding
from mlcycle.domain.metrics import Array


@dataclass(frozen=True)
class Guarded:
    """Findings and what their pictures are drawn of. ``before`` are the champion's predictions."""

    findings: Sequence[Finding] = ()
    labels: Array | None = None
    new: Array | None = None
    before: Array | None = None
    groups: dict[str, list[Group]] = field(default_factory=dict)


def section(guarded: Guarded, task: str, version: int) -> html.Section:
    """Each guardrail with its figure, its limit and its verdict."""
    pictures = []
    names = {finding.name for finding in guarded.findings}
    if "calibration" in names and guarded.labels is not None and guarded.new is not None:
        pictures.append(
            ("calibration", plots.fit_quality(task, guarded.labels, guarded.new, f"version {version}"))
        )
        if guarded.before is not None:
            pictures.append(
                (
                    "calibration of the champion",
                    plots.fit_quality(task, guarded.labels, guarded.before, "champion"),
                )
            )
    for column, groups in guarded.groups.items():
        if groups:
            rows = [(group.name, group.difference, group.low, group.high) for group in groups]
            pictures.append((f"fairness of {column}", plots.intervals(rows, f"{column}: against all others")))
    return html.Section(
        "Guardrails",
        "Limits that no gain buys off. One is broken where its figure is surely beyond the limit, with 95 %.",
        pictures,
        ["guardrail", "figure", "champion", "limit", "verdict", "why"],
        [
            [each.name, each.figure, each.champion, each.limit, "kept" if each.passed else "broken", each.why]
            for each in guarded.findings
        ],
    )
