"""What else one could do: answer at random, always the same, by the heuristic, with the champion."""

import numpy as np

from mlcycle.domain import own_metrics
from mlcycle.domain.evaluation import of_classes, of_lists, of_many, of_numbers, of_quantiles
from mlcycle.domain.evaluation.bootstrap import codes_of, ratio, sums
from mlcycle.domain.evaluation.bootstrap import figures as interval_figures
from mlcycle.domain.evaluation.figure import SURE, Figure, plain
from mlcycle.domain.evaluation.subject import Subject
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
    """The model against each of them on the same rows: metrics, and the gain in the project's metric."""
    others = {"random": ("at random", at_random(subject)), **subject.others}
    metric, found, asked = subject.wishes.metric, {}, list(subject.task.metrics)
    if subject.said is not None:
        levels = levels_of(subject.said)
        asked += [name for name in CHOICES if name == "pinball" or intervals(levels)]
    for key, (name, predictions) in others.items():
        if subject.said is not None:  # a number stands for all quantiles
            predictions = subject.said_by_others.get(key, at_levels(predictions, levels.tolist()))
            every = {
                each: METRICS[each](subject.labels, predictions, subject.holdout.weights) for each in asked
            }
        else:
            every = subject.task.readings(subject.labels, predictions, subject.holdout.weights)
        readings = {each: every[each] for each in asked}
        values = {each: None if isinstance(value, NotMeasured) else value for each, value in readings.items()}
        found[key] = {"name": name, "metrics": values, "gain": plain(_gain(subject, metric, predictions))}
    return {"metric": metric, "others": found}


def _gain(subject: Subject, metric: str, other: Array) -> Figure:
    try:
        paired = paired_blocks(metric, subject.labels, other, subject.judged, subject.blocks)
    except InputError as error:
        return Figure(None, why=error.message)
    if paired.spread is None:
        return Figure(paired.gain, why=f"{paired.blocks} blocks of time are too few for an interval")
    return Figure(paired.gain, *paired.spread.interval(SURE))
