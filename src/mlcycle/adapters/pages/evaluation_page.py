"""The page that shows how the candidates of a training did on the holdout."""

from dataclasses import dataclass, field
from typing import Any

from mlcycle.adapters.pages import html as pages
from mlcycle.adapters.pages import plots
from mlcycle.domain.dataset import DatasetManifest
from mlcycle.domain.metrics import Array, Reading, gain, shown
from mlcycle.domain.slices import Slice
from mlcycle.domain.tasks import task_of
from mlcycle.domain.value import Worth
from mlcycle.project import Project


@dataclass
class Measured:
    """One candidate on the holdout. ``train`` is what its train step handed over.

    ``worth`` is known once the heuristic among them is measured.
    """

    name: str
    train: dict[str, Any]
    predictions: Array
    metrics: dict[str, float]
    slices: list[Slice]
    validation: Reading  # the metric on the validation rows, by which the best is chosen
    worth: Worth = field(init=False)

    @property
    def all(self) -> dict[str, float]:
        """Metrics, and the value gained over each way of acting as before."""
        return {**self.metrics, **self.worth.metrics}


def render(
    project: Project, manifest: DatasetManifest, measured: list[Measured], best: Measured, labels: Array
) -> bytes:
    """One HTML page. The first of ``measured`` is the zero rule."""
    metric, task = project.evaluation.metric, project.label.task
    bounds = manifest.splits["holdout"]
    zero = measured[0]
    # Of quantiles each level's own would be a score of columns: the model's page has them.
    names = [name for name in best.metrics if not name.startswith(("pinball_", "below_", "interval_score_"))]
    table = [
        [
            one.name,
            shown(one.validation),
            *(f"{one.metrics[n]:.4f}" if n in one.metrics else "not measured" for n in names),
            *(f"{amount:+,.0f}" for amount in one.worth.gains.values()),
        ]
        for one in sorted(measured, key=lambda m: -gain(metric, 0.0, m.metrics[metric]))
    ]
    heuristic = next((one for one in measured if one.name == project.evaluation.heuristic), None)
    points = [
        f"{best.name} has the best {metric} on the validation rows, which come before the holdout and decide "
        "alone: what is judged on the holdout was not chosen on it.",
        f"On the holdout it has {best.metrics[metric]:.4f}, against {zero.metrics[metric]:.4f} "
        f"of the zero rule (the training {'quantiles' if project.label.quantiles else 'mean'} for every row)"
        + (f" and {heuristic.metrics[metric]:.4f} of the heuristic {heuristic.name}." if heuristic else "."),
        pages.gained(best.worth, project.value.currency),
    ]
    if (sample := best.train.get("sample")) is not None:
        points.append(
            f"{best.name} learnt from a {sample['text']}. "
            + (
                "Each drawn row weighs one over the chance that it had: probabilities are of all rows."
                if sample["corrected"]
                else "Drawn rows weigh as they are: probabilities are of the sample's shares, not calibrated."
            )
        )
    if project.training.class_weight:
        points.append(
            "Classes were weighted in training: probabilities are of the weighted shares, not calibrated."
        )
    calibrated = [
        (one.name, plots.fit_quality(task, labels, one.predictions, one.name)) for one in measured[1:]
    ]
    against, beside = _beside(best, heuristic)
    bars = [
        (metric, plots.bars({m.name: m.metrics[metric] for m in measured}, metric, metric, best.name)),
        (
            "value",
            plots.bars(
                {m.name: m.worth.gains[beside] for m in measured},
                f"Value gained over {against}",
                project.value.currency,
                best.name,
            ),
        ),
    ]
    sections = [
        pages.Section(
            "Candidates",
            "",
            bars,
            [
                "candidate",
                f"{metric} on validation",
                *names,
                *(f"{project.value.currency} over {name}" for name in best.worth.gains),
            ],
            table,
        ),
        pages.Section(task_of(task).fit_title, "", calibrated),
    ]
    if best.slices:
        chart = plots.slice_bars(best.slices, best.metrics[metric], metric)
        sections.append(pages.Section(f"Slices of {best.name}", "", [("slices", chart)]))
    return pages.render(
        f"{project.name}: candidates on the holdout",
        f"{len(labels)} rows from {bounds.start:%Y-%m-%d %H:%M} to {bounds.end:%Y-%m-%d %H:%M} UTC, "
        f"later than all that was trained on. Dataset {manifest.digest[:12]}.",
        sections,
        points=points,
    )


def _beside(best: Measured, heuristic: Measured | None) -> tuple[str, str]:
    """What the bars of value are measured from: in words, and its name among the gains."""
    if heuristic is not None:
        return f"the heuristic ({heuristic.name})", "heuristic"
    return pages.BEFORE[best.worth.usual], best.worth.usual
