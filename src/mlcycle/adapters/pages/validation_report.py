"""The page that shows what validation found: one file, no scripts, nothing loaded from elsewhere."""

from collections import Counter
from typing import Any

from mlcycle.adapters.delivery.checking import Batch
from mlcycle.adapters.pages.templating import template

COLOURS = [
    ("accepted", "#2f9e62"),
    ("duplicates", "#8e9bb0"),
    ("quarantined", "#e8962e"),
    ("stopped", "#c8372d"),
]
MAX_BARS = 400  # more partitions than that share bars
MAX_EXAMPLES = 100
MAX_LISTED = 400
WIDTH, HEIGHT, LEFT = 1000, 180, 52


def render_report(project: str, table: str, batches: list[Batch], rules: list[tuple[str, str]]) -> str:
    """The report as HTML. What came from outside is escaped: a cell is text, never markup."""
    counted = [_counted(batch) for batch in batches]
    failing: Counter[str] = Counter()
    for batch in batches:
        failing.update(batch.violations)
        failing.update(batch.warnings)
    named = dict(rules)
    rows = [(rule, severity, failing[rule]) for rule, severity in rules]
    rows += [(rule, "always", count) for rule, count in failing.most_common() if rule not in named]
    examples = [(batch.partition.key, row) for batch in batches for row in batch.bad[:MAX_EXAMPLES]]
    odd = [b for b in batches if b.stopped or b.bad or b.notes or b.counts.duplicates]
    odd.sort(key=lambda batch: not batch.stopped)
    return template("validation.html.j2").render(
        project=project,
        table=table,
        batches=batches,
        totals=[("rows", sum(b.counts.rows for b in batches))]
        + [(name, sum(entry[name] for entry in counted)) for name, _ in COLOURS]
        + [("partitions stopped", sum(b.stopped for b in batches))],
        colours=COLOURS,
        plot=_plot(batches, counted),
        rules=rows,
        examples=examples[:MAX_EXAMPLES],
        more=sum(b.counts.quarantined for b in batches) > MAX_EXAMPLES,
        listed=(batches if len(batches) <= 40 else odd)[:MAX_LISTED],
    )


def warm_up() -> None:
    """Compile the template."""
    template("validation.html.j2")


def _counted(batch: Batch) -> dict[str, int]:
    """Rows by what became of them; every row of a stopped batch is stopped."""
    counts = batch.counts
    if batch.stopped:
        return {"accepted": 0, "duplicates": 0, "quarantined": 0, "stopped": counts.rows}
    return {
        "accepted": counts.accepted,
        "duplicates": counts.duplicates,
        "quarantined": counts.quarantined,
        "stopped": 0,
    }


def _plot(batches: list[Batch], counted: list[dict[str, int]]) -> dict[str, Any]:
    """Stacked bars, one for each partition, or for a few of them where there are very many."""
    each = -(-len(batches) // MAX_BARS)
    groups = [range(at, min(at + each, len(batches))) for at in range(0, len(batches), each)]
    highest = max(1, *(sum(sum(counted[at].values()) for at in group) for group in groups))
    step = (WIDTH - LEFT) / len(groups)
    bars = []
    for number, group in enumerate(groups):
        first, last = batches[group[0]].partition.key, batches[group[-1]].partition.key
        base = float(HEIGHT)
        for name, colour in COLOURS:
            count = sum(counted[at][name] for at in group)
            unread = name == "stopped" and any(
                batches[at].stopped and not batches[at].counts.rows for at in group
            )
            if not count and not unread:
                continue
            height = max(6 if unread else 1.5, count / highest * (HEIGHT - 12))
            base -= height
            bars.append(
                {
                    "x": round(LEFT + number * step + step * 0.08, 2),
                    "y": round(base, 2),
                    "width": round(min(step * 0.84, 60), 2),
                    "height": round(height, 2),
                    "colour": colour,
                    "title": f"{first if first == last else f'{first} to {last}'}: "
                    + ("stopped before its rows were read" if unread and not count else f"{count:,} {name}"),
                }
            )
    ticks = [
        {"y": round(HEIGHT - share * (HEIGHT - 12), 1), "label": f"{round(highest * share):,}"}
        for share in (0, 0.5, 1)
    ]
    labels = [{"x": LEFT, "anchor": "start", "text": batches[0].partition.key}]
    if len(batches) > 1:
        labels.append({"x": WIDTH, "anchor": "end", "text": batches[-1].partition.key})
    return {"width": WIDTH, "height": HEIGHT, "left": LEFT, "bars": bars, "ticks": ticks, "labels": labels}
