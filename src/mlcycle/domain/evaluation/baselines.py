"""What else one could do: answer at random, always the same, by the heuristic, as people, by the champion."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from mlcycle.domain import own_metrics
from mlcycle.domain.evaluation import of_classes, of_lists, of_many, of_numbers, of_quantiles
from mlcycle.domain.evaluation.bootstrap import codes_of, ratio, sums
from mlcycle.domain.evaluation.bootstrap import figures as interval_figures
from mlcycle.domain.evaluation.figure import SURE, Figure, plain
from mlcycle.domain.evaluation.subject import Subject
from mlcycle.domain.evaluation.threshold import earned, row_value
from mlcycle.domain.examples import Rows
from mlcycle.domain.metrics import METRICS, Array, NotMeasured
from mlcycle.domain.paired import paired_blocks
from mlcycle.domain.quantile_metrics import CHOICES
from mlcycle.domain.quantiles import at_levels, intervals, levels_of
from mlcycle.errors import InputError

SEED = 20130103


def figures(subject: Subject) -> dict[str, object]:
    """Every figure of the model with its interval."""
    found: dict[str, Figure]
    if subject.task.probabilities:
        found = of_classes.of_rows(
            *(subject.labels, subject.predictions, subject.blocks),
            threshold=subject.payoff.threshold,
            k=subject.wishes.k,
            weights=subject.holdout.weights,
        )
    elif subject.task.many:
        found = of_many.of_rows(subject.labels, subject.predictions, subject.blocks, subject.holdout.weights)
    elif subject.task.lists:
        asked = (subject.labels, subject.predictions, subject.blocks)
        found = of_lists.of_rows(*asked, subject.wishes.k, subject.holdout.weights)
    else:
        found = of_numbers.of_rows(
            subject.labels, subject.predictions, subject.blocks, subject.holdout.weights
        )
        if subject.said is not None:  # of the quantiles themselves, not of a number in their place
            found = {name: each for name, each in found.items() if not name.startswith("pinball")}
            found |= of_quantiles.of_rows(
                subject.labels, subject.said, subject.blocks, subject.holdout.weights
            )
    return {name: plain(figure) for name, figure in {**found, **_own(subject)}.items()}


def _own(subject: Subject) -> dict[str, Figure]:
    """Those of other packages."""
    asked = (subject.labels, subject.predictions)
    own = [each for each in own_metrics.of_task(subject.task.name) if each.name not in METRICS]
    if not own:
        return {}
    weights = subject.holdout.weights
    stands = np.ones(len(subject.labels)) if weights is None else weights
    codes, count = codes_of(subject.blocks)
    rows = sums(stands, codes, count)
    means = {each.name: ratio(sums(stands * each.rows(*asked), codes, count), rows) for each in own}
    return interval_figures({name: METRICS[name](*asked, weights) for name in means}, means, count, {})


def at_random(subject: Subject) -> Array:
    """Who knows nothing: any probability alike; of numbers, a label of the training's drawn at random."""
    return subject.task.at_random(subject.learnt, len(subject.predictions), SEED)


def beside(subject: Subject) -> dict[str, object]:
    """The model against each of them on the same rows: metrics, and the gain in the project's metric.

    Who has no answer to some rows (NaN) is compared on the others: ``rows``, with the model's metrics there.
    """
    others = {"random": ("at random", at_random(subject)), **subject.others}
    metric, found = subject.wishes.metric, dict[str, dict[str, object]]()
    for key, (name, predictions) in others.items():
        answered = ~np.isnan(predictions.reshape(len(predictions), -1)[:, 0])
        if key == "human" or not answered.all():
            found[key] = {"name": name, **_where_answered(subject, metric, predictions, answered)}
            continue
        if subject.said is not None:  # a number stands for all quantiles
            levels = levels_of(subject.said).tolist()
            predictions = subject.said_by_others.get(key, at_levels(predictions, levels))
        gain = plain(_gain(subject, metric, predictions))
        found[key] = {"name": name, "metrics": _metrics(subject, predictions), "gain": gain}
    return {"metric": metric, "others": found}


def _where_answered(
    subject: Subject, metric: str, predictions: Array, answered: NDArray[np.bool_]
) -> dict[str, object]:
    if not answered.any():
        none = plain(Figure(None, why="no row of the holdout has an answer"))
        return {"metrics": dict.fromkeys(subject.task.metrics), "gain": none, "rows": 0}
    weights = subject.holdout.weights
    part = replace(
        subject,
        holdout=Rows(
            subject.holdout.frame[answered],
            subject.labels[answered],
            None if weights is None else weights[answered],
        ),
        predictions=subject.predictions[answered],
        blocks=subject.blocks[answered],
        said=None if subject.said is None else subject.said[answered],
    )
    other = predictions[answered]
    if subject.said is not None:  # a number stands for all quantiles
        other = at_levels(other, levels_of(subject.said).tolist())
    found: dict[str, object] = {
        "metrics": _metrics(part, other),
        "gain": plain(_gain(part, metric, other)),
        "rows": int(answered.sum()),
        "model": _metrics(part, part.judged),
    }
    if subject.task.probabilities:
        found["gain_in_value"] = plain(_gain_in_value(part, other))
    return found


def _gain_in_value(subject: Subject, other: Array) -> Figure:
    """What acting as the model says earns more than acting as the other does."""
    at = subject.payoff.threshold
    mine, theirs = (
        row_value(subject.payoff, subject.labels, said, at) for said in (subject.predictions, other)
    )
    stands = np.ones(len(mine)) if subject.holdout.weights is None else subject.holdout.weights
    return earned(stands * (mine - theirs), subject.blocks)


def _metrics(subject: Subject, predictions: Array) -> dict[str, float | None]:
    labels, weights = subject.labels, subject.holdout.weights
    asked = list(subject.task.metrics)
    if subject.said is None:
        readings = subject.task.readings(labels, predictions, weights)
    else:
        levels = levels_of(subject.said)
        asked += [name for name in CHOICES if name == "pinball" or intervals(levels)]
        readings = {each: METRICS[each](labels, predictions, weights) for each in asked}
    found = {each: readings[each] for each in asked}
    return {each: None if isinstance(value, NotMeasured) else value for each, value in found.items()}


def _gain(subject: Subject, metric: str, other: Array) -> Figure:
    try:
        paired = paired_blocks(metric, subject.labels, other, subject.judged, subject.blocks)
    except InputError as error:
        return Figure(None, why=error.message)
    if paired.spread is None:
        return Figure(paired.gain, why=f"{paired.blocks} blocks of time are too few for an interval")
    return Figure(paired.gain, *paired.spread.interval(SURE))
