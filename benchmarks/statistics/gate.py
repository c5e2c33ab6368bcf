"""How far the gate can be believed: coverage, promotions of equals, a year's creep, slices.

Every model here is the project's own plus a random smooth function of its inputs, scaled so that its loss
over the year is exactly what the experiment says: its truth is known. Evidently compares data, not models:
it has no gate to stand beside.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path

import numpy as np
from benchmarks.statistics.data import Year, fitted, year
from numpy.typing import NDArray
from scipy.optimize import brentq
from scipy.stats import t as student

from mlcycle.domain.interval import weighted_sums
from mlcycle.domain.metrics import METRICS, ROW_LOSSES, Array
from mlcycle.domain.slices import compare_slices
from mlcycle.project import Gate
from mlcycle.steps.compare import SURELY_BETTER

BLOCKS = (5, 14, 30)
DAMAGE = 0.001  # of each of the equal models, of the loss of its base
HOLDOUT = 14
NODES = 8  # scales at which a perturbed model's days are computed; between them a polynomial
PLAIN, RESAMPLES = 0.9, 1000
STEP, MARGIN, RETRAINS = 0.003, -0.005, 52


def report(folder: Path, thorough: bool) -> None:
    """Print the tables."""
    draws = 20_000 if thorough else 3_000
    for name in ("flights", "weather"):
        found = year(name, folder)
        ground = Ground.of(found, 400 if thorough else 100)
        _coverage(ground, draws)
        _slices(found, 600 if thorough else 90)
        _refit(found, 24 if thorough else 5)
        if name == "flights":
            _equals(ground, draws // 5)
            _creep(ground, 400 if thorough else 100)
    print("Evidently has no gate: it compares data, and reports one model's metrics beside another's.\n")


@dataclass(frozen=True)
class Ground:
    """A year by days: rows, the loss of the project's model, and of models with a known damage."""

    name: str
    rows: Array  # (days,)
    base: Array  # (days,) sums of losses of the project's own model
    harmed: list["Harmed"]
    heuristic: Array  # (days,) sums of losses of a table of means

    @classmethod
    def of(cls, found: Year, models: int) -> "Ground":
        """``models`` damaged models; their functions are drawn from a seed."""
        rows = found.rows
        metric = found.project.evaluation.metric
        _, days = np.unique(rows["day"], return_inverse=True)
        sums = partial(np.bincount, days)
        labels, base = rows["label"].to_numpy(), rows["prediction"].to_numpy()
        loss = ROW_LOSSES[metric]
        waves = smooth(found, models, seed=1)
        classes = found.project.label.task == "classification"
        harmed = [Harmed.of(loss, labels, base, wave, sums, classes=classes) for wave in waves]
        table = _table(found)
        return cls(
            f"{found.project.name}, {'squared error' if metric == 'rmse' else metric}",
            *(
                sums().astype(float),
                sums(weights=loss(labels, base)),
                harmed,
                sums(weights=loss(labels, table)),
            ),
        )


@dataclass(frozen=True)
class Harmed:
    """Day sums of losses of the base plus c times a function, as polynomials in c."""

    coefficients: Array  # (NODES, days)
    most: float

    @classmethod
    def of(
        cls,
        loss: Callable[[Array, Array], Array],
        labels: Array,
        base: Array,
        wave: Array,
        sums: Callable[..., Array],
        *,
        classes: bool,
    ) -> "Harmed":
        """``wave`` (rows,) is added to the log odds or, of a number, to the prediction."""
        most = 2.0 if classes else 6.0
        nodes = (1 - np.cos(np.pi * (np.arange(NODES) + 0.5) / NODES)) / 2
        link = np.log(base / (1 - base)) if classes else base
        days = []
        for node in nodes:
            moved = link + most * node * wave
            days.append(sums(weights=loss(labels, 1 / (1 + np.exp(-moved)) if classes else moved)))
        return cls(np.linalg.solve(np.vander(nodes, increasing=True), np.array(days)), most)

    def at(self, scale: float) -> Array:
        """(days,) sums at a scale from 0 to 1."""
        found: Array = scale ** np.arange(NODES) @ self.coefficients
        return found

    def damaged(self, total: float) -> Array:
        """(days,) sums of the model whose sum over the year is ``total``."""
        scale = brentq(lambda c: self.at(c).sum() - total, _lowest(self), 1.0)
        return self.at(float(scale))


