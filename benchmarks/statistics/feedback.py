"""Loops that were made: what a project earns where labels follow decisions, and recommendations that narrow.

*Loans*: a day of 400 requests; who would pay back is known of loans given alone. A model learns every four
weeks from what it has seen, begun with a year of requests of whom half, by one input, were never given one.
Days have a common effect that lasts (autocorrelation .5). The truth is every request's outcome.

*Items*: 2,000 recommendations a day of 400 items. Steady ones follow appeals that wander from week to week; a
part of those of a loop follow the clicks of the last four weeks, sharpened, and clicks follow what was shown.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from mlcycle.domain.earnings import Day, returns
from mlcycle.domain.exploration import decide
from mlcycle.domain.metrics import Array
from mlcycle.domain.recommendations import Shown, gini, judged
from mlcycle.domain.seen_labels import Decided, estimated, payoffs

LOAN = SimpleNamespace(
    true_positive=10.0, false_positive=-40.0, true_negative=0.0, false_negative=-2.0, threshold=0.8
)
ROWS, LEARN, WEEKS = 400, 28, 26
ITEMS, TOLD = 400, 2000
SHARPENED = 1.1  # the power of clicks by which a loop recommends


def report(_: Path, thorough: bool) -> None:
    """Print the tables."""
    print("loans: 26 weeks, over never and always giving; a week's return and its 90 % interval")
    for share in (0.0, 0.02, 0.05, 0.1, 0.2):
        _loans(share, 200 if thorough else 60)
    print("\nitems: warnings a year and days open where nothing narrows; days until a loop is told of")
    _items(100 if thorough else 16)


def _loans(share: float, repeats: int) -> None:
    ways = ("never", "always", "threshold")
    found = {way: list[tuple[float, float, float, bool, float]]() for way in ways}
    for seed in range(repeats):
        days, naive, truth = _life(np.random.default_rng(seed), share)
        for each in returns(days):
            if each.over in ways and (between := each.interval(0.9)):
                low, high = between
                found[each.over].append(
                    (
                        truth[each.over],
                        naive[each.over],
                        each.weekly,
                        low <= truth[each.over] <= high,
                        high - low,
                    )
                )
    for way in ways:
        if not found[way]:
            continue
        true, plain, ours, held, width = np.array(found[way], dtype=float).T
        print(
            f"  share {share:.2f}, over {way:9}: truth {true.mean():8,.0f}, "
            f"naive off by {np.mean(plain - true):+8,.0f}, "
            f"ours by {np.mean(ours - true):+7,.0f} (sd {np.std(ours - true):6,.0f}), "
            f"held {held.mean():.2f}, half width {width.mean() / 2:7,.0f}",
            flush=True,
        )


def _life(
    random: np.random.Generator, share: float
) -> tuple[dict[int, Day], dict[str, float], dict[str, float]]:
    """Days as they would be kept; a week's gain over each way by seen labels alone, and in truth."""
    inputs, labels = _requests(random, 365 * ROWS, 0.0)
    given = inputs[:, 0] > 0
    seen_inputs, seen_labels = [inputs[given]], [labels[given]]
    days, gains = dict[int, Day](), {way: [0.0, 0.0, 0.0] for way in ("never", "always", "threshold")}
    effect, model = 0.0, np.zeros(4)
    for number in range(WEEKS * 7):
        if number % LEARN == 0:
            model = _fit(
                np.concatenate(seen_inputs[-13 * LEARN :]), np.concatenate(seen_labels[-13 * LEARN :])
            )
        effect = 0.5 * effect + random.normal(0, 0.3)
        inputs, labels = _requests(random, ROWS, effect)
        said = 1 / (1 + np.exp(-(model[0] + inputs @ model[1:])))
        greedy = said >= LOAN.threshold
        acted, chance = greedy, np.ones(ROWS)
        if share:
            drawn = decide(said, LOAN.threshold, share, random.uniform(size=(ROWS, 2)))
            acted, chance = drawn.acted, drawn.propensities
        rows = Decided(np.where(acted, labels, np.nan), acted, chance, greedy)
        each = estimated(LOAN, "positive", rows)
        days[number] = Day(each.rows, each.served, each.before, each.stood, each.all)
        acts = np.where(acted, chance, 1 - chance)
        yes, no = (payoffs(LOAN, labels, np.full(ROWS, way)) for way in (True, False))
        gain = {
            way: acts * yes + (1 - acts) * no - other
            for way, other in (("never", no), ("always", yes), ("threshold", np.where(greedy, yes, no)))
        }
        for way, values in gain.items():
            gains[way][0] += values.sum()
            gains[way][1] += values[acted].sum()
            gains[way][2] += acted.sum()
        seen_inputs.append(inputs[acted])
        seen_labels.append(labels[acted])
    weeks, rows_in_all = WEEKS, WEEKS * 7 * ROWS
    naive = {way: seen / count * rows_in_all / weeks for way, (_, seen, count) in gains.items()}
    return days, naive, {way: total / weeks for way, (total, *_) in gains.items()}


