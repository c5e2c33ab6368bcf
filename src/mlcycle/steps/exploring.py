"""What is asked of rows that are explored, and the document that answers; the page is drawn from it alone."""

from collections.abc import Callable
from dataclasses import asdict, replace
from typing import Any, Final

import numpy as np

from mlcycle.adapters.exploring.enough import Learnt, curve
from mlcycle.adapters.exploring.rows import Explored
from mlcycle.adapters.exploring.telling import add_refused, one_by_one
from mlcycle.adapters.exploring.unusual import Unusual, unusual
from mlcycle.domain.exploring import findings, missing
from mlcycle.domain.exploring.advice import advice
from mlcycle.domain.exploring.association import between, matrix, with_label
from mlcycle.domain.exploring.columns import Column, Floats, summary
from mlcycle.domain.exploring.pictures import by_label, over_time
from mlcycle.domain.exploring.projection import Projection, projected
from mlcycle.domain.exploring.segments import segments
from mlcycle.domain.exploring.shift import shifts
from mlcycle.domain.tasks import task_of
from mlcycle.project import Project

VERSION: Final = "mlcycle.explore/1"
PAIRED: Final = 20_000  # rows for what is asked of columns with each other, and for leaks
PLACES: Final = 3_000
COMPARED: Final = 60  # columns of which all pairs are looked at, those nearest to the label
DRAWN: Final = 12
LISTED: Final = 40


def document_of(
    project: Project, found: Explored, cut: int, progress: Callable[[str], None]
) -> dict[str, Any]:
    """All answers as JSON.

    Args:
        project: whose rows.
        found: the rows.
        cut: partitions before those to judge on, whose labels are not looked at.
        progress: told what is done.
    """
    learnt = found.partition < cut
    seen = _taken(found, learnt) if learnt.any() else found
    progress(f"{len(found.target):,} rows of {len(found.keys)} partitions, {len(found.columns)} columns")
    few = _every(len(seen.target), PAIRED)
    columns, label = [column.taken(few) for column in seen.columns], seen.label.taken(few)
    to_label = with_label(columns, label)
    nearest = [each.a for each in to_label]
    pairs = between([column for column in columns if column.name in nearest[:COMPARED]])
    gaps = [each for each in with_label([missing.flag(column) for column in columns], label) if each.known]
    progress("what columns have to do with the label and each other")
    leaks = _leaks(project, columns, label, seen.target[few])
    said = advice(columns, to_label, pairs, leaks, frozenset(each.a for each in gaps))
    progress("leaks, columns to drop")
    dropped = {each.column for each in said if each.drop}
    by_name = {column.name: column for column in seen.columns}
    kept = [by_name[name] for name in nearest if name not in dropped]
    moved = shifts(found.columns, found.partition, len(found.keys) - cut)
    enough = _enough(project, seen, kept)
    progress("shift, how many rows are enough")
    places = _every(len(seen.target), PLACES)
    flat, odd = projected([column.taken(places) for column in kept]), unusual(kept)
    drawn = [column.name for column in kept[:DRAWN]]
    count = len(found.keys)
    document: dict[str, Any] = {
        "version": VERSION,
        "project": project.name,
        "task": project.label.task,
        "label": project.label.name,
        "first": found.keys[0],
        "last": found.keys[-1],
        "partitions": found.keys,
        "cut": cut,
        "rows": len(found.target),
        "judged_rows": len(found.target) - len(seen.target),
        "unlabelled": found.unlabelled,
        "share": found.share,
        "columns": [summary(column) for column in found.columns],
        "target": summary(seen.label),
        "to_label": [asdict(each) for each in to_label],
        "pairs": [asdict(each) for each in pairs if each.known][:LISTED],
        "matrix": {"names": nearest[:25], "values": matrix(pairs, nearest[:25])},
        "missing": {
            "together": missing.together(seen.columns),
            "tell": [asdict(each) for each in gaps],
            "by_partition": missing.gaps(found.columns, found.partition, count),
        },
        "over_time": over_time(found.columns, found.target, found.partition, count, cut, drawn[:6]),
        "by_label": by_label(kept[:DRAWN], seen.label),
        "segments": [asdict(each) for each in segments(kept, _judged(seen))[:LISTED]],
        "shift": moved if isinstance(moved, str) else [asdict(each) for each in moved],
        "enough": enough if isinstance(enough, str) else [asdict(each) for each in enough],
        "leaks": leaks,
        "advice": [asdict(each) for each in said],
        "projection": None if flat is None else _flat(flat, seen.label, places),
        "unusual": None if odd is None else _odd(odd, seen),
    }
    return document | {"findings": findings.of(document)}


def _taken(found: Explored, rows: Any) -> Explored:
    at = np.flatnonzero(rows)
    return replace(
        found,
        columns=[column.taken(at) for column in found.columns],
        label=found.label.taken(at),
        target=found.target[at],
        partition=found.partition[at],
        entity=[found.entity[each] for each in at],
    )


def _every(count: int, most: int) -> Any:
    return np.arange(0, count, max(1, -(-count // most)))


def _judged(found: Explored) -> Floats:
    """What a segment's mean is of: the number, or whether the row is of the class; of many, the commonest."""
    if found.label.words is None or len(found.label.words) == 2:
        return found.target
    chosen: Floats = (found.label.values == int(np.argmax(found.label.counts()))).astype(np.float64)
    return chosen


def _leaks(project: Project, columns: list[Column], label: Column, target: Floats) -> dict[str, str]:
    inputs: dict[str, Any] = {}
    for column in columns:
        if column.name in project.inputs.known:
            continue
        texts = None if column.words is None else np.array([*column.words, None], dtype=object)
        inputs[column.name] = column.values if texts is None else texts[column.values]
    told: dict[str, str] = {}
    if label.words is not None and len(label.words) > 2:
        for one in one_by_one(label.values):
            add_refused(inputs, one, "classification", told)
    else:
        add_refused(inputs, target, "regression" if label.is_number else "classification", told)
    return told


def _enough(project: Project, found: Explored, columns: list[Column]) -> list[Learnt] | str:
    """On the newest fifth of the rows."""
    if task_of(project.label.task).lists:
        return "lists are not learnt row by row"
    if not columns:
        return "no column is left to learn from"
    begin = found.partition[int(len(found.partition) * 0.8)]
    older, newer = np.flatnonzero(found.partition < begin), np.flatnonzero(found.partition >= begin)
    return curve(columns, found.label, older, newer)


def _flat(flat: Projection, label: Column, at: Any) -> dict[str, Any]:
    return {
        "places": flat.places.round(3).tolist(),
        "label": label.values[at].tolist(),
        "words": None if label.words is None else list(label.words),
        "shares": list(flat.shares),
        "made_of": [[[name, round(weight, 3)] for name, weight in axis] for axis in flat.made_of],
    }


def _odd(odd: Unusual, found: Explored) -> dict[str, Any]:
    heights, edges = np.histogram(odd.isolation, bins=40)
    far = odd.distance[np.isfinite(odd.distance)]
    return {
        "rows": len(odd.rows),
        "far": float((far > odd.limit).mean()) if len(far) else None,
        "limit": odd.limit,
        "bins": {"heights": heights.tolist(), "edges": edges.tolist()},
        "shown": [
            {
                "entity": found.entity[row],
                "partition": found.keys[found.partition[row]],
                "isolation": isolation,
                "distance": distance if np.isfinite(distance) else None,
                "column": column,
            }
            for row, isolation, distance, column in odd.shown
        ],
    }