def _lowest(harmed: Harmed) -> float:
    """The scale of least loss: a random function may help a little before it harms."""
    scales = np.linspace(0, 1, 101)
    return float(scales[int(np.argmin([harmed.at(c).sum() for c in scales]))])


def smooth(found: Year, count: int, seed: int) -> Iterator[Array]:
    """Random smooth functions of the inputs (rows,): a cosine of a random direction."""
    project, random = found.project, np.random.default_rng(seed)
    numbers = found.rows[project.inputs.numeric].astype(float)
    inputs = ((numbers - numbers.mean()) / numbers.std()).fillna(0.0).clip(-3, 3).to_numpy()
    codes = [found.rows[name].astype("category").cat.codes.to_numpy() for name in project.inputs.categorical]
    for _ in range(count):
        direction = random.normal(size=inputs.shape[1]) / np.sqrt(inputs.shape[1] / 3)
        wave = np.cos(inputs @ direction + random.uniform(0, 2 * np.pi))
        for code in codes:
            wave = wave + 0.3 * random.normal(size=code.max() + 2)[code]
        yield wave / wave.std()


def _table(found: Year) -> Array:
    """What a table of means by two columns says of each sixth of the year, made of the others."""
    rows, by = found.rows, found.project.candidates[found.project.evaluation.heuristic].params["by"]
    said = np.empty(len(rows))
    for part in np.array_split(np.unique(rows["day"]), 6):
        out = rows["day"].between(part[0], part[-1]).to_numpy()
        means = rows[~out].groupby(by)["label"].mean()
        found_here = rows[out].set_index(by).index.map(means).to_numpy(dtype=float)
        said[out] = np.where(np.isfinite(found_here), found_here, rows["label"][~out].mean())
    return said


# Intervals: of n times k blocks each is given influence, rows and gains, and gives bounds (n,) and (n,).


def percentile(sums: Array, rows: Array, gains: Array, confidence: float) -> tuple[Array, Array]:
    """What the gate had: blocks drawn with replacement, quantiles of the gain."""
    k = sums.shape[-1]
    draws = np.random.default_rng(7).multinomial(k, np.full(k, 1 / k), size=RESAMPLES)
    found = (gains @ draws.T) / (rows @ draws.T)
    low, high = np.quantile(found, [(1 - confidence) / 2, (1 + confidence) / 2], axis=-1)
    return low, high


def _bounds(
    sums: Array, rows: Array, gains: Array, error: Array, freedom: int, confidence: float
) -> tuple[Array, Array]:
    gain = gains.sum(-1) / rows.sum(-1)
    half = student.ppf((1 + confidence) / 2, freedom) * error
    return gain - half, gain + half


def t_blocks(sums: Array, rows: Array, gains: Array, confidence: float) -> tuple[Array, Array]:
    """Blocks taken as independent: t with k-1 degrees of freedom."""
    k = sums.shape[-1]
    return _bounds(sums, rows, gains, np.sqrt((sums**2).sum(-1) * k / (k - 1)), k - 1, confidence)


def merged(groups: int, sums: Array, rows: Array, gains: Array, confidence: float) -> tuple[Array, Array]:
    """Adjacent blocks merged into few groups (Ibragimov and Mueller 2010)."""
    at = np.linspace(0, sums.shape[-1], groups + 1).round().astype(int)
    whole = np.stack([sums[..., a:b].sum(-1) for a, b in pairwise(at)], -1)
    return _bounds(
        sums, rows, gains, np.sqrt((whole**2).sum(-1) * groups / (groups - 1)), groups - 1, confidence
    )