def _requests(random: np.random.Generator, count: int, effect: float) -> tuple[Array, Array]:
    """Three inputs, and whether it is paid back: the first one matters little where none was given."""
    inputs = random.normal(size=(count, 3))
    odds = 1.6 + 0.8 * np.maximum(inputs[:, 0], -0.3) + 0.9 * inputs[:, 1] + effect
    return inputs, (random.uniform(size=count) < 1 / (1 + np.exp(-odds))).astype(float)


def _fit(inputs: Array, labels: Array) -> Array:
    """Logistic regression by Newton's method."""
    design = np.column_stack([np.ones(len(inputs)), inputs])
    weights = np.zeros(design.shape[1])
    for _ in range(8):
        said = 1 / (1 + np.exp(-design @ weights))
        curve = (design * (said * (1 - said))[:, None]).T @ design + 1e-3 * np.eye(len(weights))
        weights += np.linalg.solve(curve, design.T @ (labels - said))
    return weights


@dataclass
class _Told:
    """What looks at every day of a life found."""

    alerts: int
    open: float
    first: int | None  # day of the first warning
    gini: float  # of the last window


def _items(repeats: int) -> None:
    for title, wander in (
        ("steady, weeks alike", 0.0),
        ("steady, weeks wander by a tenth", 0.1),
        ("by a quarter", 0.25),
    ):
        lives = [_look(_steady(np.random.default_rng(seed), wander), 365, 182) for seed in range(repeats)]
        alerts, opened = (np.mean([getattr(each, key) for each in lives]) for key in ("alerts", "open"))
        print(f"  {title:32}: {alerts:.2f} warnings a year, open on {opened:.1%} of days", flush=True)
    for part, mixed in ((1.0, 0.0), (0.3, 0.0), (0.1, 0.0), (1.0, 0.1), (1.0, 0.3)):
        lives = [_look(_loop(np.random.default_rng(seed), part, mixed), 365, 91) for seed in range(repeats)]
        first = [each.first for each in lives if each.first is not None]
        middle = f"after {np.median(first):.0f} days" if first else ""
        left = np.mean([each.gini for each in lives])
        title = f"a loop of {part:.0%}, {mixed:.0%} at random"
        print(
            f"  {title:32}: told of in {len(first) / repeats:.2f} {middle}, Gini a year later {left:.2f}",
            flush=True,
        )


def _steady(random: np.random.Generator, wander: float) -> Callable[[int], Iterator[Array]]:
    def days(count: int) -> Iterator[Array]:
        base, moved = -0.6 * np.log(np.arange(1, ITEMS + 1)), np.zeros(ITEMS)
        tilt = 0.0
        for number in range(count):
            if number % 7 == 0:
                moved = 0.7 * moved + random.normal(0, wander, ITEMS)
                tilt = 0.7 * tilt + random.normal(0, wander / 5)
            yield _drawn(random, np.exp((1 + tilt) * base + moved))

    return days


def _loop(random: np.random.Generator, part: float, mixed: float) -> Callable[[int], Iterator[Array]]:
    """A quarter of appeals, then ``part`` of it by the clicks of four weeks; ``mixed`` of all at random."""

    def days(count: int) -> Iterator[Array]:
        appeal = np.exp(-0.6 * np.log(np.arange(1, ITEMS + 1)) + random.normal(0, 0.1, ITEMS))
        clicks = list[Array]()
        for number in range(count):
            wanted = appeal / appeal.sum()
            if number >= count - 365:
                clicked = (np.sum(clicks[-28:], axis=0) + 1) ** SHARPENED
                wanted = (1 - part) * wanted + part * clicked / clicked.sum()
            share = (1 - mixed) * wanted + mixed / ITEMS
            told = _drawn(random, share)
            clicks.append(random.binomial(told.astype(int), 0.3).astype(float))
            yield told

    return days


def _drawn(random: np.random.Generator, weights: Array) -> Array:
    found: Array = random.multinomial(TOLD, weights / weights.sum()).astype(float)
    return found


def _look(days: Callable[[int], Iterator[Array]], looked: int, before: int) -> _Told:
    """Every day the last week, against those before it, as the monitor does."""
    held = list(days(before + looked))
    windows = {at: _shown(np.sum(held[at - 6 : at + 1], axis=0)) for at in range(6, len(held))}
    alerts, opened, first, open_before = 0, 0, None, set[str]()
    for at in range(before, len(held)):
        past = {-step: windows[at - 7 * step] for step in range(1, 27) if at - 7 * step in windows}
        worse = {each.name for each in judged(past, windows[at], 0.5 * 7 / 365, 0.02) if each.worse}
        if worse and first is None:
            first = at - before
        alerts += bool(worse - open_before)
        opened += bool(worse)
        open_before = worse
    return _Told(alerts, opened / looked, first, windows[len(held) - 1].gini)


def _shown(counts: Array) -> Shown:
    head, told = ITEMS // 5, counts.sum()
    return Shown(
        *(ITEMS, int(told), float((counts > 0).mean()), gini(counts)),
        *(float(counts[head:].sum() / told), float((counts[head:] > 0).mean())),
    )
