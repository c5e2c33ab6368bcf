"""The page that shows how a challenger and a champion compared, and why the gate judged as it did."""

from dataclasses import dataclass
from datetime import UTC, datetime

import numpy as np
from numpy.typing import NDArray

from mlcycle.adapters.pages import html as pages
from mlcycle.adapters.pages import plots
from mlcycle.domain.bootstrap import Paired
from mlcycle.domain.dataset import DatasetManifest
from mlcycle.domain.gate import Decision
from mlcycle.domain.metrics import Array, NotMeasured, shown
from mlcycle.domain.slices import SliceChange
from mlcycle.domain.value import Worth
from mlcycle.project import Project


@dataclass(frozen=True)
class Rival:
    """What a challenger is measured against: the champion, or the zero rule where there is none."""

    name: str
    version: int | None
    seq: int  # 0 where there is no champion
    predictions: Array
    warning: str = ""


@dataclass(frozen=True)
class Compared:
    """A comparison with its verdict. ``blocks`` (rows,) numbers each row's block of time from 1970."""

    rival: Rival
    manifest: DatasetManifest
    rows: int
    paired: Paired
    blocks: NDArray[np.int64]
    slices: list[SliceChange]
    decision: Decision
    old_worth: Worth
    new_worth: Worth

    @property
    def reasons(self) -> list[str]:
        """Why the gate judged so, and what else to know."""
        return [*self.decision.reasons, *([self.rival.warning] if self.rival.warning else [])]


def render(project: Project, version: int, candidate: str, compared: Compared) -> bytes:
    """One HTML page: the verdict, the draws, each block of time, what it is worth, the slices."""
    gate, paired, rival = project.gate, compared.paired, compared.rival
    seconds = int(gate.block.total_seconds())
    starts = [datetime.fromtimestamp(int(block) * seconds, UTC) for block in np.unique(compared.blocks)]
    bounds = compared.manifest.splits["holdout"]
    sections = [
        pages.Section(
            "How sure it is",
            "Whole blocks of time are drawn with replacement; both are measured on each draw.",
            [
                ("gain over the draws", plots.bootstrap(paired, gate.min_gain, gate.confidence)),
                ("gain by block of time", plots.block_gains(paired, starts)),
            ],
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
    if compared.slices:
        rows = [
            [
                *(s.name, str(s.rows), shown(s.old), shown(s.new)),
                "" if isinstance(s.loss, NotMeasured) else f"{-s.loss:+.4f}",
            ]
            for s in compared.slices
        ]
        sections.append(
            pages.Section(
                "Slices",
                f"Those of {gate.min_slice_rows} rows or more. Positive is better; the gate allows a loss of "
                f"{gate.max_slice_loss:g} in each.",
                head=["slice", "rows", "before", f"version {version}", "gain"],
                rows=rows,
            )
        )
    return pages.render(
        f"{project.name}: version {version} ({candidate}) against {rival.name}",
        f"{compared.rows} rows from {bounds.start:%Y-%m-%d %H:%M} to {bounds.end:%Y-%m-%d %H:%M} UTC. "
        f"Dataset {compared.manifest.digest[:12]}.",
        sections,
        verdict=compared.decision.verdict,
        good=compared.decision.verdict == "promote",
        points=compared.reasons,
    )


def _row(name: str, metric: float, worth: Worth) -> list[str]:
    return [name, f"{metric:.4f}", *(f"{amount:+,.0f}" for amount in worth.gains.values())]