def bartlett(sums: Array, rows: Array, gains: Array, confidence: float) -> tuple[Array, Array]:
    """Bartlett kernel, 1.3 root k lags, t with 1.5 k / lags degrees of freedom (Lazarus et al. 2018)."""
    k = sums.shape[-1]
    lags = min(k - 1, int(np.ceil(1.3 * np.sqrt(k))))
    long_run = (sums**2).sum(-1)
    for lag in range(1, lags):
        long_run = long_run + 2 * (1 - lag / lags) * (sums[..., lag:] * sums[..., :-lag]).sum(-1)
    return _bounds(
        sums, rows, gains, np.sqrt(np.maximum(long_run, 0)), max(1, round(1.5 * k / lags)), confidence
    )


def cosines(sums: Array, rows: Array, gains: Array, confidence: float) -> tuple[Array, Array]:
    """The gate's own: cosines, t with as many degrees as there are."""
    weighted = weighted_sums(sums)
    return _bounds(sums, rows, gains, np.sqrt((weighted**2).mean(-1)), weighted.shape[-1], confidence)


INTERVALS: dict[str, Callable[..., tuple[Array, Array]]] = {
    "percentile bootstrap (before)": percentile,
    "t, k-1": t_blocks,
    "4 merged groups": partial(merged, 4),
    "Bartlett": bartlett,
    "cosines": cosines,
}


def influence(gains: Array, rows: Array) -> Array:
    """(..., k) what each block adds to the gain, less its share of it; sums to nought."""
    total = rows.sum(-1, keepdims=True)
    found: Array = (gains - rows * (gains.sum(-1, keepdims=True) / total)) / total
    return found


def _coverage(ground: Ground, draws: int) -> None:
    """How often the 90 % interval of some days' gain holds the year's."""
    random = np.random.default_rng(11)
    total = ground.rows.sum()
    pairs: dict[str, list[tuple[Array, Array]]] = {
        "table against model": [(ground.heuristic, ground.base)],
        "alike": [(ground.base, each.damaged(ground.base.sum() * 1.002)) for each in ground.harmed[:8]],
    }
    print(f"Coverage of the 90 % interval, {ground.name} (goal .88 to .92)")
    print(f"{'':32}{'independent days':>24}{'days in a row':>24}")
    print(f"{'blocks':32}" + 2 * "".join(f"{k:8}" for k in BLOCKS))
    for title, known in pairs.items():
        found: dict[str, list[float]] = {name: [] for name in INTERVALS}
        for row in (False, True):
            for k in BLOCKS:
                hits = dict.fromkeys(INTERVALS, 0.0)
                for old, new in known:
                    gains, each = old - new, draws // len(known)
                    at = _windows(random, len(gains), k, each, row)
                    truth = gains.sum() / total
                    sums = influence(gains[at], ground.rows[at])
                    for name, interval in INTERVALS.items():
                        low, high = interval(sums, ground.rows[at], gains[at], PLAIN)
                        hits[name] += float(np.mean((low <= truth) & (truth <= high))) / len(known)
                for name, share in hits.items():
                    found[name].append(share)
        print(f"  {title}")
        for name, shares in found.items():
            print(f"    {name:28}" + "".join(f"{share:8.2f}" for share in shares))
    print()


def _windows(random: np.random.Generator, days: int, k: int, count: int, row: bool) -> NDArray[np.int64]:
    """(count, k) days: drawn one by one, or k in a row from a random one of the year."""
    if row:
        return (random.integers(0, days, count)[:, None] + np.arange(k)) % days
    return random.integers(0, days, (count, k))


def _equals(ground: Ground, draws: int) -> None:
    """How often one of k equal models is promoted over its equal, min_gain 0, confidence .9."""
    random = np.random.default_rng(12)
    target = ground.base.sum() + DAMAGE * ground.rows.sum()
    days = np.array([each.damaged(target) for each in ground.harmed])
    print("Promotions of the best of equal models, min_gain 0 (goal .10)")
    print(f"{'':44}" + "".join(f"{count:>8}" for count in (1, 3, 10, 40)))
    for row in (False, True):
        order = "days in a row" if row else "independent days"
        for where in ("the gate's holdout", "validation"):
            for rule in (percentile, cosines):
                shares = []
                for count in (1, 3, 10, 40):
                    at = _windows(random, days.shape[1], 2 * HOLDOUT, draws, row)
                    early, late = at[:, :HOLDOUT], at[:, HOLDOUT:]
                    chosen_on = late if where != "validation" else early
                    who = np.array([random.permutation(len(days))[: count + 1] for _ in range(draws)])
                    tried = days[who[:, 1:, None], chosen_on[:, None, :]].sum(-1)
                    best = who[np.arange(draws), 1 + tried.argmin(1)]
                    gains = days[who[:, :1], late] - days[best[:, None], late]
                    low, _ = rule(influence(gains, ground.rows[late]), ground.rows[late], gains, 0.8)
                    shares.append(float(np.mean(low > 0)))
                title = f"{order}, on {where}, {'before' if rule is percentile else 'cosines'}"
                print(f"  {title:56}"[:60] + "".join(f"{share:8.2f}" for share in shares))
    print()


