"""Labels that became known by the end of the last partition asked for, and corrections of old ones.

What each partition's labels were made from (batches of the entity table and of the label table) is
kept in ``ledger.feature_partition`` under the view ``@labels``, so that a late or corrected delivery
is taken up by the next run, whichever partition that is for.
"""

from mlcycle.adapters.warehouse import labels
from mlcycle.contract import Status
from mlcycle.ledger import label_sources
from mlcycle.ledger.batches import published_keys
from mlcycle.steps.context import Outcome, StepContext


def run(context: StepContext) -> Outcome:
    """Write the labels of every partition that has new ones. Skipped where there are none."""
    project, as_of = context.project, context.partitions[-1].end
    with context.warehouse.statements() as cursor:
        known = label_sources.due(cursor, project, as_of)
        before = [key for key in published_keys(cursor, context.request.work) if key.startswith("labels:")]
    rows, unlabelled, due = 0, 0, known.partitions
    for count, (partition, sources) in enumerate(due):
        with context.publication(f"labels:{partition.key}:{sources}") as publication:
            labelled, without = labels.replace(publication.cursor, project, partition)
            label_sources.note(publication.cursor, project.name, partition.key, sources, labelled)
            publication.outputs.update(rows=labelled, unlabelled=without)
        rows, unlabelled = rows + labelled, unlabelled + without
        if count % 100 == 99:
            context.progress(f"labels of {count + 1} of {len(due)} partitions")
    with context.warehouse.transaction() as cursor:
        label_sources.settle(cursor, known)
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
