"""Labels that became known by the end of the last partition asked for, and corrections of old ones.

What each partition's labels were made from (batches of the entity table and of the label table) is
kept in ``ledger.feature_partition`` under the view ``@labels``, so that a late or corrected delivery
is taken up by the next run, whichever partition that is for.
"""

from datetime import datetime, timedelta

from mlcycle.adapters.warehouse import labels
from mlcycle.contract import Status
from mlcycle.domain.partitions import Partition
from mlcycle.ledger import label_sources
from mlcycle.ledger.batches import published_keys
from mlcycle.steps.context import Outcome, StepContext


def run(context: StepContext) -> Outcome:
    """Write the labels of every partition that has new ones. Skipped where there are none."""
    project, as_of = context.project, context.partitions[-1].end
    with context.warehouse.transaction() as cursor:
        due = _due(label_sources.read(cursor, project), context, as_of)
        before = [key for key in published_keys(cursor, context.request.work) if key.startswith("labels:")]
    rows = unlabelled = 0
    for count, (partition, sources) in enumerate(due):
        with context.publication(f"labels:{partition.key}:{sources}") as publication:
            labelled, without = labels.replace(publication.cursor, project, partition)
            label_sources.note(publication.cursor, project.name, partition.key, sources, labelled)
            publication.outputs.update(rows=labelled, unlabelled=without)
        rows, unlabelled = rows + labelled, unlabelled + without
        if count % 100 == 99:
            context.progress(f"labels of {count + 1} of {len(due)} partitions")
    if not due and not before:
        return Outcome(Status.SKIPPED, f"no label became known by {as_of:%Y-%m-%d %H:%M} UTC")
    if not due:
        message = f"labels of {len(before)} partitions were published by an earlier attempt"
        return Outcome(message=message, replayed=True)
    span = due[0][0].key if len(due) == 1 else f"{due[0][0].key} to {due[-1][0].key}"
    return Outcome(
        message=f"{rows} labels of {len(due)} partitions ({span}); {unlabelled} rows have none",
        values={"partitions": [partition.key for partition, _ in due][-400:], "rows": rows},
        metrics={"labels": rows, "unlabelled": unlabelled, "partitions": len(due)},
    )


def _due(known: label_sources.Sources, context: StepContext, as_of: datetime) -> list[tuple[Partition, str]]:
    """Partitions whose labels are known by now and were made from other batches or never, in order."""
    project, unit = context.project, context.project.unit
    due = []
    for key, batch in sorted(known.entity.items()):
        partition = Partition.parse(key, unit)
        if partition.end + project.label.delay + project.label.ahead > as_of:
            continue
        first = Partition.containing(partition.start + project.label.ahead, unit)
        last = Partition.containing(partition.end + project.label.ahead - timedelta(microseconds=1), unit)
        found = [known.label[item.key] for item in first.to(last) if item.key in known.label]
        sources = f"{batch}<{','.join(map(str, found))}"
        if found and known.made_from.get(key) != sources:
            due.append((partition, sources))
    return due