@dataclass(frozen=True)
class Reign:
    """A rule for a year of retrains: with what confidence a challenger must not be worse than whom."""

    bound: Callable[..., tuple[Array, Array]]
    anchor: float = 0.0  # confidence against the anchor; none without
    better: float = 0.0  # to be better than the anchor at all with this one is enough

    def lower(self, ground: Ground, gains: Array, at: NDArray[np.int64], confidence: float) -> float:
        """The one-sided bound of the gain on these days."""
        rows = ground.rows[at][None]
        low, _ = self.bound(influence(gains[None], rows), rows, gains[None], 2 * confidence - 1)
        return float(low[0])


def _creep(ground: Ground, years: int) -> None:
    """What a year of weekly retrains does to the loss, each challenger with a known truth."""
    levels = np.arange(0, (RETRAINS + 1) * STEP, STEP)
    total, start = ground.rows.sum(), ground.base.sum() + DAMAGE * ground.rows.sum()
    days = np.array(
        [[each.damaged(start + level * total) for level in levels] for each in ground.harmed[:60]]
    )
    anchored = Gate().anchor_confidence
    rules = {
        "before: the champion alone": Reign(percentile),
        "cosines, the champion alone": Reign(cosines),
        f"cosines, champion and anchor with {anchored}": Reign(cosines, anchored),
        f"the same, or better with {SURELY_BETTER}": Reign(cosines, anchored, SURELY_BETTER),
    }
    print(f"{RETRAINS} weekly retrains, min_gain {MARGIN}: loss crept (goal .005 or less) and promotions")
    print(f"{'':48}{'each .003 worse':>24}{'all equal':>12}{'.003 better':>14}")
    for title, rule in rules.items():
        found = [_year(days, ground, rule, step, years) for step in (1, 0, -1)]
        worse, equal, better = found
        print(
            f"  {title:46}{worse[0] * STEP:12.4f}{worse[1]:12.1f}{equal[1]:12.1f}{better[1]:14.1f}",
            flush=True,
        )
    print()


def _year(days: Array, ground: Ground, rule: Reign, step: int, years: int) -> tuple[float, float]:
    """Mean steps that the champion crept, and promotions; a model is a function and its steps of damage.

    With -1 the first champion is one step worse than all that follow.
    """
    random = np.random.default_rng(13)
    crept = promoted = 0
    for _ in range(years):
        first = int(random.integers(len(ground.rows)))
        champion = anchor = (int(random.integers(len(days))), int(step < 0))
        for week in range(RETRAINS):
            at = (first + 7 * week + np.arange(HOLDOUT)) % len(ground.rows)
            challenger = (int(random.integers(len(days))), max(0, champion[1] + step) if step > 0 else 0)
            new = days[challenger][at]
            if rule.lower(ground, days[champion][at] - new, at, PLAIN) < MARGIN:
                continue
            if rule.anchor:
                ahead = days[anchor][at] - new
                bound = rule.lower(ground, ahead, at, rule.anchor)
                enough = rule.better and rule.lower(ground, ahead, at, rule.better) > 0
                if bound < MARGIN and not enough:
                    continue
                anchor = challenger if bound > 0 else anchor
            champion = challenger
            promoted += 1
        crept += champion[1]
    return crept / years, promoted / years


