"""Readings of labelled days: of what was served, noted day by day, and of those on which the gate judged."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from mlcycle.adapters.datasets.training_data import WEIGHT, label_columns, read_split
from mlcycle.adapters.monitoring import days
from mlcycle.adapters.monitoring.window import Window
from mlcycle.adapters.warehouse.predictions import Scored
from mlcycle.domain import skill
from mlcycle.domain.dataset import Split
from mlcycle.domain.inverse_propensity import weights
from mlcycle.domain.partitions import Partition
from mlcycle.domain.skill import Days
from mlcycle.domain.tasks import task_of
from mlcycle.errors import InputError
from mlcycle.ledger import datasets, models

FORM = 1  # of what is kept: another form is another file
KNOWN = 0.5  # of a day's predictions must have a label for it to be read
SPLITS: Final[tuple[Split, ...]] = ("validation", "holdout")

#: By its number each day's document (``Days.documents``) with the version that served it, None of several.
#: None in place of a document: nothing was served, or is labelled.
Notes = dict[int, dict[str, Any] | None]


def slices(window: Window) -> list[str]:
    """The project's slices that are columns of the entity table; of what was served no other is known."""
    project = window.project
    return [name for name in project.evaluation.slices if name in project.entity_table.columns]


def served(window: Window, first: Partition, last: Partition) -> Notes:
    """Whole days from one partition to another."""
    project, day = window.project, days.day_of(window.project)
    rows = window.scored(first, last, columns=slices(window))
    rows = rows if rows.probabilities is None else rows.of_choice()
    at = day.numbers(rows.times)
    whole = range(days.first_whole(day, first.start), day.number(last.end))
    found: Notes = {}
    due, stands = _due(window, rows)
    for number in whole:
        here = at == number
        known = here & due & rows.known
        if not (here & due).any() or known.sum() < KNOWN * (here & due).sum():
            found[number] = None
            continue
        each = rows.only(known)
        read = skill.read(
            *(project.label.watched, each.labels, each.predictions, at[known], each.columns),
            weights=None if stands is None else stands[known],
        ).documents[str(number)]
        versions = np.unique(rows.versions[here])
        found[number] = {**read, "version": int(versions[0]) if len(versions) == 1 else None}
    return found


def _due(window: Window, rows: Scored) -> tuple[NDArray[np.bool_], NDArray[np.float64] | None]:
    """Which rows can have a label, and for how many each stands; None where each stands for itself.

    Where labels depend on decisions of which a share is drawn: those that the draw let be known. Where none
    is drawn, the rows that were decided so, and they speak for no others.
    """
    value = window.project.value
    if not value.label_needs:
        return np.ones(len(rows), dtype=bool), None
    decided = rows.decided(value.threshold)
    if not value.weighs:
        return decided.acted == (value.label_needs == "positive"), None
    return decided.taken(value.label_needs), weights(decided.propensities)


def as_days(window: Window, notes: Mapping[int, dict[str, Any] | None]) -> Days:
    """Those days that tell something."""
    told = {str(number): each for number, each in notes.items() if each}
    return skill.of_documents(window.project.label.watched, told)


def held_out(window: Window) -> Days:
    """What the gate judged on its validation and holdout days; once computed, kept in the artifact store.

    Of a champion that was fitted again on all rows it is the model that was judged before: the refit has
    learnt those days. Only days after those that the model learnt from. Raises InputError where the dataset
    is lost.
    """
    project, champion = window.project, window.champion
    assert champion is not None
    columns = slices(window)
    with window.cursor() as cursor:
        judged = models.judged(cursor, project.name, champion.version)
    stamp = "-".join([str(FORM), *columns, *label_columns(project)[1:]])
    kept = f"references/{project.name}/{judged.manifest_digest}-held-{stamp}.json"
    if window.artifacts.exists(kept):
        try:
            return skill.of_documents(project.label.watched, json.loads(window.artifacts.read(kept)))
        except ValueError:
            pass  # half a file of a foreign store: made again below
    found = skill.of_documents(project.label.watched, {})
    day, some = days.day_of(project), False
    for each in held_rows(window):
        read = skill.read(
            project.label.watched,
            each.labels,
            each.predictions,
            day.numbers(each.times),
            each.columns,
            None if each.propensities is None else weights(each.propensities),
        )
        found, some = skill.together(found, read), True
    if some:
        window.artifacts.put(kept, json.dumps(found.documents).encode())
    return found


def held_rows(window: Window) -> Iterator[Scored]:
    """What the judged model says of the splits that it has not learnt. Raises InputError as ``held_out``."""
    project, champion = window.project, window.champion
    assert champion is not None
    with window.cursor() as cursor:
        judged = models.judged(cursor, project.name, champion.version)
        manifest = datasets.manifest(cursor, project.name, judged.dataset_digest)
        until = models.learnt_until(cursor, project.name, [judged.version]).get(judged.version)
    splits = [
        split
        for split in SPLITS
        if (bounds := manifest.splits.get(split)) and bounds.rows and not (until and until > bounds.end)
    ]
    if not splits:
        return
    model, columns = window.load(judged), slices(window)
    inputs = model.card.inputs
    for split in splits:
        with TemporaryDirectory(prefix="mlcycle-held-") as scratch:
            names = [*inputs, *columns, "event_time", *label_columns(project)]
            rows = read_split(window.artifacts, manifest, split, names, Path(scratch))
        said = np.asarray(model.predict(rows[inputs]), dtype=np.float64)
        labels = rows["label"].to_numpy(dtype=np.float64)
        labels, said = task_of(project.label.task).pictured(labels, said)
        yield Scored(
            *(said, labels),
            np.full(len(rows), judged.version),
            rows["event_time"].to_numpy(dtype="datetime64[s]").astype(np.float64),
            {name: rows[name].astype(str).tolist() for name in columns},
            propensities=1 / rows[WEIGHT].to_numpy(dtype=np.float64) if project.value.weighs else None,
        )


def held_or_none(window: Window) -> tuple[Days, str]:
    """The same, or no day and why."""
    try:
        return held_out(window), ""
    except InputError as error:
        return skill.of_documents(window.project.label.watched, {}), error.message
