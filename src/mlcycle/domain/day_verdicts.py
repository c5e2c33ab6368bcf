"""What monitors say of a window whose effects were measured against a null of training's windows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mlcycle.domain.effects import CHECKS, MIN_VALUES, Ceilings
from mlcycle.domain.max_t import Null
from mlcycle.domain.monitors import Level, Measurement
from mlcycle.domain.persistence import streak

Array = NDArray[np.float64]

ALWAYS = 0.95  # of training's windows have a column: then it is missed
GONE = 2  # windows side by side without it, from which on it is


@dataclass(frozen=True)
class Rule:
    """When an effect is news: beyond what all columns together reach in a share ``level`` of windows, and
    ``effect`` at least, in ``persistence`` windows in a row that do not overlap.
    """

    level: float
    effect: float
    persistence: int = 1


def drift(
    monitor: str,
    names: Sequence[str],
    effects: Array,
    null: Null,
    rule: Rule,
    history: Mapping[str, Sequence[bool]],
    gone: Mapping[str, int] | None = None,
) -> list[Measurement]:
    """Each column's effect (k,) against its null.

    ``history`` tells whether a column drifted in earlier windows, newest first; ``gone`` for how many windows
    side by side, this one included, a column has had next to no values. One that training's windows had is
    told of from the second such window on: a week without a gust is weather, and where values go missing that
    every day had, other monitors say so the same day.
    """
    gone = gone or {}
    found = []
    limits, p_values = np.maximum(null.limits(rule.level), rule.effect), null.p_values(effects)
    for number, (name, effect) in enumerate(zip(names, effects, strict=True)):
        if not np.isfinite(null.centre[number]):
            found.append(Measurement(monitor, "ok", "too rare in the training data to be judged", name))
            continue
        if not np.isfinite(effect):
            found.append(_unmeasured(monitor, name, gone.get(name, 0), bool(null.known[number] >= ALWAYS)))
            continue
        usual, limit, p = float(null.centre[number] ** 2), float(limits[number]), float(p_values[number])
        drifted = bool(effect > limit)
        run = streak(drifted, history.get(name, ()))
        level: Level = "warn" if run >= rule.persistence else "ok"
        message = f"effect {effect:.2f}, {usual:.2f} is usual and {limit:.2f} the limit; p {_share(p)}"
        if drifted and rule.persistence > 1:
            message += f"; drifts, {run} in a row of {rule.persistence} windows needed"
        details = {"drifted": drifted, "streak": run, "p_value": p, "usual": usual, "limit": limit}
        found.append(Measurement(monitor, level, message, name, float(effect), limit, details))
    return found


def _unmeasured(monitor: str, name: str, gone: int, usual: bool) -> Measurement:
    """A column with too few values on a side: what was told of it stands, for nobody can say it ended."""
    message = f"not judged: fewer than {MIN_VALUES} values in {'the window' if gone else 'its reference'}"
    level: Level = "ok"
    if gone >= GONE and usual:
        level = "warn"
        message = f"fewer than {MIN_VALUES} values in each of {gone} windows; in training windows had more"
    return Measurement(monitor, level, message, name, details={"held": True, "gone": gone})


def dependence(
    names: Sequence[str], effects: Array, null: Null, rule: Rule, before: Array, now: Array
) -> list[Measurement]:
    """Whether pairs of columns (i < j) still go together as they did: change of rank correlation.

    Of the pairs that changed, as few columns are named as have all of them: one column out of step breaks
    every pair that it is in.
    """
    limits, p_values = np.maximum(null.limits(rule.level), rule.effect), null.p_values(effects)
    first, second = (side.tolist() for side in np.triu_indices(len(names), 1))
    pairs = list(zip(first, second, strict=True))
    with np.errstate(invalid="ignore"):
        broken = {at for at in range(len(pairs)) if effects[at] > limits[at]}
    judged = int(np.isfinite(null.centre).sum())
    found = []
    while broken:
        often = np.bincount([column for at in broken for column in pairs[at]], minlength=len(names))
        culprit = int(often.argmax())
        own = sorted((at for at in broken if culprit in pairs[at]), key=lambda at: float(p_values[at]))
        broken -= set(own)
        worst = own[0]
        others = [names[a if b == culprit else b] for a, b in (pairs[at] for at in own)]
        effect, limit, p = float(effects[worst]), float(limits[worst]), float(p_values[worst])
        message = (
            f"its rank correlation with {others[0]} went from {before[worst]:.2f} to {now[worst]:.2f}"
            + (f", and with {_some(others[1:])}" if len(others) > 1 else "")
            + f"; p {_share(p)}"
        )
        details = {"with": others, "p_value": p, "usual": float(null.centre[worst] ** 2), "limit": limit}
        found.append(Measurement("dependence", "warn", message, names[culprit], effect, limit, details))
    if not found:
        found.append(Measurement("dependence", "ok", f"{judged} pairs of columns depend as they did"))
    return found


def values(
    names: Sequence[str], shares: Array, usual: Ceilings, monitor: str = "values"
) -> list[Measurement]:
    """Each column's shares of strange values (columns, checks) against the most that training had."""
    found = []
    for number, name in enumerate(names):
        over = [at for at in range(len(CHECKS)) if shares[number, at] >= usual.limits[number, at]]
        nearest = int(np.nan_to_num(shares[number] / usual.limits[number]).argmax())  # told if all is well
        said = "; ".join(
            f"{CHECKS[at]}: {shares[number, at]:.1%} of rows, "
            f"at most {usual.most[number, at]:.1%} in training"
            for at in over or [nearest]
        )
        at = over[0] if over else nearest
        share, limit = float(shares[number, at]), float(usual.limits[number, at])
        details = {"checks": [CHECKS[at] for at in over], "false_rate": usual.false_rate}
        level: Level = "warn" if over else "ok"
        threshold = limit if np.isfinite(limit) else None
        found.append(Measurement(monitor, level, said, name, share, threshold, details))
    return found


def _some(names: Sequence[str], shown: int = 4) -> str:
    rest = f" and {len(names) - shown} more" if len(names) > shown else ""
    return ", ".join(names[:shown]) + rest


def _share(p: float) -> str:
    return "0.2 or more" if p > 0.199 else f"{p:.2g}"
