"""How long a model takes to predict a batch, by itself and beside the champion.

Both predict the same rows in the same process, turn by turn: what else the machine does hits both. The limit
is broken where the median surely is, by the sign test's bound: a run that was held up does not count for more
than any other.
"""

from collections.abc import Sequence

import numpy as np

from mlcycle.domain.guardrails.finding import SURE, Finding


def least_median(values: Sequence[float]) -> float:
    """What the median is no less than, with ``SURE``; minus infinity of too few values."""
    from scipy.stats import binom

    ranked = np.sort(np.asarray(values, dtype=np.float64))
    below = [k for k in range(len(ranked)) if binom.cdf(k, len(ranked), 0.5) <= 1 - SURE]
    return float(ranked[below[-1]]) if below else float("-inf")


def judged(
    own: Sequence[float],
    champion: Sequence[float] | None,
    rows: int,
    max_ms: float | None,
    max_ratio: float | None,
) -> Finding:
    """Refuses where a batch surely takes longer than allowed.

    Args:
        own: seconds of each of the challenger's turns.
        champion: those of the champion's, in the same order.
        rows: of the batch.
        max_ms: milliseconds a batch.
        max_ratio: times the champion's.
    """
    middle = float(np.median(own)) * 1e3
    limits, broken, why = [], False, [f"median of {len(own)} turns on the machine that compared"]
    if max_ms is not None:
        least = least_median(own) * 1e3
        limits.append(f"{max_ms:g} ms")
        broken |= least > max_ms
        why.append(f"surely {least:.3g} ms or more")
    if max_ratio is not None:
        limits.append(f"{max_ratio:g} times the champion's")
        if champion is not None:
            ratios = [new / max(old, 1e-9) for new, old in zip(own, champion, strict=True)]
            least = least_median(ratios)
            broken |= least > max_ratio
            why.append(f"{float(np.median(ratios)):.3g} times the champion's, surely {least:.3g} or more")
        else:
            why.append("no champion to be slower than")
    return Finding(
        "latency",
        f"{middle:.3g} ms for {rows} rows ({middle / max(rows, 1):.2g} ms a row)",
        " and ".join(limits),
        not broken,
        "; ".join(why),
        "" if champion is None else f"{float(np.median(champion)) * 1e3:.3g} ms",
        middle,
    )
