"""The page that shows how a challenger and a champion compared, and why the gate judged as it did."""

from dataclasses import dataclass, field
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from mlcycle.adapters.pages import guardrails_section, plots
from mlcycle.adapters.pages import html as pages
from mlcycle.adapters.pages.guardrails_section import Guarded
from mlcycle.domain.dataset import DatasetManifest
from mlcycle.domain.gate import Decision, Test
from mlcycle.domain.metrics import Array, NotMeasured, shown
from mlcycle.domain.slices import SliceChange
from mlcycle.domain.value import Worth
from mlcycle.project import Project


@dataclass(frozen=True)
class Rival:
    """Whom a challenger is measured against: the champion, the anchor, the heuristic, the zero rule."""

    name: str
    version: int | None
    seq: int  # of the champion; 0 of everybody else
    predictions: Array

    @property
    def is_anchor(self) -> bool:
        """The best model ever proven, in its own right."""
        return self.version is not None and not self.seq


@dataclass(frozen=True)
class Compared:
    """A comparison with its verdict. ``blocks`` (rows,) numbers each row's block of time from 1970.

    Who is in place is the first of ``rivals``, and of ``tests``, which belong to them.
    """

    rivals: list[Rival]
    tests: list[Test]
    since: datetime  # rows of the holdout from here on were compared on
    manifest: DatasetManifest
    rows: int
    blocks: NDArray[np.int64]
    slices: list[SliceChange]
    decision: Decision
    notes: list[str]
    old_worth: Worth
    new_worth: Worth
    guarded: Guarded = field(default_factory=Guarded)

    @property
    def reasons(self) -> list[str]:
        """Why the gate judged so, and what else to know."""
        return [*self.decision.reasons, *filter(None, self.notes)]


def render(project: Project, version: int, candidate: str, compared: Compared) -> bytes:
    """One HTML page: the verdict, where the gain may lie, blocks of time, what it is worth, the slices."""
    gate, rival, test = project.gate, compared.rivals[0], compared.tests[0]
    paired = test.paired
    seconds = int(gate.block.total_seconds())
    starts = [datetime.fromtimestamp(int(block) * seconds, UTC) for block in np.unique(compared.blocks)]
    bounds = compared.manifest.splits["holdout"]
    sections = [
        pages.Section(
            "How sure it is",
            "Where the true gain may lie, judged by how it varies over blocks of time, neighbours not taken "
            "as independent. The verdict and the interval come from this one distribution.",
            [
                *([("gain", plots.gain(test, paired.spread))] if paired.spread else []),
                ("gain by block of time", plots.block_gains(paired, starts)),
            ],
            ["against", paired.metric, "gain", "90 % interval", "asked for", "confidence", "passed"],
            [_tested(each) for each in compared.tests],
        ),
        pages.Section(
            "What it is worth",
            f"Version {version} gains {compared.new_worth.total - compared.old_worth.total:+,.0f} "
            f"{project.value.currency} over {rival.name} on these rows. Beside acting as before:",
            head=["", paired.metric, *(f"over {pages.BEFORE[name]}" for name in compared.new_worth.before)],
            rows=[
                _row(rival.name, paired.old, compared.old_worth),
                _row(f"version {version} ({candidate})", paired.new, compared.new_worth),
            ],
        ),
    ]
    if compared.guarded.findings:
        sections.append(guardrails_section.section(compared.guarded, project.label.task, version))
    if compared.slices:
        rows = [
            [
                *(s.name, str(s.rows), shown(s.old), shown(s.new)),
                "" if isinstance(s.loss, NotMeasured) else f"{-s.loss:+.4f}",
                "" if s.shrunk is None else f"{-s.shrunk:+.4f}",
                "" if s.bound is None else f"{-s.bound:+.4f}",
            ]
            for s in compared.slices
        ]
        sections.append(
            pages.Section(
                "Slices",
                f"Those of {gate.min_slice_rows} rows or more. Positive is better. At most: what no slice's "
                "true gain is beyond, all looked at together. The gate refuses where that is below nought "
                f"and the loss more than {gate.max_slice_loss:g}. Drawn together: what of a slice's gain is "
                "not luck, seen beside the column's other slices.",
                head=["slice", "rows", "before", f"version {version}", "gain", "drawn together", "at most"],
                rows=rows,
            )
        )
    return pages.render(
        f"{project.name}: version {version} ({candidate}) against {rival.name}",
        f"{compared.rows} rows from {compared.since:%Y-%m-%d %H:%M} to {bounds.end:%Y-%m-%d %H:%M} UTC. "
        f"Dataset {compared.manifest.digest[:12]}.",
        sections,
        verdict=compared.decision.verdict,
        good=compared.decision.verdict == "promote",
        points=compared.reasons,
    )


def _tested(test: Test) -> list[str]:
    low, high = test.paired.spread.interval(0.9) if test.paired.spread else (0.0, 0.0)
    return [
        *(test.rival, f"{test.paired.old:.4f}", f"{test.paired.gain:+.4f}", f"{low:+.4f} to {high:+.4f}"),
        *(f"{test.wanted} with {test.confidence:.1%}", f"{test.sure:.1%}", "yes" if test.passed else "no"),
    ]


def _row(name: str, metric: float, worth: Worth) -> list[str]:
    return [name, f"{metric:.4f}", *(f"{amount:+,.0f}" for amount in worth.gains.values())]