def _slices(found: Year, windows: int) -> None:
    """How often a slice is refused that is truly .075 worse, and how often any of models that are equal."""
    rows, gate = found.rows, found.project.gate
    metric = found.project.evaluation.metric
    loss, classes = ROW_LOSSES[metric], found.project.label.task == "classification"
    labels, base = rows["label"].to_numpy(), rows["prediction"].to_numpy()
    link = np.log(base / (1 - base)) if classes else base
    days = rows["day"].to_numpy()
    waves = list(smooth(found, 6, seed=2))
    scale = np.linspace(0.0, 0.4 if classes else 2.0, 9)
    equal = [_equal(loss, labels, link, wave, scale, classes=classes) for wave in waves]
    columns = {name: rows[name].astype(str).to_numpy() for name in found.project.evaluation.slices}
    planted = {"nothing": None, **{f"carrier={code}": code for code in ("UA", "US", "WN", "VX")}}
    if not classes:
        planted = {"nothing": None}
    print(
        f"Slices, {found.project.name}: refused, {HOLDOUT} days in a row (goal: nothing planted .05, else .8)"
    )
    print(f"{'':20}{'before':>10}{'max-T':>10}")
    random = np.random.default_rng(14)
    for title, code in planted.items():
        worse = None
        if code is not None:
            own = columns["carrier"] == code
            target = loss(labels[own], base[own]).mean() + 0.075
            wave = waves[0]
            move = brentq(
                lambda c, own=own, target=target, wave=wave: (
                    loss(labels[own], _back(link[own] + c * wave[own], classes)).mean() - target
                ),
                0.2,
                9.0,
            )
            worse = np.where(own, _back(link + move * wave, classes), base)
        before = after = 0
        for number in range(windows):
            start = days.min() + int(random.integers(0, days.max() - days.min() - HOLDOUT))
            at = np.flatnonzero((days >= start) & (days < start + HOLDOUT))
            pair = number % 3
            old = equal[2 * pair][at] if worse is None else base[at]
            new = equal[2 * pair + 1][at] if worse is None else worse[at]
            texts = {name: list(values[at]) for name, values in columns.items()}
            changes = compare_slices(metric, labels[at], old, new, texts, 30, days[at])
            least = 500 if classes else 60  # what the projects asked for
            before += any(
                isinstance(c.loss, float) and c.loss > gate.max_slice_loss and c.rows >= least
                for c in changes
            )
            after += any(c.worse(gate.max_slice_loss) for c in changes)
        print(f"  {title:18}{before / windows:10.2f}{after / windows:10.2f}", flush=True)
    print()


def _back(link: Array, classes: bool) -> Array:
    found: Array = 1 / (1 + np.exp(-link)) if classes else link
    return found


def _equal(
    loss: Callable[[Array, Array], Array],
    labels: Array,
    link: Array,
    wave: Array,
    scale: Array,
    *,
    classes: bool,
) -> Array:
    """Predictions moved along a wave until a hundredth of the loss is lost."""
    target = loss(labels, _back(link, classes)).mean() * 1.01
    losses = [loss(labels, _back(link + c * wave, classes)).mean() for c in scale]
    at = int(np.argmax(np.array(losses) > target)) or len(scale) - 1
    return _back(link + scale[at] * wave, classes)


def _refit(found: Year, dates: int) -> None:
    """What a model trained to its date gains over what was judged, over the 28 days after it."""
    rows, metric = found.rows, found.project.evaluation.metric
    days = rows["day"].to_numpy()
    split = found.project.split
    unseen = (split.holdout + split.validation).days + 2 * max(
        1, (found.project.label.ahead + found.project.label.delay).days
    )
    gains = []
    for date in np.linspace(days.min() + 150, days.max() - 28, dates).astype(int):
        after = rows[(days >= date) & (days < date + 28)]
        judged = fitted(found.project, rows[days < date - unseen])
        served = fitted(found.project, rows[days < date])
        labels = after["label"].to_numpy()
        before, now = (METRICS[metric](labels, model.predict(after), None) for model in (judged, served))
        assert isinstance(before, float)
        assert isinstance(now, float)
        gains.append(before - now)
    better = sum(gain > 0 for gain in gains)
    print(
        f"Refit, {found.project.name}: {metric} lower by {np.mean(gains):.4f} over the 28 days after "
        f"{dates} dates, on {better} of them (goal: better)\n"
    )
